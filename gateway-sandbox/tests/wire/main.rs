//! The sandbox over real HTTP, as a shop, a customer and a developer meet it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in the functions its cases share"
)]

mod faults;
mod orders;
mod page;
mod payments;
mod receiver;
mod refunds;
mod seed;
mod shop;
mod webhooks;
