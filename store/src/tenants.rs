//! Tenants and their presets.
//! Never a default made up here: every preset is a column.

use std::time::Duration;

use domain::{Currency, TenantId, Terms};
use sqlx::postgres::PgRow;

use crate::{Conn, Error, Result, row};

/// A shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The shop's slug.
    pub tenant_id: TenantId,
    /// The shop's name.
    pub name: String,
    /// The currency of all its prices.
    pub currency: Currency,
    /// The tax on the subtotal in basis points: 800 is 8 percent.
    pub tax_basis_points: i64,
    /// How long stock is held for an unpaid order.
    pub hold: Duration,
    /// What its orders are placed under.
    pub terms: Terms,
    /// How often one order may be tried.
    pub max_attempts: i64,
    /// Whether it takes orders.
    pub is_active: bool,
}

/// The tenant, or `NotFound`.
pub async fn get(conn: &mut Conn, tenant: &TenantId) -> Result<Tenant> {
    let found = sqlx::query(
        "select tenant_id, name, currency, tax_basis_points, hold_secs, late_money, capture,
                max_attempts, is_active
         from tenants
         where tenant_id = $1",
    )
    .bind(tenant.as_str())
    .fetch_optional(conn)
    .await?;
    read(&found.ok_or(Error::NotFound)?)
}

/// Adds the tenant, or replaces its presets.
pub async fn upsert(conn: &mut Conn, tenant: &Tenant) -> Result<()> {
    let hold_secs = i64::try_from(tenant.hold.as_secs())
        .map_err(|_| Error::InvalidRow("hold_secs out of range".to_owned()))?;
    sqlx::query(
        "insert into tenants (tenant_id, name, currency, tax_basis_points, hold_secs, late_money,
                              capture, max_attempts, is_active)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (tenant_id) do update
         set name = excluded.name, currency = excluded.currency,
             tax_basis_points = excluded.tax_basis_points, hold_secs = excluded.hold_secs,
             late_money = excluded.late_money, capture = excluded.capture,
             max_attempts = excluded.max_attempts, is_active = excluded.is_active",
    )
    .bind(tenant.tenant_id.as_str())
    .bind(&tenant.name)
    .bind(tenant.currency.as_str())
    .bind(tenant.tax_basis_points)
    .bind(hold_secs)
    .bind(tenant.terms.late_money.as_str())
    .bind(tenant.terms.capture.as_str())
    .bind(tenant.max_attempts)
    .bind(tenant.is_active)
    .execute(conn)
    .await?;
    Ok(())
}

fn read(row: &PgRow) -> Result<Tenant> {
    let hold_secs = u64::try_from(row::get::<i64>(row, "hold_secs")?)
        .map_err(|e| Error::InvalidRow(e.to_string()))?;
    Ok(Tenant {
        tenant_id: row::word(row, "tenant_id")?,
        name: row::get(row, "name")?,
        currency: row::word(row, "currency")?,
        tax_basis_points: row::get(row, "tax_basis_points")?,
        hold: Duration::from_secs(hold_secs),
        terms: Terms {
            capture: row::word(row, "capture")?,
            late_money: row::word(row, "late_money")?,
        },
        max_attempts: row::get(row, "max_attempts")?,
        is_active: row::get(row, "is_active")?,
    })
}
