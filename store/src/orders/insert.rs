//! Places an order: its row, its lines as they are priced now, and its first event.
//! Never a price from outside: it takes what `PricedOrder` computed.

use std::time::Duration;

use domain::{MoneyError, OrderId, OrderNumber, PricedOrder, TenantId, UserId};

use super::{Order, read_order};
use crate::{Conn, Error, Result};

/// An order to be placed.
#[derive(Clone, Debug)]
pub struct NewOrder<'a> {
    /// The order's id.
    pub order_id: OrderId,
    /// Its shop.
    pub tenant_id: &'a TenantId,
    /// Who orders.
    pub user_id: UserId,
    /// The workflow that will carry it.
    pub workflow_id: &'a str,
    /// The customer's name for the intention, 8 to 128 characters; one order for each.
    pub idempotency_key: Option<&'a str>,
    /// Its lines and sums.
    pub priced: &'a PricedOrder,
    /// How long it waits for the money, on the database's clock; whole seconds.
    pub expires_in: Duration,
}

/// Places the order as PENDING.
///
/// # Errors
/// `Conflict` when the id or the customer's key is taken, `Refused` when there is no such user.
pub async fn insert(conn: &mut Conn, order: &NewOrder<'_>, actor: &str) -> Result<Order> {
    let priced = order.priced;
    let placed = sqlx::query(
        "insert into orders (order_id, tenant_id, order_number, user_id, workflow_id, currency,
                             subtotal_minor, tax_minor, total_minor, idempotency_key, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
                 now() + $11::bigint * interval '1 second')
         returning order_id, tenant_id, order_number, user_id, status, reason_code, reason_detail,
                   currency, subtotal_minor, tax_minor, total_minor, attempt, version, workflow_id,
                   expires_at, created_at, updated_at, paid_at",
    )
    .bind(order.order_id.as_uuid())
    .bind(order.tenant_id.as_str())
    .bind(OrderNumber::from(order.order_id).as_str())
    .bind(order.user_id.as_uuid())
    .bind(order.workflow_id)
    .bind(priced.total().currency().as_str())
    .bind(priced.subtotal().minor())
    .bind(priced.tax().minor())
    .bind(priced.total().minor())
    .bind(order.idempotency_key)
    .bind(whole_seconds(order.expires_in)?)
    .fetch_one(&mut *conn)
    .await?;
    insert_lines(conn, order).await?;
    sqlx::query(
        "insert into order_events (order_id, to_status, actor)
         values ($1, 'PENDING', $2)",
    )
    .bind(order.order_id.as_uuid())
    .bind(actor)
    .execute(conn)
    .await?;
    read_order(&placed)
}

async fn insert_lines(conn: &mut Conn, order: &NewOrder<'_>) -> Result<()> {
    let lines = order.priced.lines();
    let skus: Vec<&str> = lines.iter().map(|l| l.sku.as_str()).collect();
    let names: Vec<&str> = lines.iter().map(|l| l.name.as_str()).collect();
    let prices: Vec<i64> = lines.iter().map(|l| l.unit_price.minor()).collect();
    let quantities: Vec<i64> = lines.iter().map(|l| l.quantity.get()).collect();
    let totals = lines
        .iter()
        .map(|l| Ok(l.total()?.minor()))
        .collect::<Result<Vec<i64>, MoneyError>>()
        .map_err(|e| Error::InvalidRow(e.to_string()))?;
    sqlx::query(
        "insert into order_items (order_id, line_no, sku, name, unit_price_minor, quantity,
                                  line_total_minor)
         select o.order_id, line.line_no, line.sku, line.name, line.unit_price_minor,
                line.quantity, line.line_total_minor
         from orders o,
           unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
             with ordinality
             as line (sku, name, unit_price_minor, quantity, line_total_minor, line_no)
         where o.order_id = $1",
    )
    .bind(order.order_id.as_uuid())
    .bind(skus)
    .bind(names)
    .bind(prices)
    .bind(quantities)
    .bind(totals)
    .execute(conn)
    .await?;
    Ok(())
}

/// A duration as the database counts it.
pub(super) fn whole_seconds(duration: Duration) -> Result<i64> {
    i64::try_from(duration.as_secs())
        .map_err(|_| Error::InvalidRow("duration out of range".to_owned()))
}
