//! Captured payments that the shop learned of, and what became of each.
//! Never forgotten: one that stays OPEN after its saga has ended is a finding of the audit.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{Disposition, GatewayOrderId, GatewayPaymentId, Money, OrderId, RefundId};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::{Conn, Error, Result, row};

/// A captured payment that was learned of.
#[derive(Clone, Debug)]
pub struct NewCapture<'a> {
    /// The gateway's payment.
    pub gateway_payment_id: &'a GatewayPaymentId,
    /// The gateway's order.
    pub gateway_order_id: &'a GatewayOrderId,
    /// The order, when it is known.
    pub order_id: Option<OrderId>,
    /// How much the gateway says.
    pub amount: Money,
}

/// A captured payment that an order keeps.
#[derive(Clone, Copy, Debug)]
pub struct Fulfilled<'a> {
    /// The gateway's payment.
    pub gateway_payment_id: &'a GatewayPaymentId,
    /// The gateway's order.
    pub gateway_order_id: &'a GatewayOrderId,
    /// The order, which was paid.
    pub order_id: OrderId,
    /// How much the gateway says.
    pub amount: Money,
}

/// A captured payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The gateway's payment.
    pub gateway_payment_id: GatewayPaymentId,
    /// The gateway's order.
    pub gateway_order_id: GatewayOrderId,
    /// The order, when it is known.
    pub order_id: Option<OrderId>,
    /// How much the gateway says.
    pub amount: Money,
    /// What became of it.
    pub disposition: Disposition,
    /// The refund by which it went back.
    pub refund_id: Option<RefundId>,
    /// When it was learned of.
    pub at: DateTime<Utc>,
}

/// Keeps the capture as OPEN; `false` when it is known already.
pub async fn record(conn: &mut Conn, capture: &NewCapture<'_>) -> Result<bool> {
    let added = sqlx::query(
        "insert into gateway_captures (gateway_payment_id, gateway_order_id, order_id,
                                       amount_minor, currency)
         values ($1, $2, $3, $4, $5)
         on conflict (gateway_payment_id) do nothing",
    )
    .bind(capture.gateway_payment_id.as_str())
    .bind(capture.gateway_order_id.as_str())
    .bind(capture.order_id.map(OrderId::as_uuid))
    .bind(capture.amount.minor())
    .bind(capture.amount.currency().as_str())
    .execute(conn)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Decides what becomes of the capture; `false` when that stands already, or it went back before.
