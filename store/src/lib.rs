//! All SQL on the shop's tables, one file per table.
//! Never begins or commits a transaction: the connection comes first, and its owner decides.
//!
//! Locks are taken in one order everywhere: order, stock by SKU, hold, payment, ledger.

pub mod audit;
pub mod captures;
pub mod console_actions;
pub mod console_sessions;
pub mod console_tokens;
pub mod console_views;
mod error;
pub mod figures;
pub mod health;
pub mod holds;
pub mod ledger;
pub mod operators;
pub mod orders;
pub mod outbox;
pub mod payments;
pub mod payouts;
pub mod products;
pub mod reconciliation;
pub mod refund_policies;
pub mod refunds;
mod row;
pub mod settlements;
pub mod sign_in_attempts;
pub mod stock;
pub mod tenants;
pub mod users;
pub mod webhooks;

pub use error::Error;

/// A connection, or the inside of a transaction.
pub type Conn = sqlx::PgConnection;

/// What every function of this crate answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;
