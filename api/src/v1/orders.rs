//! Orders: place one, read one, list one's own. Placing starts the checkout in the same transaction.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::{CartLine, HoldId, OrderId, Terms};
use makegood::StartOptions;
use serde::{Deserialize, Serialize};
use store::orders::{NewOrder, Order, OrderItem, Page};
use store::tenants::Tenant;
use store::{Conn, orders, refunds, tenants};
use uuid::Uuid;
use workflows::{Checkout, PlacedOrder, checkout_id};

use super::cart::{self, Cart};
use super::view::{OrderSummary, OrderView};
use crate::app::{App, Shared};
use crate::body::{Body, IdempotencyKey, OrderPath, Parameters};
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};
use crate::identity::SignedIn;

const FIRST_ATTEMPT: i64 = 1;

#[derive(Serialize)]
pub(crate) struct One {
    order: OrderView,
}

/// What came of an attempt to place an order.
enum Placing {
    New(Order, Vec<OrderItem>),
    /// The customer's key was used before, for these very lines.
    Known(Order, Vec<OrderItem>),
}

/// `POST /api/v1/orders`
pub(crate) async fn place(
    State(app): State<Shared>,
    who: SignedIn,
    IdempotencyKey(key): IdempotencyKey,
    Body(cart): Body<Cart>,
) -> ApiResult<Response> {
    let lines = cart.lines()?;
    let shared = Shared::clone(&app);
    let placing = app.finish(async move { place_once(&shared, &who, &key, lines).await }).await?;
    Ok(match placing {
        Placing::New(order, items) => {
            Answer::created("order placed", One { order: OrderView::of(order, items, vec![]) })
                .into_response()
        }
        Placing::Known(order, items) => {
            Answer::ok("order placed before", One { order: OrderView::of(order, items, vec![]) })
                .into_response()
        }
    })
}

async fn place_once(
    app: &App,
    who: &SignedIn,
    key: &str,
    lines: Vec<CartLine>,
) -> ApiResult<Placing> {
    let mut tx = app.pool.begin().await?;
    if let Some(known) = placed_before(&mut tx, who, key, &lines).await? {
        return Ok(known);
    }
    let tenant = tenants::get(&mut tx, &who.tenant_id).await?;
    let order = match insert(&mut tx, who, key, (&tenant, &lines)).await {
        // Another request with the same key was faster, and has committed.
        Err(Placed::Conflict) => {
            tx.rollback().await?;
            let mut conn = app.pool.acquire().await?;
            let known = placed_before(&mut conn, who, key, &lines).await?;
            return known.ok_or_else(|| ApiError::internal("an order conflicts with no order"));
        }
        Err(Placed::Failed(error)) => return Err(error),
        Ok(order) => order,
    };
    let items = orders::items(&mut tx, &[order.order_id]).await?;
    start_checkout(app, &mut tx, &order, lines, tenant.terms).await?;
    let committed = tx.commit().await;
    if !planted::has("an order is confirmed before its commit") {
        committed?;
    }
    app.client.wake();
    Ok(Placing::New(order, items))
}

/// Starts the present attempt at the order, in the caller's transaction. Wake the workers after
/// the commit.
pub(crate) async fn start_checkout(
    app: &App,
    conn: &mut Conn,
    order: &Order,
    lines: Vec<CartLine>,
    terms: Terms,
) -> ApiResult<()> {
    let placed = PlacedOrder::of(order, HoldId::from(Uuid::now_v7()), lines, terms);
    app.client.start_with::<Checkout>(conn, &order.workflow_id, &placed, &found_by(order)).await?;
    Ok(())
}

/// What a person who asks where an order is may know of it.
pub(crate) fn found_by(order: &Order) -> StartOptions {
    StartOptions::new()
        .attribute("tenant", order.tenant_id.as_str())
        .attribute("order", &order.order_number)
        .attribute("customer", order.user_id.to_string())
}

