//! Refunds as they stand. Changes nothing.

use std::collections::BTreeMap;

use domain::{GatewayRefundId, Money, OrderId, RefundId};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::Refund;
use crate::{Conn, Error, Result, row};

/// The refund, or `NotFound`.
pub async fn get(conn: &mut Conn, refund: RefundId) -> Result<Refund> {
    by_refunds(conn, &[refund]).await?.into_values().next().ok_or(Error::NotFound)
}

/// The refunds of an order, the first first.
pub async fn by_order(conn: &mut Conn, order: OrderId) -> Result<Vec<Refund>> {
    let rows = sqlx::query(
        "select refund_id, order_id, gateway_payment_id, gateway_refund_id, amount_minor,
                asked_minor, currency, status, idempotency_key, reason, override_reason, actor,
                failure_code, created_at, updated_at
         from refunds
         where order_id = $1
         order by created_at, refund_id",
    )
    .bind(order.as_uuid())
    .fetch_all(conn)
    .await?;
    rows.iter().map(refund).collect()
}

/// The refund with this idempotency key.
pub async fn by_key(conn: &mut Conn, key: &str) -> Result<Option<Refund>> {
    let found = sqlx::query(
        "select refund_id, order_id, gateway_payment_id, gateway_refund_id, amount_minor,
                asked_minor, currency, status, idempotency_key, reason, override_reason, actor,
                failure_code, created_at, updated_at
         from refunds
         where idempotency_key = $1",
    )
    .bind(key)
    .fetch_optional(conn)
    .await?;
    found.as_ref().map(refund).transpose()
}

/// The refunds that the gateway knows by these names.
pub async fn by_gateway_refund(
    conn: &mut Conn,
    names: &[GatewayRefundId],
) -> Result<BTreeMap<GatewayRefundId, Refund>> {
    let names: Vec<&str> = names.iter().map(GatewayRefundId::as_str).collect();
    let rows = sqlx::query(
        "select refund_id, order_id, gateway_payment_id, gateway_refund_id, amount_minor,
                asked_minor, currency, status, idempotency_key, reason, override_reason, actor,
                failure_code, created_at, updated_at
         from refunds
         where gateway_refund_id = any($1)",
    )
    .bind(names)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| Ok((row::word(r, "gateway_refund_id")?, refund(r)?))).collect()
}

/// Those of these refunds that there are.
pub async fn by_refunds(
    conn: &mut Conn,
    refunds: &[RefundId],
) -> Result<BTreeMap<RefundId, Refund>> {
    let refunds: Vec<Uuid> = refunds.iter().map(|r| r.as_uuid()).collect();
    let rows = sqlx::query(
        "select refund_id, order_id, gateway_payment_id, gateway_refund_id, amount_minor,
                asked_minor, currency, status, idempotency_key, reason, override_reason, actor,
                failure_code, created_at, updated_at
         from refunds
         where refund_id = any($1)",
    )
    .bind(refunds)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| Ok((row::id(r, "refund_id")?, refund(r)?))).collect()
}

/// PENDING refunds that no run sees to, the oldest first.
pub async fn unwatched(conn: &mut Conn, limit: i64) -> Result<Vec<Refund>> {
    let rows = sqlx::query(
        "select refund_id, order_id, gateway_payment_id, gateway_refund_id, amount_minor,
                asked_minor, currency, status, idempotency_key, reason, override_reason, actor,
                failure_code, created_at, updated_at
         from refunds
         where status = 'PENDING' and not watched
         order by created_at
         limit $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(refund).collect()
}

pub(super) fn refund(row: &PgRow) -> Result<Refund> {
    let amount = row::money(row, "amount_minor")?;
    let asked: Option<i64> = row::get(row, "asked_minor")?;
    Ok(Refund {
        refund_id: row::id(row, "refund_id")?,
        order_id: row::id(row, "order_id")?,
        gateway_payment_id: row::word(row, "gateway_payment_id")?,
        gateway_refund_id: row::maybe_word(row, "gateway_refund_id")?,
        amount,
        asked: asked.map(|minor| Money::from_minor(minor, amount.currency())),
        status: row::word(row, "status")?,
        idempotency_key: row::get(row, "idempotency_key")?,
        reason: row::get(row, "reason")?,
        override_reason: row::get(row, "override_reason")?,
        actor: row::get(row, "actor")?,
        failure_code: row::get(row, "failure_code")?,
        created_at: row::get(row, "created_at")?,
        updated_at: row::get(row, "updated_at")?,
    })
}
