//! What the shop sells in demo and dev: a few products with plenty of stock, and a scarce one.

use std::time::Duration;

use anyhow::Context;
use domain::{Currency, Money, Quantity, Sku, TenantId, Terms};
use sqlx::PgPool;
use store::{products::Product, stock, tenants};

/// The shop whose products these are.
const TENANT: &str = "retail";
/// SKU, name, price in the smallest unit.
pub(crate) const GOODS: [(&str, &str, i64); 5] = [
    ("BOOK-DEBTS", "A Short History of Promises", 59_900),
    ("INK-BLUE", "Ink, blue, 50 ml", 32_500),
    ("MUG-STONE", "Stoneware mug", 44_900),
    ("PEN-BRASS", "Brass pen", 129_900),
    ("TEA-GREEN", "Green tea, 100 g", 18_050),
];
/// The product that hardly any is left of.
pub(crate) const SCARCE: &str = "LAMP-LAST";

/// How the shop is stocked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stocking {
    /// Units of each product.
    pub(crate) plenty: i64,
    /// Units of the scarce one.
    pub(crate) scarce: i64,
    /// How long stock is held for an unpaid order.
    pub(crate) hold: Duration,
}

/// From now on orders are placed under these terms.
pub(crate) async fn place_under(pool: &PgPool, terms: Terms) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    let presets = tenants::get(&mut tx, &TENANT.parse()?).await.context("the shop is missing")?;
    tenants::upsert(&mut tx, &tenants::Tenant { terms, ..presets }).await?;
    tx.commit().await?;
    Ok(())
}

/// Sets the shop's presets and puts the products on sale. Stock is only added where there is none.
pub(crate) async fn put_on_sale(pool: &PgPool, stocking: Stocking) -> anyhow::Result<()> {
    let tenant_id: TenantId = TENANT.parse()?;
    let mut tx = pool.begin().await?;
    let presets = tenants::get(&mut tx, &tenant_id).await.context("the shop is missing")?;
    let presets = tenants::Tenant { hold: stocking.hold, ..presets };
    tenants::upsert(&mut tx, &presets).await?;
    let scarce = (SCARCE, "The last lamp", 249_900);
    let goods = GOODS.into_iter().map(|good| (good, stocking.plenty));
    for ((sku, name, minor), units) in goods.chain([(scarce, stocking.scarce)]) {
        let sku: Sku = sku.parse()?;
        let product = Product {
            tenant_id: tenant_id.clone(),
            sku: sku.clone(),
            name: name.to_owned(),
            unit_price: Money::from_minor(minor, Currency::Inr),
            is_active: true,
        };
        store::products::upsert(&mut tx, &product).await?;
        if stock::list(&mut tx, &tenant_id, std::slice::from_ref(&sku)).await?.is_empty() {
            stock::receive(&mut tx, &tenant_id, &sku, Quantity::try_from(units.min(1_000_000))?)
                .await?;
        }
    }
    tx.commit().await?;
    Ok(())
}