async fn placed_before(
    conn: &mut Conn,
    who: &SignedIn,
    key: &str,
    lines: &[CartLine],
) -> ApiResult<Option<Placing>> {
    let order = match orders::by_key(conn, who.user_id, key).await {
        Ok(order) => order,
        Err(store::Error::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let items = orders::items(conn, &[order.order_id]).await?;
    let same = items.len() == lines.len()
        && items
            .iter()
            .zip(lines)
            .all(|(item, line)| item.sku == line.sku && item.quantity == line.quantity.get());
    if same { Ok(Some(Placing::Known(order, items))) } else { Err(ApiError::IdempotencyConflict) }
}

/// Why an order was not inserted.
enum Placed {
    Conflict,
    Failed(ApiError),
}

impl<E: Into<ApiError>> From<E> for Placed {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

async fn insert(
    conn: &mut Conn,
    who: &SignedIn,
    key: &str,
    (tenant, lines): (&Tenant, &[CartLine]),
) -> Result<Order, Placed> {
    let priced = cart::price(conn, tenant, lines).await?;
    let order_id = OrderId::from(Uuid::now_v7());
    let order = NewOrder {
        order_id,
        tenant_id: &tenant.tenant_id,
        user_id: who.user_id,
        workflow_id: &checkout_id(order_id, FIRST_ATTEMPT),
        idempotency_key: Some(key),
        priced: &priced,
        expires_in: tenant.hold,
    };
    match orders::insert(conn, &order, &actor(who)).await {
        Err(store::Error::Conflict(_)) => Err(Placed::Conflict),
        placed => Ok(placed?),
    }
}

/// How a customer is named in the records.
pub(crate) fn actor(who: &SignedIn) -> String {
    format!("{}:{}", who.role, who.user_id)
}

/// The order, if it is the caller's: 404 when it does not exist in his shop, 403 when it is
/// somebody else's.
pub(crate) async fn owned(conn: &mut Conn, who: &SignedIn, order: OrderId) -> ApiResult<Order> {
    let order = match orders::get(conn, order).await {
        Ok(order) if order.tenant_id == who.tenant_id => order,
        Ok(_) | Err(store::Error::NotFound) => return Err(ApiError::OrderNotFound),
        Err(error) => return Err(error.into()),
    };
    if order.user_id == who.user_id { Ok(order) } else { Err(ApiError::NotYours) }
}

/// `GET /api/v1/orders/{id}`
pub(crate) async fn get(
    State(app): State<Shared>,
    who: SignedIn,
    OrderPath(order): OrderPath,
) -> ApiResult<Answer<One>> {
    let shared = Shared::clone(&app);
    let order = app
        .finish(async move {
            let mut conn = shared.pool.acquire().await?;
            let order = owned(&mut conn, &who, order).await?;
            let items = orders::items(&mut conn, &[order.order_id]).await?;
            let refunds = refunds::by_order(&mut conn, order.order_id).await?;
            Ok(OrderView::of(order, items, refunds))
        })
        .await?;
    Ok(Answer::ok("order", One { order }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    #[serde(default = "usual_page")]
    limit: i64,
    after: Option<OrderId>,
}

const fn usual_page() -> i64 {
    20
}

#[derive(Serialize)]
pub(crate) struct Listed {
    orders: Vec<OrderSummary>,
    /// Where the next page begins; none on the last one.
    next: Option<OrderId>,
}

/// `GET /api/v1/orders?limit=&after=`
pub(crate) async fn list(
    State(app): State<Shared>,
    who: SignedIn,
    Parameters(paging): Parameters<Paging>,
) -> ApiResult<Answer<Listed>> {
    if !(1..=100).contains(&paging.limit) {
        return Err(ApiError::field("limit", "a page has 1 to 100 orders"));
    }
    let shared = Shared::clone(&app);
    let mut orders = app
        .finish(async move {
            let mut conn = shared.pool.acquire().await?;
            // One more than asked for tells whether there is a next page.
            let page = Page { before: paging.after, limit: paging.limit.saturating_add(1) };
            Ok(orders::list_by_user(&mut conn, who.user_id, page).await?)
        })
        .await?;
    let limit = usize::try_from(paging.limit).map_err(ApiError::internal)?;
    let more = orders.len() > limit;
    orders.truncate(limit);
    let next = orders.last().filter(|_| more).map(|order| order.order_id);
    let orders = orders.into_iter().map(OrderSummary::from).collect();
    Ok(Answer::ok("your orders", Listed { orders, next }))
}
