//! The console as browsers see it, over real HTTP and a real PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test stops at the first fault"
)]

mod browser;
mod lists;
mod run;
mod signing_in;
#[path = "../api/support.rs"]
#[allow(dead_code, reason = "shared with the API's tests; each uses its own part")]
mod support;
mod trade;
