//! The console in a real browser, as an operator at night uses it: chromium, led by chromedriver,
//! against the API as a process, real workers and a real PostgreSQL.
//!
//! Every browser checks, when it is closed, that no request left for another host, that no page
//! broke its content policy, and that no script failed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::large_futures,
    reason = "a test stops at the first fault"
)]

mod access;
mod bulk;
mod found;
mod mended;
mod narrow;
mod race;