///
/// # Errors
/// `Refused` for REFUNDED without a refund, or FULFILLED without a known order.
pub async fn dispose(
    conn: &mut Conn,
    gateway_payment: &GatewayPaymentId,
    disposition: Disposition,
    refund: Option<RefundId>,
) -> Result<bool> {
    let changed = sqlx::query(
        "update gateway_captures
         set disposition = $2, refund_id = coalesce($3, refund_id)
         where gateway_payment_id = $1 and disposition <> $2 and disposition <> 'REFUNDED'",
    )
    .bind(gateway_payment.as_str())
    .bind(disposition.as_str())
    .bind(refund.map(RefundId::as_uuid))
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// The capture takes the disposition that its refunds give it; `false` when that changes nothing.
///
/// REFUNDED when the refunds that the gateway took make up all of it. One whose refund failed is
/// FULFILLED again if an order keeps it, and otherwise for a person.
pub async fn restate(
    conn: &mut Conn,
    gateway_payment: &GatewayPaymentId,
    refund: RefundId,
) -> Result<bool> {
    let changed = sqlx::query(
        "with back as (
           select coalesce(sum(amount_minor), 0) as minor
           from refunds
           where gateway_payment_id = $1 and status <> 'FAILED' and gateway_refund_id is not null
         )
         update gateway_captures c
         set disposition = case
               when back.minor >= c.amount_minor then 'REFUNDED'
               when exists (
                 select from payments p
                 where p.gateway_payment_id = c.gateway_payment_id and p.order_id = c.order_id
                   and not p.stray and p.status in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED')
               ) then 'FULFILLED'
               else 'REVIEW' end,
             refund_id = $2
         from back
         where c.gateway_payment_id = $1
           and (c.disposition = 'REFUNDED') <> (back.minor >= c.amount_minor)",
    )
    .bind(gateway_payment.as_str())
    .bind(refund.as_uuid())
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Keeps the captures as FULFILLED, as of when their orders were paid; answers those that are so
/// now and were not before. One that went back, or that belongs to another order, stays as it is.
pub async fn fulfil(conn: &mut Conn, captures: &[Fulfilled<'_>]) -> Result<Vec<GatewayPaymentId>> {
    let mut seen = BTreeSet::new();
    let captures: Vec<_> =
        captures.iter().filter(|c| seen.insert(c.gateway_payment_id.as_str())).collect();
    let payments: Vec<&str> = captures.iter().map(|c| c.gateway_payment_id.as_str()).collect();
    let at_gateway: Vec<&str> = captures.iter().map(|c| c.gateway_order_id.as_str()).collect();
    let orders: Vec<Uuid> = captures.iter().map(|c| c.order_id.as_uuid()).collect();
    let amounts: Vec<i64> = captures.iter().map(|c| c.amount.minor()).collect();
    let currencies: Vec<&str> = captures.iter().map(|c| c.amount.currency().as_str()).collect();
    let rows = sqlx::query(
        "insert into gateway_captures (gateway_payment_id, gateway_order_id, order_id,
                                       amount_minor, currency, disposition, at, updated_at)
         select c.gateway_payment_id, c.gateway_order_id, o.order_id, c.amount_minor, c.currency,
                'FULFILLED', o.paid_at, o.paid_at
         from orders o
         join unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::text[])
           as c (gateway_payment_id, gateway_order_id, order_id, amount_minor, currency)
           on c.order_id = o.order_id
         where o.paid_at is not null
         on conflict (gateway_payment_id) do update
         set disposition = excluded.disposition, order_id = excluded.order_id
         where gateway_captures.disposition in ('OPEN', 'REVIEW')
           and (gateway_captures.order_id is null
                or gateway_captures.order_id = excluded.order_id)
         returning gateway_payment_id",
    )
    .bind(payments)
    .bind(at_gateway)
    .bind(orders)
    .bind(amounts)
    .bind(currencies)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| row::word(r, "gateway_payment_id")).collect()
}

/// The capture, or `NotFound`.
pub async fn get(conn: &mut Conn, gateway_payment: &GatewayPaymentId) -> Result<Capture> {
    let found = sqlx::query(
        "select gateway_payment_id, gateway_order_id, order_id, amount_minor, currency,
                disposition, refund_id, at
         from gateway_captures
         where gateway_payment_id = $1",
    )
    .bind(gateway_payment.as_str())
    .fetch_optional(conn)
    .await?;
    read(&found.ok_or(Error::NotFound)?)
}

/// The captures of an order, the first first.
pub async fn by_order(conn: &mut Conn, order: OrderId) -> Result<Vec<Capture>> {
    let rows = sqlx::query(
        "select gateway_payment_id, gateway_order_id, order_id, amount_minor, currency,
                disposition, refund_id, at
         from gateway_captures
         where order_id = $1
         order by at, gateway_payment_id",
    )
    .bind(order.as_uuid())
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// Captures about which nobody has decided, or a person has to, the oldest first.
pub async fn unsettled(conn: &mut Conn, limit: i64) -> Result<Vec<Capture>> {
    let rows = sqlx::query(
        "select gateway_payment_id, gateway_order_id, order_id, amount_minor, currency,
                disposition, refund_id, at
         from gateway_captures
         where disposition in ('OPEN', 'REVIEW')
         order by at
         limit $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<Capture> {
    Ok(Capture {
        gateway_payment_id: row::word(row, "gateway_payment_id")?,
        gateway_order_id: row::word(row, "gateway_order_id")?,
        order_id: row::maybe_id(row, "order_id")?,
        amount: row::money(row, "amount_minor")?,
        disposition: row::word(row, "disposition")?,
        refund_id: row::maybe_id(row, "refund_id")?,
        at: row::get(row, "at")?,
    })
}
