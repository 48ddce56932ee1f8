//! Holds: which order has stock set aside, until when, and what became of it.
//! Never a counter: those move in `stock`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{CartLine, HoldId, HoldState, OrderId, Quantity, TenantId};
use uuid::Uuid;

use crate::{Conn, Error, Result, row};

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The hold's id.
    pub hold_id: HoldId,
    /// The order.
    pub order_id: OrderId,
    /// The shop.
    pub tenant_id: TenantId,
    /// What became of it.
    pub state: HoldState,
    /// Until when the stock is set aside.
    pub expires_at: DateTime<Utc>,
    /// When the stock was taken.
    pub created_at: DateTime<Utc>,
    /// When it last changed, if it did.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A hold to be written, with its lines.
pub(crate) struct NewHold<'a> {
    pub(crate) hold_id: HoldId,
    pub(crate) order_id: OrderId,
    pub(crate) tenant_id: &'a TenantId,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) lines: &'a [CartLine],
}

/// The hold, or `NotFound`.
pub async fn get(conn: &mut Conn, hold: HoldId) -> Result<Hold> {
    let found = sqlx::query(
        "select hold_id, order_id, tenant_id, state, expires_at, created_at, ended_at
         from holds
         where hold_id = $1",
    )
    .bind(hold.as_uuid())
    .fetch_optional(conn)
    .await?;
    read(&found.ok_or(Error::NotFound)?)
}

/// The holds of an order, the latest first.
pub async fn by_order(conn: &mut Conn, order: OrderId) -> Result<Vec<Hold>> {
    let rows = sqlx::query(
        "select hold_id, order_id, tenant_id, state, expires_at, created_at, ended_at
         from holds
         where order_id = $1
         order by created_at desc, hold_id desc",
    )
    .bind(order.as_uuid())
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// What a hold sets aside, by SKU.
pub async fn lines(conn: &mut Conn, hold: HoldId) -> Result<Vec<CartLine>> {
    let rows = sqlx::query(
        "select sku, quantity
         from hold_lines
         where hold_id = $1
         order by sku",
    )
    .bind(hold.as_uuid())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|r| {
            let quantity = Quantity::try_from(row::get::<i64>(r, "quantity")?)
                .map_err(|e| Error::InvalidRow(e.to_string()))?;
            Ok(CartLine { sku: row::word(r, "sku")?, quantity })
        })
        .collect()
}

/// Which of these holds exist, in any state.
pub(crate) async fn known(
    conn: &mut Conn,
    holds: impl Iterator<Item = HoldId>,
) -> Result<BTreeSet<HoldId>> {
    let holds: Vec<Uuid> = holds.map(HoldId::as_uuid).collect();
    let rows = sqlx::query(
        "select hold_id
         from holds
         where hold_id = any($1)",
    )
    .bind(holds)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| row::id(r, "hold_id")).collect()
}

/// Writes holds with their lines. `at` is the database's time, read when the stock was locked.
pub(crate) async fn insert(
    conn: &mut Conn,
    holds: &[NewHold<'_>],
    at: DateTime<Utc>,
) -> Result<()> {
    let ids: Vec<Uuid> = holds.iter().map(|h| h.hold_id.as_uuid()).collect();
    let orders: Vec<Uuid> = holds.iter().map(|h| h.order_id.as_uuid()).collect();
    let tenants: Vec<&str> = holds.iter().map(|h| h.tenant_id.as_str()).collect();
    let expiries: Vec<DateTime<Utc>> = holds.iter().map(|h| h.expires_at).collect();
    sqlx::query(
        "insert into holds (hold_id, order_id, tenant_id, expires_at, created_at)
         select wanted.hold_id, wanted.order_id, t.tenant_id, wanted.expires_at, $5
         from tenants t
         join unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[])
           as wanted (hold_id, order_id, tenant_id, expires_at)
           on t.tenant_id = wanted.tenant_id",
    )
    .bind(&ids)
    .bind(orders)
    .bind(tenants)
    .bind(expiries)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    let lines = holds.iter().flat_map(|h| h.lines.iter().map(|l| (h.hold_id, l)));
    let (mut of, mut skus, mut quantities) = (Vec::new(), Vec::new(), Vec::new());
    for (hold, line) in lines {
        of.push(hold.as_uuid());
        skus.push(line.sku.as_str());
        quantities.push(line.quantity.get());
    }
    sqlx::query(
        "insert into hold_lines (hold_id, sku, quantity)
         select h.hold_id, line.sku, line.quantity
         from holds h
         join unnest($1::uuid[], $2::text[], $3::bigint[]) as line (hold_id, sku, quantity)
           on h.hold_id = line.hold_id",
    )
    .bind(of)
    .bind(skus)
    .bind(quantities)
    .execute(conn)
    .await?;
    Ok(())
}

fn read(row: &sqlx::postgres::PgRow) -> Result<Hold> {
    Ok(Hold {
        hold_id: row::id(row, "hold_id")?,
        order_id: row::id(row, "order_id")?,
        tenant_id: row::word(row, "tenant_id")?,
        state: row::word(row, "state")?,
        expires_at: row::get(row, "expires_at")?,
        created_at: row::get(row, "created_at")?,
        ended_at: row::get(row, "ended_at")?,
    })
}
