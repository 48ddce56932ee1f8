//! Refunds: money on its way back, once for each idempotency key.
//! Never more than came in, also when two are asked for at once.

use chrono::{DateTime, Utc};
use domain::{GatewayPaymentId, GatewayRefundId, Money, OrderId, RefundId, RefundStatus};
use sqlx::postgres::PgRow;

use crate::{Conn, Error, Result, row};

/// A refund to be made.
#[derive(Clone, Debug)]
pub struct NewRefund<'a> {
    /// The refund's id.
    pub refund_id: RefundId,
    /// The order.
    pub order_id: OrderId,
    /// The captured payment that goes back.
    pub gateway_payment_id: &'a GatewayPaymentId,
    /// How much of it.
    pub amount: Money,
    /// The caller's name for this refund.
    pub idempotency_key: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Who asks for it.
    pub actor: &'a str,
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
    /// Where it stands.
    pub status: RefundStatus,
    /// The caller's name for this refund.
    pub idempotency_key: String,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub actor: String,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
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
    // Under the payment's lock, so that two refunds cannot both take what is left.
    let captured = sqlx::query(
        "select amount_minor, currency
         from gateway_captures
         where gateway_payment_id = $1
         for no key update",
    )
    .bind(refund.gateway_payment_id.as_str())
    .fetch_optional(&mut *conn)
    .await?
    .ok_or(Error::NotFound)?;
    if let Some(known) = by_key(conn, refund.idempotency_key).await? {
        return Ok(Asked::Known(known));
    }
    let left = left_of(conn, refund.gateway_payment_id, row::money(&captured, "amount_minor")?);
    let left = left.await?;
    if left.currency() != refund.amount.currency() || refund.amount.minor() > left.minor() {
        return Ok(Asked::TooMuch(left));
    }
    let added = sqlx::query(
        "insert into refunds (refund_id, order_id, gateway_payment_id, amount_minor, currency,
                              idempotency_key, reason, actor)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         returning refund_id, order_id, gateway_payment_id, gateway_refund_id, amount_minor,
                   currency, status, idempotency_key, reason, actor, created_at",
    )
    .bind(refund.refund_id.as_uuid())
    .bind(refund.order_id.as_uuid())
    .bind(refund.gateway_payment_id.as_str())
    .bind(refund.amount.minor())
    .bind(refund.amount.currency().as_str())
    .bind(refund.idempotency_key)
    .bind(refund.reason)
    .bind(refund.actor)
    .fetch_one(conn)
    .await?;
    Ok(Asked::Added(read(&added)?))
}

/// PENDING becomes PROCESSED; `false` in any other status.
pub async fn mark_processed(
    conn: &mut Conn,
    refund: RefundId,
    gateway_refund: &GatewayRefundId,
) -> Result<bool> {
    let changed = sqlx::query(
        "update refunds
         set status = 'PROCESSED', gateway_refund_id = $2
         where refund_id = $1 and status = 'PENDING'",
    )
    .bind(refund.as_uuid())
    .bind(gateway_refund.as_str())
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// PENDING becomes FAILED, which frees its amount; `false` in any other status.
pub async fn mark_failed(conn: &mut Conn, refund: RefundId) -> Result<bool> {
    let changed = sqlx::query(
        "update refunds
         set status = 'FAILED'
         where refund_id = $1 and status = 'PENDING'",
    )
    .bind(refund.as_uuid())
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// The refunds of an order, the first first.
pub async fn by_order(conn: &mut Conn, order: OrderId) -> Result<Vec<Refund>> {
    let rows = sqlx::query(
        "select refund_id, order_id, gateway_payment_id, gateway_refund_id, amount_minor,
                currency, status, idempotency_key, reason, actor, created_at
         from refunds
         where order_id = $1
         order by created_at, refund_id",
    )
    .bind(order.as_uuid())
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// The refund with this idempotency key.
pub async fn by_key(conn: &mut Conn, key: &str) -> Result<Option<Refund>> {
    let found = sqlx::query(
        "select refund_id, order_id, gateway_payment_id, gateway_refund_id, amount_minor,
                currency, status, idempotency_key, reason, actor, created_at
         from refunds
         where idempotency_key = $1",
    )
    .bind(key)
    .fetch_optional(conn)
    .await?;
    found.as_ref().map(read).transpose()
}

async fn left_of(conn: &mut Conn, payment: &GatewayPaymentId, captured: Money) -> Result<Money> {
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

fn read(row: &PgRow) -> Result<Refund> {
    Ok(Refund {
        refund_id: row::id(row, "refund_id")?,
        order_id: row::id(row, "order_id")?,
        gateway_payment_id: row::word(row, "gateway_payment_id")?,
        gateway_refund_id: row::maybe_word(row, "gateway_refund_id")?,
        amount: row::money(row, "amount_minor")?,
        status: row::word(row, "status")?,
        idempotency_key: row::get(row, "idempotency_key")?,
        reason: row::get(row, "reason")?,
        actor: row::get(row, "actor")?,
        created_at: row::get(row, "created_at")?,
    })
}
