//! The payment gateway as the activities see it: eleven calls, their answers, and how they fail.
//! It never retries, never stores and never decides: the engine and the sagas do.

mod breaker;
mod client;
mod config;
mod error;
mod refusal;
mod transport;
mod wire;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Capture, GatewayOrderId, GatewayPaymentId, GatewayRefundId, Money, PayoutKind};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use self::breaker::BreakerConfig;
pub use self::client::RazorpayClient;
pub use self::config::{GatewayConfig, install_tls};
pub use self::error::{GatewayError, Operation};

/// Our own words on a gateway object: at most 15 pairs of at most 256 characters each.
pub type Notes = BTreeMap<String, String>;

/// The most that the gateway gives in one list.
pub const PAGE: usize = 100;

/// The answer to come of one call.
pub type GatewayFuture<'a, T> = BoxFuture<'a, Result<T, GatewayError>>;

/// A payment gateway. Activities hold it as `Arc<dyn Gateway>`.
///
/// Every call is tried once and is bounded in time. An amount that comes back is the gateway's
/// word: compare it with what was asked before anything rests on it.
pub trait Gateway: Send + Sync {
    /// Opens an order that the customer can pay. The gateway has no idempotency key for it: after
    /// [`GatewayError::Unknown`] look with [`Gateway::orders_by_receipt`] before trying again.
    fn create_order<'a>(&'a self, order: &'a NewGatewayOrder) -> GatewayFuture<'a, GatewayOrder>;

    /// Every order that bears exactly this receipt, oldest first; empty if there is none.
    fn orders_by_receipt<'a>(&'a self, receipt: &'a str) -> GatewayFuture<'a, Vec<GatewayOrder>>;

    /// Every payment attempt on the order, oldest first, failed ones included.
    fn order_payments<'a>(
        &'a self,
        order_id: &'a GatewayOrderId,
    ) -> GatewayFuture<'a, Vec<GatewayPayment>>;

    /// The order as it stands now.
    fn order<'a>(&'a self, order_id: &'a GatewayOrderId) -> GatewayFuture<'a, GatewayOrder>;

    /// The payment attempts that began in that time, the newest first: at most [`PAGE`] of them,
    /// after `skip`. Fewer mean that there are no more.
    fn payments_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        skip: usize,
    ) -> GatewayFuture<'_, Vec<GatewayPayment>>;

    /// The lines of what the gateway paid out on a day, as it counts days: at most [`PAGE`] of
    /// them, after `skip`. Fewer mean that there are no more.
    fn payouts(&self, day: NaiveDate, skip: usize) -> GatewayFuture<'_, Vec<GatewayPayout>>;

    /// The payment as it stands now.
    fn payment<'a>(&'a self, payment_id: &'a GatewayPaymentId)
    -> GatewayFuture<'a, GatewayPayment>;

    /// Takes the whole authorised amount. Repeating it is safe: a payment found captured already,
    /// with this very amount, is a success.
    fn capture<'a>(
        &'a self,
        payment_id: &'a GatewayPaymentId,
        amount: Money,
    ) -> GatewayFuture<'a, GatewayPayment>;

    /// Gives `amount` back. The same key with the same arguments yields the same refund, so after
    /// [`GatewayError::Unknown`] the identical call may be repeated.
    ///
    /// A key that the gateway's rule refuses (at least 10 of `A-Z a-z 0-9 _ -`) is sent as the
    /// UUID derived from it.
    fn refund<'a>(
        &'a self,
        payment_id: &'a GatewayPaymentId,
        amount: Money,
        idempotency_key: &'a str,
        notes: &'a Notes,
    ) -> GatewayFuture<'a, GatewayRefund>;

    /// Every refund of the payment, oldest first, failed ones and those made by hand included.
    fn refunds_of<'a>(
        &'a self,
        payment_id: &'a GatewayPaymentId,
    ) -> GatewayFuture<'a, Vec<GatewayRefund>>;

    /// Refunds of all payments that were made since `since`, the newest first: one page of at most
    /// 100, after the first `skip`. While one reads, new ones push others onto the next page.
    fn refunds_since(
        &self,
        since: DateTime<Utc>,
        skip: usize,
    ) -> GatewayFuture<'_, Vec<GatewayRefund>>;
}

