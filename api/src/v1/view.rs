//! How orders look in JSON: the whole of one, and the line it is in a list.

use chrono::{DateTime, Utc};
use domain::{Money, OrderId, OrderStatus, Sku};
use serde::Serialize;
use store::orders::{Order, OrderItem};
use store::refunds::Refund;
use utoipa::ToSchema;

use super::refunds::RefundView;

#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderView {
    order_id: OrderId,
    order_number: String,
    status: OrderStatus,
    reason_code: Option<String>,
    /// Which attempt to get it paid this is, from 1.
    attempt: i64,
    lines: Vec<LineView>,
    subtotal: Money,
    tax: Money,
    total: Money,
    refunds: Vec<RefundView>,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OrderLine)]
struct LineView {
    sku: Sku,
    name: String,
    unit_price: Money,
    quantity: i64,
    line_total: Money,
}

impl OrderView {
    pub(crate) fn of(order: Order, items: Vec<OrderItem>, refunds: Vec<Refund>) -> Self {
        let line = |item: OrderItem| LineView {
            sku: item.sku,
            name: item.name,
            unit_price: item.unit_price,
            quantity: item.quantity,
            line_total: item.line_total,
        };
        Self {
            order_id: order.order_id,
            order_number: order.order_number,
            status: order.status,
            reason_code: order.reason_code,
            attempt: order.attempt,
            lines: items.into_iter().map(line).collect(),
            subtotal: order.subtotal,
            tax: order.tax,
            total: order.total,
            refunds: refunds.into_iter().map(RefundView::from).collect(),
            expires_at: order.expires_at,
            created_at: order.created_at,
        }
    }
}

/// An order in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrderSummary {
    order_id: OrderId,
    order_number: String,
    status: OrderStatus,
    reason_code: Option<String>,
    total: Money,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
}

impl From<Order> for OrderSummary {
    fn from(order: Order) -> Self {
        Self {
            order_id: order.order_id,
            order_number: order.order_number,
            status: order.status,
            reason_code: order.reason_code,
            total: order.total,
            expires_at: order.expires_at,
            created_at: order.created_at,
        }
    }
}
