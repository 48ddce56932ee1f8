//! What belongs to an order: its lines, and the events of its life.
//! Never one query per order: lines are read for a whole page at once.

use chrono::{DateTime, Utc};
use domain::{Money, OrderId, OrderStatus, Sku};
use uuid::Uuid;

use crate::{Conn, Result, row};

/// A line of an order, as it was when the order was placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderItem {
    /// The order.
    pub order_id: OrderId,
    /// The line's number, from 1.
    pub line_no: i64,
    /// The product.
    pub sku: Sku,
    /// The product's name.
    pub name: String,
    /// The price of one unit.
    pub unit_price: Money,
    /// How many units.
    pub quantity: i64,
    /// The unit price times the quantity.
    pub line_total: Money,
}

/// A change of an order's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEvent {
    /// Grows with each event; where a reader goes on.
    pub event_id: i64,
    /// The status before; none for the first event.
    pub from: Option<OrderStatus>,
    /// The status after.
    pub to: OrderStatus,
    /// Who did it.
    pub actor: String,
    /// Why, as a code.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// The lines of these orders, by order and line number.
pub async fn items(conn: &mut Conn, orders: &[OrderId]) -> Result<Vec<OrderItem>> {
    let orders: Vec<Uuid> = orders.iter().map(|o| o.as_uuid()).collect();
    let rows = sqlx::query(
        "select i.order_id, i.line_no, i.sku, i.name, i.unit_price_minor, i.quantity,
                i.line_total_minor, o.currency
         from order_items i
         join orders o on o.order_id = i.order_id
         where i.order_id = any($1)
         order by i.order_id, i.line_no",
    )
    .bind(orders)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|r| {
            Ok(OrderItem {
                order_id: row::id(r, "order_id")?,
                line_no: row::get(r, "line_no")?,
                sku: row::word(r, "sku")?,
                name: row::get(r, "name")?,
                unit_price: row::money(r, "unit_price_minor")?,
                quantity: row::get(r, "quantity")?,
                line_total: row::money(r, "line_total_minor")?,
            })
        })
        .collect()
}

/// The events of an order after the one with this id (0 for all), in the order they happened.
pub async fn events(conn: &mut Conn, order: OrderId, after: i64) -> Result<Vec<OrderEvent>> {
    let rows = sqlx::query(
        "select event_id, from_status, to_status, actor, reason, at
         from order_events
         where order_id = $1 and event_id > $2
         order by event_id",
    )
    .bind(order.as_uuid())
    .bind(after)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|r| {
            Ok(OrderEvent {
                event_id: row::get(r, "event_id")?,
                from: row::maybe_word(r, "from_status")?,
                to: row::word(r, "to_status")?,
                actor: row::get(r, "actor")?,
                reason: row::get(r, "reason")?,
                at: row::get(r, "at")?,
            })
        })
        .collect()
}
