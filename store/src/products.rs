//! The catalogue: what is sold, and at which price.
//! Never a quantity: that is the stock's.

use domain::{Money, Sku, TenantId};
use sqlx::postgres::PgRow;

use crate::{Conn, Result, row};

/// A product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its shop.
    pub tenant_id: TenantId,
    /// Its key in the shop.
    pub sku: Sku,
    /// Its name.
    pub name: String,
    /// The price of one unit.
    pub unit_price: Money,
    /// Whether it is on sale.
    pub is_active: bool,
}

/// Adds the product, or replaces its name, price and whether it is on sale.
pub async fn upsert(conn: &mut Conn, product: &Product) -> Result<()> {
    sqlx::query(
        "insert into products (tenant_id, sku, name, unit_price_minor, currency, is_active)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (tenant_id, sku) do update
         set name = excluded.name, unit_price_minor = excluded.unit_price_minor,
             currency = excluded.currency, is_active = excluded.is_active",
    )
    .bind(product.tenant_id.as_str())
    .bind(product.sku.as_str())
    .bind(&product.name)
    .bind(product.unit_price.minor())
    .bind(product.unit_price.currency().as_str())
    .bind(product.is_active)
    .execute(conn)
    .await?;
    Ok(())
}

/// The products among `skus` that the shop has, on sale or not, by SKU.
pub async fn priced(conn: &mut Conn, tenant: &TenantId, skus: &[Sku]) -> Result<Vec<Product>> {
    let skus: Vec<&str> = skus.iter().map(Sku::as_str).collect();
    let rows = sqlx::query(
        "select tenant_id, sku, name, unit_price_minor, currency, is_active
         from products
         where tenant_id = $1 and sku = any($2)
         order by sku",
    )
    .bind(tenant.as_str())
    .bind(skus)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// The shop's products on sale after the SKU `after`, at most `limit`, by SKU.
pub async fn list(
    conn: &mut Conn,
    tenant: &TenantId,
    after: Option<&Sku>,
    limit: i64,
) -> Result<Vec<Product>> {
    let rows = sqlx::query(
        "select tenant_id, sku, name, unit_price_minor, currency, is_active
         from products
         where tenant_id = $1 and is_active and sku > $2
         order by sku
         limit $3",
    )
    .bind(tenant.as_str())
    .bind(after.map_or("", Sku::as_str))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<Product> {
    Ok(Product {
        tenant_id: row::word(row, "tenant_id")?,
        sku: row::word(row, "sku")?,
        name: row::get(row, "name")?,
        unit_price: row::money(row, "unit_price_minor")?,
        is_active: row::get(row, "is_active")?,
    })
}
