//! Many checkouts at once end as they would one after the other, and none spoils another.
//! Real PostgreSQL; no engine: the activities are called as it calls them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first fault"
)]

mod cases;
mod chance;
mod neighbours;
mod planted;
mod together;
mod world;
