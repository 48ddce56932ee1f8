//! The console as browsers see it, over real HTTP and a real PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test stops at the first fault"
)]

mod acting;
mod audit;
mod browser;
mod bulk;
mod lists;
mod live;
mod ranks;
mod redaction;
mod run;
mod signing_in;
mod stuck;
#[path = "../api/support.rs"]
#[allow(dead_code, reason = "shared with the API's tests; each uses its own part")]
mod support;
mod tokens;
mod trade;
mod wrong;
