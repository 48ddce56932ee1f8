//! Reads orders: one, or a page of a customer's or a shop's, newest first.
//! Never counts pages: each page begins where the last one ended.

use domain::{OrderId, OrderStatus, TenantId, UserId};

use super::{Order, read_order};
use crate::{Conn, Error, Result};

/// Which part of a list: at most `limit` orders older than `before`.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The last order of the page before, or none for the first page.
    pub before: Option<OrderId>,
    /// How many at most.
    pub limit: i64,
}

/// The order, or `NotFound`.
pub async fn get(conn: &mut Conn, order: OrderId) -> Result<Order> {
    let found = sqlx::query(
        "select order_id, tenant_id, order_number, user_id, status, reason_code, reason_detail,
                currency, subtotal_minor, tax_minor, total_minor, attempt, version, workflow_id,
                expires_at, created_at, updated_at, paid_at
         from orders
         where order_id = $1",
    )
    .bind(order.as_uuid())
    .fetch_optional(conn)
    .await?;
    read_order(&found.ok_or(Error::NotFound)?)
}

/// The order whose attempt this workflow carries, or `NotFound`.
pub async fn by_workflow(conn: &mut Conn, tenant: &TenantId, workflow_id: &str) -> Result<Order> {
    let found = sqlx::query(
        "select order_id, tenant_id, order_number, user_id, status, reason_code, reason_detail,
                currency, subtotal_minor, tax_minor, total_minor, attempt, version, workflow_id,
                expires_at, created_at, updated_at, paid_at
         from orders
         where tenant_id = $1 and workflow_id = $2",
    )
    .bind(tenant.as_str())
    .bind(workflow_id)
    .fetch_optional(conn)
    .await?;
    read_order(&found.ok_or(Error::NotFound)?)
}

/// The order that a customer placed under this idempotency key, or `NotFound`.
pub async fn by_key(conn: &mut Conn, user: UserId, idempotency_key: &str) -> Result<Order> {
    let found = sqlx::query(
        "select order_id, tenant_id, order_number, user_id, status, reason_code, reason_detail,
                currency, subtotal_minor, tax_minor, total_minor, attempt, version, workflow_id,
                expires_at, created_at, updated_at, paid_at
         from orders
         where user_id = $1 and idempotency_key = $2",
    )
    .bind(user.as_uuid())
    .bind(idempotency_key)
    .fetch_optional(conn)
    .await?;
    read_order(&found.ok_or(Error::NotFound)?)
}

/// A customer's orders, newest first.
pub async fn list_by_user(conn: &mut Conn, user: UserId, page: Page) -> Result<Vec<Order>> {
    let rows = sqlx::query(
        "select order_id, tenant_id, order_number, user_id, status, reason_code, reason_detail,
                currency, subtotal_minor, tax_minor, total_minor, attempt, version, workflow_id,
                expires_at, created_at, updated_at, paid_at
         from orders
         where user_id = $1 and ($2::uuid is null or order_id < $2)
         order by order_id desc
         limit $3",
    )
    .bind(user.as_uuid())
    .bind(page.before.map(OrderId::as_uuid))
    .bind(page.limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read_order).collect()
}

/// A shop's orders of one status, newest first.
pub async fn list_by_status(
    conn: &mut Conn,
    tenant: &TenantId,
    status: OrderStatus,
    page: Page,
) -> Result<Vec<Order>> {
    let rows = sqlx::query(
        "select order_id, tenant_id, order_number, user_id, status, reason_code, reason_detail,
                currency, subtotal_minor, tax_minor, total_minor, attempt, version, workflow_id,
                expires_at, created_at, updated_at, paid_at
         from orders
         where tenant_id = $1 and status = $2 and ($3::uuid is null or order_id < $3)
         order by order_id desc
         limit $4",
    )
    .bind(tenant.as_str())
    .bind(status.as_str())
    .bind(page.before.map(OrderId::as_uuid))
    .bind(page.limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read_order).collect()
}

/// Orders that wait for money and whose time ends by then, the soonest first.
pub async fn expiring(
    conn: &mut Conn,
    tenant: &TenantId,
    within_secs: i64,
    limit: i64,
) -> Result<Vec<Order>> {
    let rows = sqlx::query(
        "select order_id, tenant_id, order_number, user_id, status, reason_code, reason_detail,
                currency, subtotal_minor, tax_minor, total_minor, attempt, version, workflow_id,
                expires_at, created_at, updated_at, paid_at
         from orders
         where status = 'RESERVED' and tenant_id = $1
           and expires_at <= now() + $2 * interval '1 second'
         order by expires_at
         limit $3",
    )
    .bind(tenant.as_str())
    .bind(within_secs)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read_order).collect()
}
