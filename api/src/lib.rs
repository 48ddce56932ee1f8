//! The HTTP API: submits workflows, signals them, and reads. It never runs a step.
//!
//! Start reading at `router.rs`, which has every route on one screen; a route's handler is in the
//! file of its resource under `v1/`. What looks after runs is in `console/` and `operations/`. The payment gateway reports to `webhooks/razorpay.rs`.

mod app;
mod body;
mod client_address;
mod config;
mod console;
mod envelope;
mod error;
mod health;
pub mod identity;
mod internal;
mod observe;
pub mod operations;
mod passwords;
mod payment_hint;
mod router;
mod server;
mod v1;
mod wait;
mod webhooks;

pub use client_address::Network;
pub use config::{Config, Keys};
pub use console::{Remedy, remedy_of};
pub use passwords::{check_strength, hash_password};
pub use server::{Api, StartError, run};
