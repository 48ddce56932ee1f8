//! The catalogue, for everybody.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use domain::{Money, Sku};
use serde::Serialize;
use store::{products, stock};
use utoipa::ToSchema;

use crate::app::Shared;
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};

#[derive(Serialize, ToSchema)]
#[schema(as = Product)]
pub(crate) struct ProductView {
    sku: Sku,
    name: String,
    unit_price: Money,
    /// Units that can be ordered now.
    available: i64,
}

/// `GET /api/v1/products/{sku}`
pub(crate) async fn get(
    State(app): State<Shared>,
    sku: Result<Path<String>, PathRejection>,
) -> ApiResult<Answer<ProductView>> {
    // What is no SKU, or no text, names no product.
    let Path(sku) = sku.map_err(|_| ApiError::ProductNotFound)?;
    let sku: Sku = sku.parse().map_err(|_| ApiError::ProductNotFound)?;
    let shared = Shared::clone(&app);
    let product = app
        .finish(async move {
            let mut conn = shared.pool.acquire().await?;
            let tenant = &shared.config.tenant;
            let found = products::priced(&mut conn, tenant, std::slice::from_ref(&sku)).await?;
            let product = found
                .into_iter()
                .find(|product| product.is_active)
                .ok_or(ApiError::ProductNotFound)?;
            let available = match stock::get(&mut conn, tenant, &sku).await {
                Ok(stock) => stock.available,
                Err(store::Error::NotFound) => 0,
                Err(error) => return Err(error.into()),
            };
            let (name, unit_price) = (product.name, product.unit_price);
            Ok(ProductView { sku, name, unit_price, available })
        })
        .await?;
    Ok(Answer::ok("product", product))
}
