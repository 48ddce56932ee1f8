//! Orders: what was ordered, at which price, and where it stands.
//! Never a status without an event: `status` writes both or none.

mod insert;
mod lines;
mod read;
mod status;

use chrono::{DateTime, Utc};
use domain::{Money, OrderId, OrderStatus, TenantId, UserId};
use sqlx::postgres::PgRow;

use crate::{Result, row};

pub use insert::{NewOrder, insert};
pub use lines::{OrderEvent, OrderItem, events, items};
pub use read::{Page, by_key, by_workflow, expiring, get, list_by_status, list_by_user};
pub use status::{Reopening, StatusChange, lock, reopen, set_status, was_reopened};

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The order's id.
    pub order_id: OrderId,
    /// Its shop.
    pub tenant_id: TenantId,
    /// Its readable number.
    pub order_number: String,
    /// Who ordered.
    pub user_id: UserId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it stands there, as a code.
    pub reason_code: Option<String>,
    /// Why, in words.
    pub reason_detail: Option<String>,
    /// The sum of its lines.
    pub subtotal: Money,
    /// The tax.
    pub tax: Money,
    /// What the customer pays.
    pub total: Money,
    /// Which attempt to get it paid this is, from 1.
    pub attempt: i64,
    /// Raised with each change of status.
    pub version: i64,
    /// The workflow that carries the attempt.
    pub workflow_id: String,
    /// Until when it waits for the money.
    pub expires_at: DateTime<Utc>,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was paid, if it was.
    pub paid_at: Option<DateTime<Utc>>,
}

fn read_order(row: &PgRow) -> Result<Order> {
    Ok(Order {
        order_id: row::id(row, "order_id")?,
        tenant_id: row::word(row, "tenant_id")?,
        order_number: row::get(row, "order_number")?,
        user_id: row::id(row, "user_id")?,
        status: row::word(row, "status")?,
        reason_code: row::get(row, "reason_code")?,
        reason_detail: row::get(row, "reason_detail")?,
        subtotal: row::money(row, "subtotal_minor")?,
        tax: row::money(row, "tax_minor")?,
        total: row::money(row, "total_minor")?,
        attempt: row::get(row, "attempt")?,
        version: row::get(row, "version")?,
        workflow_id: row::get(row, "workflow_id")?,
        expires_at: row::get(row, "expires_at")?,
        created_at: row::get(row, "created_at")?,
        updated_at: row::get(row, "updated_at")?,
        paid_at: row::get(row, "paid_at")?,
    })
}
