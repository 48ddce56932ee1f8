//! The API's contract, over real HTTP and a real PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test stops at the first fault"
)]

mod accounts;
mod atomic;
mod envelope;
mod health;
mod orders;
mod payments;
mod planted;
mod settle;
mod stream;
mod support;
mod vanishing;
mod webhooks;
