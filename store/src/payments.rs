//! Payments: what was asked of the gateway for an order, and whether it was paid.
//! Never two that were paid for one order, strays aside: the database refuses the second.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{
    GatewayOrderId, GatewayPaymentId, Money, OrderId, PaymentId, PaymentStatus, TenantId,
};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::{Conn, Error, Result, row};

/// A payment to be awaited.
#[derive(Clone, Debug)]
pub struct NewPayment<'a> {
    /// The payment's id.
    pub payment_id: PaymentId,
    /// Its shop.
    pub tenant_id: &'a TenantId,
    /// The order it pays.
    pub order_id: OrderId,
    /// Which gateway.
    pub gateway: &'a str,
    /// The gateway's order.
    pub gateway_order_id: &'a GatewayOrderId,
    /// How much.
    pub amount: Money,
}

/// A payment and what pays it.
#[derive(Clone, Copy, Debug)]
pub struct PaidBy<'a> {
    /// The payment.
    pub payment_id: PaymentId,
    /// The gateway's payment.
    pub gateway_payment_id: &'a GatewayPaymentId,
}

/// An order that was not paid, and why.
#[derive(Clone, Copy, Debug)]
pub struct NotPaid<'a> {
    /// The order.
    pub order_id: OrderId,
    /// Why, as a code.
    pub failure_code: &'a str,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The payment's id.
    pub payment_id: PaymentId,
    /// Its shop.
    pub tenant_id: TenantId,
    /// The order it pays.
    pub order_id: OrderId,
    /// The workflow of the attempt that awaits it: whoever has news of it tells that one.
    pub workflow_id: String,
    /// Which gateway.
    pub gateway: String,
    /// The gateway's order.
    pub gateway_order_id: GatewayOrderId,
    /// The gateway's payment, once there is one.
    pub gateway_payment_id: Option<GatewayPaymentId>,
    /// Where it stands.
    pub status: PaymentStatus,
    /// Whether the money came beside the order's own payment and is to go back.
    pub stray: bool,
    /// How much.
    pub amount: Money,
    /// Why it failed, as the gateway says.
    pub failure_code: Option<String>,
    /// When it was first awaited.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Adds a PENDING payment, or answers the one that is open for the order or its gateway order.
///
/// # Errors
/// `NotFound` when the gateway's order belongs to another order, or was settled meanwhile.
pub async fn insert_pending(conn: &mut Conn, payment: &NewPayment<'_>) -> Result<Payment> {
    let added = sqlx::query(
        "insert into payments (payment_id, tenant_id, order_id, workflow_id, gateway,
                               gateway_order_id, amount_minor, currency)
         select $1, $2, o.order_id, o.workflow_id, $4, $5, $6, $7
         from orders o
         where o.order_id = $3
         on conflict do nothing
         returning payment_id, tenant_id, order_id, workflow_id, gateway, gateway_order_id,
                   gateway_payment_id, status, stray, amount_minor, currency, failure_code,
                   created_at, updated_at",
    )
    .bind(payment.payment_id.as_uuid())
    .bind(payment.tenant_id.as_str())
    .bind(payment.order_id.as_uuid())
    .bind(payment.gateway)
    .bind(payment.gateway_order_id.as_str())
    .bind(payment.amount.minor())
    .bind(payment.amount.currency().as_str())
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(row) = added {
        return read(&row);
    }
    let existing = sqlx::query(
        "select payment_id, tenant_id, order_id, workflow_id, gateway, gateway_order_id,
                gateway_payment_id, status, stray, amount_minor, currency, failure_code,
                created_at, updated_at
         from payments
         where not stray and status <> 'FAILED' and order_id = $1
           and (status in ('PENDING', 'COD_DUE') or (gateway = $2 and gateway_order_id = $3))
         order by created_at desc
         limit 1",
    )
    .bind(payment.order_id.as_uuid())
    .bind(payment.gateway)
    .bind(payment.gateway_order_id.as_str())
    .fetch_optional(conn)
    .await?;
    read(&existing.ok_or(Error::NotFound)?)
}

/// The payment, or `NotFound`.
pub async fn get(conn: &mut Conn, payment: PaymentId) -> Result<Payment> {
    let found = sqlx::query(
        "select payment_id, tenant_id, order_id, workflow_id, gateway, gateway_order_id,
                gateway_payment_id, status, stray, amount_minor, currency, failure_code,
                created_at, updated_at
         from payments
         where payment_id = $1",
    )
    .bind(payment.as_uuid())
    .fetch_optional(conn)
    .await?;
    read(&found.ok_or(Error::NotFound)?)
}

