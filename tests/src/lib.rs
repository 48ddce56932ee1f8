//! Acceptance tests: their harness. The tests themselves are in tests/.
//!
//! A [`Shop`] is the product as it is deployed, small: a cell of its own in a real PostgreSQL, the
//! API and the workers as processes of the binary, and a payment gateway that listens on a port.
//! Tests act as a [`Customer`] over HTTP and read the tables and the gateway's own books.
//! Whatever a test starts is gone when its shop is dropped, also after a failed assertion.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a harness stops at the first fault, as the tests do"
)]

pub mod books;
mod browser;
mod customer;
mod database;
mod disk;
mod gateway;
mod http;
mod operators;
mod parcels;
mod plan;
mod process;
mod questions;
mod refunds;
mod shop;
mod wait;

pub use books::{Stock, Summary};
pub use browser::{Browser, Finding, View, is_installed};
pub use customer::{Customer, Session};
pub use database::{Place, unique_cell};
pub use disk::Disk;
pub use gateway::{GatewayOrder, GatewayPayment, GatewayRefund, Truth};
pub use http::{Answer, Web};
pub use operators::PASSPHRASE;
pub use parcels::{Depot, Parcel};
pub use plan::Plan;
pub use process::{Env, Process};
pub use shop::Shop;
pub use wait::{PATIENCE, until, until_within};
