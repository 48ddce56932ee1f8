//! A faithful local payment gateway: Razorpay's wire protocol over real HTTP, with faults on demand.
//!
//! It keeps everything in memory and never moves money. What it can be asked, by whom:
//!
//! | path | who | guard |
//! |---|---|---|
//! | `/v1/...` | the shop's server, with the gateway's own API | HTTP Basic |
//! | `/checkout/...` | the customer: `POST /checkout/pay`, and a page to click through | none |
//! | `/sandbox/...` | tests and developers: faults, late money, the ground truth | this machine only |
//!
//! Faults are scripted one by one, or drawn by the seed from [`Odds`]: the same seed and the same
//! calls meet the same faults, in whatever order the calls arrive.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), gateway_sandbox::Error> {
//! use gateway_sandbox::{Config, Sandbox};
//!
//! let sandbox = Sandbox::start(Config { key_id: "rzp_test_me".into(), ..Config::default() }).await?;
//! assert!(sandbox.url().starts_with("http://127.0.0.1:"));
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Read on in `router.rs` (every route), `state.rs` (what may follow what) and `faults.rs`.

mod admin;
mod app;
mod auth;
mod body;
mod chance;
mod checkout;
mod config;
mod connection;
mod delivery;
mod error;
mod event;
mod faults;
mod inject;
mod model;
mod operation;
mod orders;
mod page;
mod paging;
mod payments;
mod refunds;
mod refusal;
mod router;
mod sandbox;
mod script;
mod settlements;
pub mod signature;
mod state;
mod table;
mod tasks;
mod webhooks;

pub use crate::{
    config::{CallOdds, Config, DelayRange, Odds, RefundMode, RetrySchedule, WebhookOdds},
    error::Error,
    event::EventName,
    model::Capture,
    operation::Operation,
    sandbox::{Sandbox, run},
};