/// The payments of an order, the latest first.
pub async fn by_order(conn: &mut Conn, order: OrderId) -> Result<Vec<Payment>> {
    let rows = sqlx::query(
        "select payment_id, tenant_id, order_id, workflow_id, gateway, gateway_order_id,
                gateway_payment_id, status, stray, amount_minor, currency, failure_code,
                created_at, updated_at
         from payments
         where order_id = $1
         order by created_at desc, payment_id desc",
    )
    .bind(order.as_uuid())
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// The payment for a gateway's order, or `NotFound`; the one that has not failed comes first.
pub async fn by_gateway_order(
    conn: &mut Conn,
    gateway: &str,
    gateway_order: &GatewayOrderId,
) -> Result<Payment> {
    let found = sqlx::query(
        "select payment_id, tenant_id, order_id, workflow_id, gateway, gateway_order_id,
                gateway_payment_id, status, stray, amount_minor, currency, failure_code,
                created_at, updated_at
         from payments
         where gateway = $1 and gateway_order_id = $2
         order by stray, status = 'FAILED', created_at desc
         limit 1",
    )
    .bind(gateway)
    .bind(gateway_order.as_str())
    .fetch_optional(conn)
    .await?;
    read(&found.ok_or(Error::NotFound)?)
}

/// Each payment that is PENDING or `COD_DUE` becomes SUCCESS; answers those that changed.
///
/// # Errors
/// `Conflict` when one of the orders has a paid payment already.
pub async fn mark_success(conn: &mut Conn, paid: &[PaidBy<'_>]) -> Result<Vec<PaymentId>> {
    let payments: Vec<Uuid> = paid.iter().map(|p| p.payment_id.as_uuid()).collect();
    let paid_by: Vec<&str> = paid.iter().map(|p| p.gateway_payment_id.as_str()).collect();
    let rows = sqlx::query(
        "update payments p
         set status = 'SUCCESS', gateway_payment_id = paid.gateway_payment_id, failure_code = null
         from unnest($1::uuid[], $2::text[]) as paid (payment_id, gateway_payment_id)
         where p.payment_id = paid.payment_id and p.status in ('PENDING', 'COD_DUE')
         returning p.payment_id",
    )
    .bind(payments)
    .bind(paid_by)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| row::id(r, "payment_id")).collect()
}

/// The payments of these orders that are PENDING or `COD_DUE` become FAILED; answers those that
/// changed. Of several codes for one order the first counts.
pub async fn mark_failed(conn: &mut Conn, failed: &[NotPaid<'_>]) -> Result<Vec<PaymentId>> {
    let mut seen = BTreeSet::new();
    let failed: Vec<_> = failed.iter().filter(|f| seen.insert(f.order_id)).collect();
    let orders: Vec<Uuid> = failed.iter().map(|f| f.order_id.as_uuid()).collect();
    let codes: Vec<&str> = failed.iter().map(|f| f.failure_code).collect();
    let rows = sqlx::query(
        "update payments p
         set status = 'FAILED', failure_code = failed.failure_code
         from unnest($1::uuid[], $2::text[]) as failed (order_id, failure_code)
         where p.order_id = failed.order_id and p.status in ('PENDING', 'COD_DUE')
         returning p.payment_id",
    )
    .bind(orders)
    .bind(codes)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| row::id(r, "payment_id")).collect()
}

/// A paid payment takes the status that its refunds give it, forward or, when a refund came back,
/// backward; `false` when that changes nothing.
///
/// Only PROCESSED refunds count: REFUNDED when all of the amount went back, `PARTIALLY_REFUNDED`
/// when some did, else SUCCESS.
pub async fn mark_refunded(conn: &mut Conn, gateway_payment: &GatewayPaymentId) -> Result<bool> {
    let changed = sqlx::query(
        "with back as (
           select p.payment_id,
                  case when sum(r.amount_minor) >= p.amount_minor then 'REFUNDED'
                       when sum(r.amount_minor) > 0 then 'PARTIALLY_REFUNDED'
                       else 'SUCCESS' end as status
           from payments p
           left join refunds r
             on r.gateway_payment_id = p.gateway_payment_id and r.status = 'PROCESSED'
           where p.gateway_payment_id = $1
             and p.status in ('SUCCESS', 'PARTIALLY_REFUNDED', 'REFUNDED')
           group by p.payment_id, p.amount_minor
         )
         update payments p
         set status = back.status
         from back
         where p.payment_id = back.payment_id and p.status <> back.status",
    )
    .bind(gateway_payment.as_str())
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// Records a payment that no order keeps as SUCCESS and stray; `false` when it is known.
pub async fn insert_stray(
    conn: &mut Conn,
    payment: &NewPayment<'_>,
    gateway_payment: &GatewayPaymentId,
) -> Result<bool> {
    let added = sqlx::query(
        "insert into payments (payment_id, tenant_id, order_id, workflow_id, gateway,
                               gateway_order_id, amount_minor, currency, gateway_payment_id, status,
                               stray)
         select $1, $2, o.order_id, o.workflow_id, $4, $5, $6, $7, $8, 'SUCCESS', true
         from orders o
         where o.order_id = $3
         on conflict do nothing",
    )
    .bind(payment.payment_id.as_uuid())
    .bind(payment.tenant_id.as_str())
    .bind(payment.order_id.as_uuid())
    .bind(payment.gateway)
    .bind(payment.gateway_order_id.as_str())
    .bind(payment.amount.minor())
    .bind(payment.amount.currency().as_str())
    .bind(gateway_payment.as_str())
    .execute(conn)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Payments that have been awaited for longer than `older_than_secs`, the oldest first.
pub async fn stale(conn: &mut Conn, older_than_secs: i64, limit: i64) -> Result<Vec<Payment>> {
    let rows = sqlx::query(
        "select payment_id, tenant_id, order_id, workflow_id, gateway, gateway_order_id,
                gateway_payment_id, status, stray, amount_minor, currency, failure_code,
                created_at, updated_at
         from payments
         where status = 'PENDING' and created_at < now() - $1::bigint * interval '1 second'
         order by created_at
         limit $2",
    )
    .bind(older_than_secs)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<Payment> {
    Ok(Payment {
        payment_id: row::id(row, "payment_id")?,
        tenant_id: row::word(row, "tenant_id")?,
        order_id: row::id(row, "order_id")?,
        workflow_id: row::get(row, "workflow_id")?,
        gateway: row::get(row, "gateway")?,
        gateway_order_id: row::word(row, "gateway_order_id")?,
        gateway_payment_id: row::maybe_word(row, "gateway_payment_id")?,
        status: row::word(row, "status")?,
        stray: row::get(row, "stray")?,
        amount: row::money(row, "amount_minor")?,
        failure_code: row::get(row, "failure_code")?,
        created_at: row::get(row, "created_at")?,
        updated_at: row::get(row, "updated_at")?,
    })
}