/// An order to open at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewGatewayOrder {
    /// Our name for it, at most 40 characters; its uniqueness is our duty, not the gateway's.
    pub receipt: String,
    /// What the customer shall pay.
    pub amount: Money,
    /// Who takes the money that the customer authorizes.
    pub capture: Capture,
    /// Our own words, shown in the gateway's dashboard and webhooks.
    pub notes: Notes,
}

/// An order at the gateway. It can be paid for ever: there is no way to close one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayOrder {
    /// The gateway's id.
    pub id: GatewayOrderId,
    /// What is to be paid.
    pub amount: Money,
    /// What has been captured so far; zero if the gateway does not say.
    pub amount_paid: Money,
    /// Our name for it.
    pub receipt: Option<String>,
    /// How far it got.
    pub status: GatewayOrderStatus,
    /// Our own words.
    pub notes: Notes,
    /// The gateway's clock, to the second.
    pub created_at: Option<DateTime<Utc>>,
}

/// How far an order at the gateway got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayOrderStatus {
    /// Nobody tried to pay yet.
    Created,
    /// There is at least one attempt, none captured.
    Attempted,
    /// A payment was captured; it stays so after a refund.
    Paid,
    /// A word that this version does not know.
    Unrecognised,
}

/// One attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayPayment {
    /// The gateway's id.
    pub id: GatewayPaymentId,
    /// The order that it pays; none for money sent without one.
    pub order_id: Option<GatewayOrderId>,
    /// What the customer paid or tried to pay.
    pub amount: Money,
    /// What has been given back; zero if the gateway does not say.
    pub amount_refunded: Money,
    /// How far it got.
    pub status: GatewayPaymentStatus,
    /// `card`, `upi`, `netbanking`, `wallet`, ...
    pub method: Option<String>,
    /// Why it failed, in one word, such as `payment_cancelled`.
    pub failure: Option<String>,
    /// The gateway's clock, to the second.
    pub created_at: Option<DateTime<Utc>>,
}

/// How far a payment got. None is the last word: a failed one may still be captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayPaymentStatus {
    /// The bank has not answered yet.
    Created,
    /// The customer's money is set aside and goes back by itself unless captured.
    Authorized,
    /// The money is ours.
    Captured,
    /// All of it was given back.
    Refunded,
    /// The attempt failed, so far.
    Failed,
    /// A word that this version does not know.
    Unrecognised,
}

/// Money on its way back to the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayRefund {
    /// The gateway's id.
    pub id: GatewayRefundId,
    /// The payment that it gives back.
    pub payment_id: GatewayPaymentId,
    /// How much.
    pub amount: Money,
    /// How far it got.
    pub status: GatewayRefundStatus,
    /// Our own words.
    pub notes: Notes,
    /// The gateway's clock, to the second.
    pub created_at: Option<DateTime<Utc>>,
}

/// How far a refund got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayRefundStatus {
    /// Accepted, not yet carried out.
    Pending,
    /// Sent to the customer's bank.
    Processed,
    /// It did not work; a new attempt needs a new key.
    Failed,
    /// A word that this version does not know.
    Unrecognised,
}

/// A line of what the gateway paid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayPayout {
    /// The payment, refund or adjustment.
    pub id: String,
    /// What the line is about.
    pub kind: PayoutKind,
    /// The payout that it belongs to.
    pub payout_id: Option<String>,
    /// The amount of the payment or refund.
    pub amount: Money,
    /// What the gateway keeps of it.
    pub fee: Money,
    /// The tax in that.
    pub tax: Money,
    /// Our name for the order, when the gateway says it.
    pub receipt: Option<String>,
}
