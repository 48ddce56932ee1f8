//! What other systems of ours may ask of orders, under `/internal/v1` and for the role `service` alone:
//! told that they are paid, ended before their time, listed while there is still time.
//! Never decides: the checkout asks the gateway, and ends itself.

use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{OrderId, OrderStatus};
use makegood::Cancellation;
use serde::{Deserialize, Serialize};
use store::Conn;
use store::orders::{self, Order};
use utoipa::ToSchema;
use workflows::{CalledOff, CancelRequest, Checkout, PaymentHint};

use crate::app::{App, Shared};
use crate::body::{IdempotencyKey, OrderPath, Parameters};
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};
use crate::identity::{Service, SignedIn};
use crate::v1::orders::actor;
use crate::v1::payments::has_ended;
use crate::wait;

/// The most orders in one answer.
const MOST: i64 = 500;

/// Where an order stands.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderStand)]
pub(crate) struct Stand {
    order_id: OrderId,
    order_number: String,
    status: OrderStatus,
    expires_at: DateTime<Utc>,
}

impl From<Order> for Stand {
    fn from(order: Order) -> Self {
        let Order { order_id, order_number, status, expires_at, .. } = order;
        Self { order_id, order_number, status, expires_at }
    }
}

/// `POST /internal/v1/orders/{id}/confirm`: has the checkout ask the gateway whether it is paid.
pub(crate) async fn confirm(
    State(app): State<Shared>,
    Service(who): Service,
    OrderPath(order): OrderPath,
    IdempotencyKey(key): IdempotencyKey,
) -> ApiResult<Answer<Stand>> {
    let (shared, caller) = (Shared::clone(&app), who.clone());
    app.finish(async move { ask(&shared, &caller, order, &key).await }).await?;
    let settled = wait::for_saga(&app, || {
        let (shared, who) = (Shared::clone(&app), who.clone());
        let look =
            app.finish(async move { find(&mut *shared.pool.acquire().await?, &who, order).await });
        async move { Ok(Some(look.await?).filter(|order| has_ended(order.status))) }
    });
    if let Some(order) = Box::pin(settled).await? {
        return Ok(Answer::ok("order", order.into()));
    }
    let shared = Shared::clone(&app);
    let look = async move { find(&mut *shared.pool.acquire().await?, &who, order).await };
    Ok(Answer::accepted("the gateway is asked", app.finish(look).await?.into()))
}

async fn ask(app: &App, who: &SignedIn, order: OrderId, key: &str) -> ApiResult<()> {
    let mut tx = app.pool.begin().await?;
    let order = find(&mut tx, who, order).await?;
    if has_ended(order.status) {
        return Ok(());
    }
    let hint =
        PaymentHint { gateway_payment_id: None, source: "internal".to_owned(), forged: false };
    let id = format!("internal:{key}");
    app.client.signal::<Checkout, _>(&mut tx, &order.workflow_id, &id, &hint).await?;
    tx.commit().await?;
    app.client.wake();
    Ok(())
}

/// `POST /internal/v1/orders/{id}/expire`: ends an unpaid order before its time.
pub(crate) async fn expire(
    State(app): State<Shared>,
    Service(who): Service,
    OrderPath(order): OrderPath,
    _key: IdempotencyKey,
) -> ApiResult<Answer<Stand>> {
    let shared = Shared::clone(&app);
    let order = app.finish(async move { end(&shared, &who, order).await }).await?;
    Ok(Answer::accepted("expiry requested", order.into()))
}

async fn end(app: &App, who: &SignedIn, order: OrderId) -> ApiResult<Order> {
    let mut tx = app.pool.begin().await?;
    let order = find(&mut tx, who, order).await?;
    match order.status {
        OrderStatus::Pending | OrderStatus::Reserved => {}
        OrderStatus::Expired => return Ok(order),
        status => return Err(ApiError::OrderEnded(status)),
    }
    let (actor, reason) = (actor(who), "ended before its time".to_owned());
    let wish = CancelRequest { actor, reason, ends: CalledOff::Expired };
    match app.client.cancel::<Checkout>(&mut tx, &order.workflow_id, &wish).await? {
        Cancellation::Requested => {}
        Cancellation::PastPivot | Cancellation::Ended => return Err(ApiError::TooLate),
    }
    tx.commit().await?;
    app.client.wake();
    Ok(order)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Soon {
    within_secs: u32,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Expiring {
    orders: Vec<Stand>,
}

/// `GET /internal/v1/orders/expiring?within_secs=`: unpaid orders whose time ends by then, the
/// soonest first, at most 500.
pub(crate) async fn expiring(
    State(app): State<Shared>,
    Service(who): Service,
    Parameters(Soon { within_secs }): Parameters<Soon>,
) -> ApiResult<Answer<Expiring>> {
    let shared = Shared::clone(&app);
    let found = app.finish(async move {
        let mut conn = shared.pool.acquire().await?;
        let within = i64::from(within_secs);
        Ok(orders::expiring(&mut conn, &who.tenant_id, within, MOST).await?)
    });
    let orders = found.await?.into_iter().map(Stand::from).collect();
    Ok(Answer::ok("expiring orders", Expiring { orders }))
}

/// The order, if it is of the caller's shop.
async fn find(conn: &mut Conn, who: &SignedIn, order: OrderId) -> ApiResult<Order> {
    match orders::get(conn, order).await {
        Ok(order) if order.tenant_id == who.tenant_id => Ok(order),
        Ok(_) | Err(store::Error::NotFound) => Err(ApiError::OrderNotFound),
        Err(error) => Err(error.into()),
    }
}
