//! The counters of each SKU: received, available, reserved, sold. Every change writes a movement.
//! Never a sale beyond what is available: the row refuses it.

mod end;
mod take;

use domain::{Sku, TenantId};

use crate::{Conn, Error, Result, row};

pub use end::{finalise, release, restock};
pub use take::{HoldRequest, ShortLine, Taken, take};

/// The counters of one SKU; `available + reserved + sold = received`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    /// The product.
    pub sku: Sku,
    /// Units that ever came in.
    pub received: i64,
    /// Units on sale.
    pub available: i64,
    /// Units held for orders that are not paid yet.
    pub reserved: i64,
    /// Units that were sold.
    pub sold: i64,
    /// Units that are still in the house: received less sold.
    pub total: i64,
}

/// A change of stock by a person.
#[derive(Clone, Debug)]
pub struct Adjustment<'a> {
    /// The shop.
    pub tenant_id: &'a TenantId,
    /// The product.
    pub sku: &'a Sku,
    /// How many units more, or fewer when negative.
    pub delta: i64,
    /// Who did it.
    pub actor: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// The counters of a SKU, or `NotFound`.
pub async fn get(conn: &mut Conn, tenant: &TenantId, sku: &Sku) -> Result<Stock> {
    let found = sqlx::query(
        "select sku, received, available, reserved, sold, total
         from inventory
         where tenant_id = $1 and sku = $2",
    )
    .bind(tenant.as_str())
    .bind(sku.as_str())
    .fetch_optional(conn)
    .await?;
    read(&found.ok_or(Error::NotFound)?)
}

/// The counters of those SKUs that have any, by SKU.
pub async fn list(conn: &mut Conn, tenant: &TenantId, skus: &[Sku]) -> Result<Vec<Stock>> {
    let skus: Vec<&str> = skus.iter().map(Sku::as_str).collect();
    let rows = sqlx::query(
        "select sku, received, available, reserved, sold, total
         from inventory
         where tenant_id = $1 and sku = any($2)
         order by sku",
    )
    .bind(tenant.as_str())
    .bind(skus)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// Puts `quantity` new units of a product on sale; the first makes the product's counters.
pub async fn receive(
    conn: &mut Conn,
    tenant: &TenantId,
    sku: &Sku,
    quantity: domain::Quantity,
) -> Result<()> {
    sqlx::query(
        "insert into inventory (tenant_id, sku, received, available)
         values ($1, $2, $3, $3)
         on conflict (tenant_id, sku) do update
         set received = inventory.received + excluded.received,
             available = inventory.available + excluded.available",
    )
    .bind(tenant.as_str())
    .bind(sku.as_str())
    .bind(quantity.get())
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into stock_movements (tenant_id, sku, kind, received_delta, available_delta)
         values ($1, $2, 'RECEIVE', $3, $3)",
    )
    .bind(tenant.as_str())
    .bind(sku.as_str())
    .bind(quantity.get())
    .execute(conn)
    .await?;
    Ok(())
}

/// Corrects what is available; `false` when fewer units are available than are to go.
pub async fn adjust(conn: &mut Conn, change: &Adjustment<'_>) -> Result<bool> {
    let changed = sqlx::query(
        "update inventory
         set received = received + $3, available = available + $3
         where tenant_id = $1 and sku = $2 and available + $3 >= 0",
    )
    .bind(change.tenant_id.as_str())
    .bind(change.sku.as_str())
    .bind(change.delta)
    .execute(&mut *conn)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "insert into stock_movements (tenant_id, sku, kind, received_delta, available_delta, actor,
                                      reason)
         values ($1, $2, 'ADJUST', $3, $3, $4, $5)",
    )
    .bind(change.tenant_id.as_str())
    .bind(change.sku.as_str())
    .bind(change.delta)
    .bind(change.actor)
    .bind(change.reason)
    .execute(conn)
    .await?;
    Ok(true)
}

fn read(row: &sqlx::postgres::PgRow) -> Result<Stock> {
    Ok(Stock {
        sku: row::word(row, "sku")?,
        received: row::get(row, "received")?,
        available: row::get(row, "available")?,
        reserved: row::get(row, "reserved")?,
        sold: row::get(row, "sold")?,
        total: row::get(row, "total")?,
    })
}
