//! Refunds: money on its way back, once for each idempotency key.
//! Never more than came in, also when two are asked for at once.

mod moves;
mod read;

use chrono::{DateTime, Utc};
use domain::{GatewayPaymentId, GatewayRefundId, Money, OrderId, RefundId, RefundStatus};

use crate::{Conn, Error, Result, row};

pub use moves::{Failed, mark_failed, mark_processed, name, watch};
pub use read::{by_gateway_refund, by_key, by_order, by_refunds, get, unwatched};

/// A refund to be made.
#[derive(Clone, Debug)]
pub struct NewRefund<'a> {
    /// The refund's id.
    pub refund_id: RefundId,
    /// The order.
    pub order_id: OrderId,
    /// The captured payment that goes back.
    pub gateway_payment_id: &'a GatewayPaymentId,
    /// The gateway's refund, when it was made there first.
    pub gateway_refund_id: Option<&'a GatewayRefundId>,
    /// How much of it.
    pub amount: Money,
    /// How much was asked for; none for all that was left.
    pub asked: Option<Money>,
    /// The caller's name for this refund.
    pub idempotency_key: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Why an admin went past the shop's policy.
    pub override_reason: Option<&'a str>,
    /// Who asks for it.
    pub actor: &'a str,
    /// Whether a run sees to it; if none does, the sweep starts one.
    pub watched: bool,
}

/// A refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The refund's id.
    pub refund_id: RefundId,
    /// The order.
    pub order_id: OrderId,
    /// The captured payment that goes back.
    pub gateway_payment_id: GatewayPaymentId,
    /// The gateway's refund, once there is one.
    pub gateway_refund_id: Option<GatewayRefundId>,
    /// How much.
    pub amount: Money,
    /// How much was asked for; none for all that was left.
    pub asked: Option<Money>,
    /// Where it stands.
    pub status: RefundStatus,
    /// The caller's name for this refund.
    pub idempotency_key: String,
    /// Why.
    pub reason: String,
    /// Why an admin went past the shop's policy.
    pub override_reason: Option<String>,
    /// Who asked for it.
    pub actor: String,
    /// Why it failed, or why it is not made yet.
    pub failure_code: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// What came of asking for a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is PENDING now.
    Added(Refund),
    /// The key is known; this is its refund.
    Known(Refund),
    /// Nothing was written: only this much may still go back.
    TooMuch(Money),
}

/// Adds a PENDING refund within what the payment has left.
///
/// # Errors
/// `NotFound` when the shop never learned of the payment.
pub async fn insert_pending(conn: &mut Conn, refund: &NewRefund<'_>) -> Result<Asked> {
    let left = lock_left(conn, refund.gateway_payment_id).await?;
    if let Some(known) = by_key(conn, refund.idempotency_key).await? {
        return Ok(Asked::Known(known));
    }
    let fits = left.currency() == refund.amount.currency() && refund.amount.minor() <= left.minor();
    if !fits && !planted::has("more goes back than came in") {
        return Ok(Asked::TooMuch(left));
    }
    let added = sqlx::query(
        "insert into refunds (refund_id, order_id, gateway_payment_id, gateway_refund_id,
                              amount_minor, asked_minor, currency, idempotency_key, reason,
                              override_reason, actor, watched)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         returning refund_id, order_id, gateway_payment_id, gateway_refund_id, amount_minor,
                   asked_minor, currency, status, idempotency_key, reason, override_reason, actor,
                   failure_code, created_at, updated_at",
    )
    .bind(refund.refund_id.as_uuid())
    .bind(refund.order_id.as_uuid())
    .bind(refund.gateway_payment_id.as_str())
    .bind(refund.gateway_refund_id.map(GatewayRefundId::as_str))
    .bind(refund.amount.minor())
    .bind(refund.asked.map(Money::minor))
    .bind(refund.amount.currency().as_str())
    .bind(refund.idempotency_key)
    .bind(refund.reason)
    .bind(refund.override_reason)
    .bind(refund.actor)
    .bind(refund.watched)
    .fetch_one(conn)
    .await?;
    Ok(Asked::Added(read::refund(&added)?))
}

/// How much of a captured payment may still go back, under the payment's lock: until the
/// transaction ends nobody else takes of it.
///
/// # Errors
/// `NotFound` when the shop never learned of the payment.
pub async fn lock_left(conn: &mut Conn, payment: &GatewayPaymentId) -> Result<Money> {
    let captured = sqlx::query(
        "select amount_minor, currency
         from gateway_captures
         where gateway_payment_id = $1
         for no key update",
    )
    .bind(payment.as_str())
    .fetch_optional(&mut *conn)
    .await?;
    let captured = row::money(&captured.ok_or(Error::NotFound)?, "amount_minor")?;
    // A statement of its own, so that it sees what was committed while we waited for the lock.
    let back = sqlx::query(
        "select coalesce(sum(amount_minor), 0)::bigint as minor
         from refunds
         where gateway_payment_id = $1 and status <> 'FAILED'",
    )
    .bind(payment.as_str())
    .fetch_one(conn)
    .await?;
    let back = Money::from_minor(row::get(&back, "minor")?, captured.currency());
    captured.checked_sub(back).map_err(|e| Error::InvalidRow(e.to_string()))
}
