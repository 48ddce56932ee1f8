//! Tries an order again whose payment failed: same order, same number, a new attempt.
//! Never twice for one key, and never an order that failed for another reason.

use axum::extract::State;
use domain::{CartLine, OrderId, OrderStatus, Quantity};
use serde::Serialize;
use store::orders::{Order, OrderItem, Reopening};
use store::{Conn, orders, tenants};
use workflows::PAYMENT_FAILED;

use super::orders::{actor, owned, start_checkout, workflow_id};
use super::payments::has_ended;
use super::view::OrderView;
use crate::app::{App, Shared};
use crate::body::{IdempotencyKey, OrderPath};
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};
use crate::identity::SignedIn;

#[derive(Serialize)]
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
    let order = app.finish(async move { retry_once(&shared, &who, order, &key).await }).await?;
    Ok(Answer::accepted("the order is tried again", Retried { order }))
}

async fn retry_once(app: &App, who: &SignedIn, id: OrderId, key: &str) -> ApiResult<OrderView> {
    let mut tx = app.pool.begin().await?;
    let order = owned(&mut tx, who, id).await?;
    let items = orders::items(&mut tx, &[id]).await?;
    if !has_ended(order.status) || orders::was_reopened(&mut tx, id, key).await? {
        return Ok(OrderView::of(order, items));
    }
    let payment_failed = order.reason_code.as_deref() == Some(PAYMENT_FAILED);
    if order.status != OrderStatus::Failed || !payment_failed {
        return Err(ApiError::OrderEnded(order.status));
    }
    let Some(order) = reopen(&mut tx, who, &order, key).await? else {
        tx.rollback().await?;
        return stand(app, who, id).await;
    };
    let tenant = tenants::get(&mut tx, &order.tenant_id).await?;
    start_checkout(app, &mut tx, &order, lines(&items)?, tenant.terms).await?;
    tx.commit().await?;
    app.client.wake();
    Ok(OrderView::of(order, items))
}

/// The order on its next attempt; none when another request was faster.
async fn reopen(
    conn: &mut Conn,
    who: &SignedIn,
    order: &Order,
    key: &str,
) -> ApiResult<Option<Order>> {
    let tenant = tenants::get(conn, &order.tenant_id).await?;
    if order.attempt >= tenant.max_attempts {
        return Err(ApiError::AttemptsUsedUp(tenant.max_attempts));
    }
    let again = Reopening {
        order_id: order.order_id,
        from: OrderStatus::Failed,
        workflow_id: &workflow_id(order.order_id, order.attempt.saturating_add(1)),
        expires_in: tenant.hold,
        max_attempts: tenant.max_attempts,
        actor: &actor(who),
        reason: "RETRY",
        key: Some(key),
    };
    Ok(orders::reopen(conn, &again).await?)
}

/// The order as the faster request has left it.
async fn stand(app: &App, who: &SignedIn, id: OrderId) -> ApiResult<OrderView> {
    let mut conn = app.pool.acquire().await?;
    let order = owned(&mut conn, who, id).await?;
    let items = orders::items(&mut conn, &[id]).await?;
    Ok(OrderView::of(order, items))
}

fn lines(items: &[OrderItem]) -> ApiResult<Vec<CartLine>> {
    let line = |item: &OrderItem| {
        let quantity = Quantity::try_from(item.quantity).map_err(ApiError::internal)?;
        Ok(CartLine { sku: item.sku.clone(), quantity })
    };
    items.iter().map(line).collect()
}
