//! One payment, as its order's owner sees it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use domain::{GatewayOrderId, GatewayPaymentId, Money, OrderId, PaymentId, PaymentStatus};
use serde::Serialize;
use store::payments::{self, Payment};
use utoipa::ToSchema;

use super::orders::owned;
use crate::app::{App, Shared};
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};
use crate::identity::SignedIn;

#[derive(Serialize, ToSchema)]
#[schema(as = Payment)]
pub(crate) struct PaymentView {
    payment_id: PaymentId,
    order_id: OrderId,
    status: PaymentStatus,
    amount: Money,
    gateway_order_id: GatewayOrderId,
    gateway_payment_id: Option<GatewayPaymentId>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Payment> for PaymentView {
    fn from(payment: Payment) -> Self {
        Self {
            payment_id: payment.payment_id,
            order_id: payment.order_id,
            status: payment.status,
            amount: payment.amount,
            gateway_order_id: payment.gateway_order_id,
            gateway_payment_id: payment.gateway_payment_id,
            created_at: payment.created_at,
            updated_at: payment.updated_at,
        }
    }
}

/// `GET /api/v1/payments/{id}`
pub(crate) async fn get(
    State(app): State<Shared>,
    who: SignedIn,
    id: Result<Path<String>, PathRejection>,
) -> ApiResult<Answer<PaymentView>> {
    let Path(id) = id.map_err(|_| ApiError::PaymentNotFound)?;
    // What is no UUID names no payment.
    let id = id.parse().map_err(|_| ApiError::PaymentNotFound)?;
    let shared = Shared::clone(&app);
    let payment = app.finish(async move { find(&shared, &who, id).await }).await?;
    Ok(Answer::ok("payment", payment))
}

/// The payment, if it is of the caller's order: 404 when there is none in his shop, 403 when the
/// order is somebody else's.
async fn find(app: &App, who: &SignedIn, id: PaymentId) -> ApiResult<PaymentView> {
    let mut conn = app.pool.acquire().await?;
    let payment = match payments::get(&mut conn, id).await {
        Ok(payment) if payment.tenant_id == who.tenant_id => payment,
        Ok(_) | Err(store::Error::NotFound) => return Err(ApiError::PaymentNotFound),
        Err(error) => return Err(error.into()),
    };
    owned(&mut conn, who, payment.order_id).await?;
    Ok(payment.into())
}
