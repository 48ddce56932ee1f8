//! What a customer asks for, and what it costs: prices come from the catalogue, never from outside.

use domain::{CartLine, PricedLine, PricedOrder, Quantity, SMALLEST_PAYMENT_MINOR, Sku};
use rust_decimal::Decimal;
use serde::Deserialize;
use store::tenants::Tenant;
use store::{Conn, products};
use utoipa::ToSchema;

use crate::error::{ApiError, ApiResult};

const MOST_LINES: usize = 100;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cart {
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<Line>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CartLine)]
struct Line {
    sku: Sku,
    #[schema(value_type = i64, minimum = 1, maximum = 1_000_000)]
    quantity: Quantity,
}

impl Cart {
    /// The lines sorted by SKU, those of one SKU added up.
    pub(crate) fn lines(self) -> ApiResult<Vec<CartLine>> {
        if !(1..=MOST_LINES).contains(&self.lines.len()) {
            return Err(ApiError::field("lines", format!("an order has 1 to {MOST_LINES} lines")));
        }
        let lines = self.lines.into_iter();
        CartLine::sorted(lines.map(|Line { sku, quantity }| CartLine { sku, quantity }))
            .map_err(|error| ApiError::field("lines", error.to_string()))
    }
}

/// The lines at the catalogue's prices, with the shop's tax.
///
/// # Errors
/// Names every SKU that is not on sale, or says that the gateway takes no sum as small as this.
pub(crate) async fn price(
    conn: &mut Conn,
    tenant: &Tenant,
    lines: &[CartLine],
) -> ApiResult<PricedOrder> {
    let skus: Vec<Sku> = lines.iter().map(|line| line.sku.clone()).collect();
    let catalogue = products::priced(conn, &tenant.tenant_id, &skus).await?;
    let (mut priced, mut unknown) = (Vec::new(), Vec::new());
    for line in lines {
        match catalogue.iter().find(|product| product.sku == line.sku && product.is_active) {
            Some(product) => priced.push(PricedLine {
                sku: line.sku.clone(),
                name: product.name.clone(),
                unit_price: product.unit_price,
                quantity: line.quantity,
            }),
            None => unknown.push(line.sku.clone()),
        }
    }
    if !unknown.is_empty() {
        return Err(ApiError::UnknownSku(unknown));
    }
    let rate = Decimal::new(tenant.tax_basis_points, 4);
    let order = PricedOrder::price(priced, tenant.currency, rate)
        .map_err(|error| ApiError::field("lines", error.to_string()))?;
    match order.total().minor() {
        ..=0 => Err(ApiError::NothingToPay),
        1..SMALLEST_PAYMENT_MINOR => Err(ApiError::TooLittleToPay(order.total())),
        _ => Ok(order),
    }
}
