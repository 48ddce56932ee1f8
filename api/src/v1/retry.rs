//! Tries an order again whose payment failed: same order, same number, a new attempt.
//! Never twice for one key, and never an order that failed for another reason.

use axum::extract::State;
use domain::{CartLine, OrderId, OrderStatus, Quantity};
use serde::Serialize;
use store::orders::{Order, OrderItem, Reopening};
use store::tenants::{self, Tenant};
use store::{Conn, orders, refunds};
use utoipa::ToSchema;
use workflows::{PAYMENT_FAILED, checkout_id};

use super::orders::{actor, owned, start_checkout};
use super::payments::has_ended;
use super::view::OrderView;
use crate::app::{App, Shared};
use crate::body::{IdempotencyKey, OrderPath};
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};
use crate::identity::SignedIn;

#[derive(Serialize, ToSchema)]
#[schema(as = RetriedOrder)]
pub(crate) struct Retried {
    order: OrderView,
}

/// `POST /api/v1/orders/{id}/retry`
pub(crate) async fn retry(
    State(app): State<Shared>,
    who: SignedIn,
    OrderPath(order): OrderPath,
    IdempotencyKey(key): IdempotencyKey,
) -> ApiResult<Answer<Retried>> {
    let shared = Shared::clone(&app);
    let order = app
        .finish(async move {
            retry_once(&shared, &who, order, &key).await?;
            stand(&shared, &who, order).await
        })
        .await?;
    Ok(Answer::accepted("the order is tried again", Retried { order }))
}

/// Leaves the order on a new attempt, or as it is where it can be paid as it stands, or where the
/// key was used before.
async fn retry_once(app: &App, who: &SignedIn, id: OrderId, key: &str) -> ApiResult<()> {
    let mut tx = app.pool.begin().await?;
    let order = owned(&mut tx, who, id).await?;
    if !has_ended(order.status) || orders::was_reopened(&mut tx, id, key).await? {
        return Ok(());
    }
    let payment_failed = order.reason_code.as_deref() == Some(PAYMENT_FAILED);
    if order.status != OrderStatus::Failed || !payment_failed {
        return Err(ApiError::OrderEnded(order.status));
    }
    let tenant = tenants::get(&mut tx, &order.tenant_id).await?;
    let Some(order) = reopen(&mut tx, who, (&order, &tenant), key).await? else {
        return Ok(()); // Another request was faster.
    };
    let items = orders::items(&mut tx, &[id]).await?;
    start_checkout(app, &mut tx, &order, lines(&items)?, tenant.terms).await?;
    tx.commit().await?;
    app.client.wake();
    Ok(())
}

/// The order on its next attempt; none when another request was faster.
async fn reopen(
    conn: &mut Conn,
    who: &SignedIn,
    (order, tenant): (&Order, &Tenant),
    key: &str,
) -> ApiResult<Option<Order>> {
    if order.attempt >= tenant.max_attempts {
        return Err(ApiError::AttemptsUsedUp(tenant.max_attempts));
    }
    let again = Reopening {
        order_id: order.order_id,
        from: OrderStatus::Failed,
        workflow_id: &checkout_id(order.order_id, order.attempt.saturating_add(1)),
        expires_in: tenant.hold,
        max_attempts: tenant.max_attempts,
        actor: &actor(who),
        reason: "RETRY",
        key: Some(key),
    };
    Ok(orders::reopen(conn, &again).await?)
}

async fn stand(app: &App, who: &SignedIn, id: OrderId) -> ApiResult<OrderView> {
    let mut conn = app.pool.acquire().await?;
    let order = owned(&mut conn, who, id).await?;
    let items = orders::items(&mut conn, &[id]).await?;
    let refunds = refunds::by_order(&mut conn, id).await?;
    Ok(OrderView::of(order, items, refunds))
}

fn lines(items: &[OrderItem]) -> ApiResult<Vec<CartLine>> {
    let line = |item: &OrderItem| {
        let quantity = Quantity::try_from(item.quantity).map_err(ApiError::internal)?;
        Ok(CartLine { sku: item.sku.clone(), quantity })
    };
    items.iter().map(line).collect()
}
