//! Cancels an order: a durable request to its checkout, which undoes what it did.
//! Never changes the order itself: the answer is "requested", and the status follows.

use axum::extract::State;
use domain::{OrderId, OrderStatus};
use makegood::Cancellation;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use workflows::{CalledOff, CancelRequest, Checkout};

use super::orders::{actor, owned};
use crate::app::{App, Shared};
use crate::body::{Body, IdempotencyKey, OrderPath};
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};
use crate::identity::SignedIn;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CancelWish)]
pub(crate) struct Wish {
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CancelRequested)]
pub(crate) struct Requested {
    order_id: OrderId,
    cancellation: &'static str,
}

/// `POST /api/v1/orders/{id}/cancel`
///
/// The run takes one cancel whatever its key, so the key needs no record of its own.
pub(crate) async fn cancel(
    State(app): State<Shared>,
    who: SignedIn,
    OrderPath(order): OrderPath,
    _key: IdempotencyKey,
    Body(wish): Body<Wish>,
) -> ApiResult<Answer<Requested>> {
    let reason = wish.reason.trim().to_owned();
    if !(1..=500).contains(&reason.chars().count()) {
        return Err(ApiError::field("reason", "a reason has 1 to 500 characters"));
    }
    let shared = Shared::clone(&app);
    app.finish(async move { request(&shared, &who, order, reason).await }).await?;
    Ok(Answer::accepted(
        "cancellation requested",
        Requested { order_id: order, cancellation: "REQUESTED" },
    ))
}

async fn request(app: &App, who: &SignedIn, order: OrderId, reason: String) -> ApiResult<()> {
    let mut tx = app.pool.begin().await?;
    let order = owned(&mut tx, who, order).await?;
    if let Some(answer) = already(order.status) {
        return answer;
    }
    let wish = CancelRequest { actor: actor(who), reason, ends: CalledOff::Cancelled };
    match app.client.cancel::<Checkout>(&mut tx, &order.workflow_id, &wish).await? {
        Cancellation::Requested => {
            tx.commit().await?;
            app.client.wake();
            Ok(())
        }
        Cancellation::PastPivot => Err(ApiError::TooLate),
        Cancellation::Ended => {
            tx.rollback().await?;
            let mut conn = app.pool.acquire().await?;
            let order = owned(&mut conn, who, order.order_id).await?;
            already(order.status).unwrap_or(Err(ApiError::TooLate))
        }
    }
}

/// The answer for an order whose checkout has ended.
fn already(status: OrderStatus) -> Option<ApiResult<()>> {
    match status {
        OrderStatus::Pending | OrderStatus::Reserved => None,
        OrderStatus::Cancelled => Some(Ok(())),
        OrderStatus::Failed | OrderStatus::Expired | OrderStatus::Refunded => {
            Some(Err(ApiError::OrderEnded(status)))
        }
        OrderStatus::Paid
        | OrderStatus::Confirmed
        | OrderStatus::Ready
        | OrderStatus::Shipped
        | OrderStatus::Delivered
        | OrderStatus::Completed => Some(Err(ApiError::TooLate)),
    }
}
