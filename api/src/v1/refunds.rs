//! Money back: ask for it, and see what became of it. Asking starts the refund's saga in the same
//! transaction; nothing here ever calls the gateway.

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::{
    GatewayRefundId, Money, OrderId, OutsidePolicy, RefundId, RefundStatus, RefundWish, Role,
    SMALLEST_REFUND_MINOR,
};
use serde::{Deserialize, Serialize};
use store::orders::Order;
use store::payments::Payment;
use store::refunds::{Asked, NewRefund, Refund};
use store::{Conn, orders, payments, refund_policies, refunds};
use utoipa::ToSchema;
use uuid::Uuid;
use workflows::Refunding;

use super::orders::{actor, found_by};
use crate::app::{App, Shared};
use crate::body::{Body, IdempotencyKey, OrderPath};
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};
use crate::identity::SignedIn;

/// What somebody wants back, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefundWish)]
pub(crate) struct Wish {
    /// All that is left, if it does not say.
    amount: Option<Money>,
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// Why an admin goes past the shop's policy.
    override_reason: Option<String>,
}

/// A refund as whoever may see the order sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Refund)]
pub(crate) struct RefundView {
    refund_id: RefundId,
    order_id: OrderId,
    amount: Money,
    status: RefundStatus,
    reason: String,
    override_reason: Option<String>,
    actor: String,
    /// Why it failed, or why it is not made yet.
    failure_code: Option<String>,
    gateway_refund_id: Option<GatewayRefundId>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Refund> for RefundView {
    fn from(refund: Refund) -> Self {
        Self {
            refund_id: refund.refund_id,
            order_id: refund.order_id,
            amount: refund.amount,
            status: refund.status,
            reason: refund.reason,
            override_reason: refund.override_reason,
            actor: refund.actor,
            failure_code: refund.failure_code,
            gateway_refund_id: refund.gateway_refund_id,
            created_at: refund.created_at,
            updated_at: refund.updated_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = OneRefund)]
pub(crate) struct One {
    refund: RefundView,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Refunds)]
pub(crate) struct Listed {
    refunds: Vec<RefundView>,
}

/// `POST /api/v1/orders/{id}/refunds`
pub(crate) async fn ask(
    State(app): State<Shared>,
    who: SignedIn,
    OrderPath(order): OrderPath,
    IdempotencyKey(key): IdempotencyKey,
    Body(wish): Body<Wish>,
) -> ApiResult<Response> {
    let wish = wish.validate(&who)?;
    let shared = Shared::clone(&app);
    let asked =
        app.finish(async move { ask_once(&shared, &who, order, &key, &wish).await }).await?;
    Ok(match asked {
        (refund, true) => {
            Answer::accepted("refund requested", One { refund: refund.into() }).into_response()
        }
        (refund, false) => {
            Answer::ok("refund requested before", One { refund: refund.into() }).into_response()
        }
    })
}

impl Wish {
    fn validate(self, who: &SignedIn) -> ApiResult<Self> {
        if self.amount.is_some_and(|amount| amount.minor() < SMALLEST_REFUND_MINOR) {
            let message = format!("a refund is over {SMALLEST_REFUND_MINOR} minor units at least");
            return Err(ApiError::field("amount", message));
        }
        let override_reason = match self.override_reason {
            Some(_) if who.role != Role::Admin => return Err(ApiError::Forbidden),
            Some(why) => Some(worded("override_reason", &why)?),
            None => None,
        };
        Ok(Self { amount: self.amount, reason: worded("reason", &self.reason)?, override_reason })
    }

    /// Whether the key was used for this very wish before.
    fn is(&self, order: OrderId, known: &Refund) -> bool {
        known.order_id == order
            && known.asked == self.amount
            && known.reason == self.reason
            && known.override_reason == self.override_reason
    }
}

fn worded(field: &str, text: &str) -> ApiResult<String> {
    let text = text.trim();
    if (1..=500).contains(&text.chars().count()) {
        return Ok(text.to_owned());
    }
    Err(ApiError::field(field, "a reason has 1 to 500 characters"))
}

/// The refund, and whether this request made it.
async fn ask_once(
    app: &App,
    who: &SignedIn,
    order: OrderId,
    key: &str,
    wish: &Wish,
) -> ApiResult<(Refund, bool)> {
    let mut tx = app.pool.begin().await?;
    let order = reachable(&mut tx, who, order).await?;
    let key = format!("{}:{key}", who.user_id);
    if let Some(known) = refunds::by_key(&mut tx, &key).await? {
        return repeated(wish, order.order_id, known);
    }
    let payment = paid(&mut tx, &order).await?;
    let Some(gateway_payment_id) = &payment.gateway_payment_id else {
        return Err(ApiError::NothingToRefund(order.status));
    };
    let left = refunds::lock_left(&mut tx, gateway_payment_id).await?;
    let amount = wish.amount.unwrap_or(left);
    if left.minor() <= 0 {
        return Err(ApiError::NothingToRefund(order.status));
    }
    if amount.currency() != left.currency() {
        return Err(ApiError::field("amount", format!("the order is in {}", left.currency())));
    }
    if amount.minor() > left.minor() {
        return Err(ApiError::RefundTooLarge(left));
    }
    if left.minor() < SMALLEST_REFUND_MINOR {
        return Err(ApiError::RefundTooSmall(left));
    }
    if wish.override_reason.is_none() {
        permitted(&mut tx, who, &payment, amount, left).await?;
    }
    let new = NewRefund {
        refund_id: RefundId::from(Uuid::now_v7()),
        order_id: order.order_id,
        gateway_payment_id,
        gateway_refund_id: None,
        amount,
        asked: wish.amount,
        idempotency_key: &key,
        reason: &wish.reason,
        override_reason: wish.override_reason.as_deref(),
        actor: &actor(who),
        watched: true,
    };
    let refund = match refunds::insert_pending(&mut tx, &new).await? {
        Asked::Added(refund) => refund,
        Asked::Known(known) => return repeated(wish, order.order_id, known),
        Asked::TooMuch(left) => return Err(ApiError::RefundTooLarge(left)),
    };
    let refunding = Refunding::from(refund.clone());
    let id = workflow_id(refund.refund_id);
    app.client.start_with::<workflows::Refund>(&mut tx, &id, &refunding, &found_by(&order)).await?;
    tx.commit().await?;
    app.client.wake();
    Ok((refund, true))
}

/// Under which id a refund's saga is started and told of news.
pub(crate) fn workflow_id(refund: RefundId) -> String {
    format!("refund:{refund}")
}

fn repeated(wish: &Wish, order: OrderId, known: Refund) -> ApiResult<(Refund, bool)> {
    if wish.is(order, &known) { Ok((known, false)) } else { Err(ApiError::IdempotencyConflict) }
}

/// The payment that the order keeps.
async fn paid(conn: &mut Conn, order: &Order) -> ApiResult<Payment> {
    let payments = payments::by_order(conn, order.order_id).await?;
    let kept = payments.into_iter().find(|payment| !payment.stray && payment.status.was_paid());
    kept.ok_or(ApiError::NothingToRefund(order.status))
}

async fn permitted(
    conn: &mut Conn,
    who: &SignedIn,
    payment: &Payment,
    amount: Money,
    left: Money,
) -> ApiResult<()> {
    let applied = refund_policies::of_order(conn, payment.order_id).await?;
    let back = payment.amount.checked_sub(left).map_err(ApiError::internal)?;
    let wish = RefundWish {
        amount,
        back,
        paid: payment.amount,
        paid_secs_ago: applied.paid_secs_ago.unwrap_or(0),
        is_shops: who.role == Role::Admin,
    };
    let judged: Result<(), OutsidePolicy> =
        applied.policy.judge(&wish).map_err(|e| ApiError::field("amount", e.to_string()))?;
    judged.map_err(ApiError::OutsidePolicy)
}

/// The order, if it is the caller's or the caller is an admin of its shop: 404 when it does not
/// exist in his shop, 403 when it is somebody else's.
async fn reachable(conn: &mut Conn, who: &SignedIn, order: OrderId) -> ApiResult<Order> {
    let order = match orders::get(conn, order).await {
        Ok(order) if order.tenant_id == who.tenant_id => order,
        Ok(_) | Err(store::Error::NotFound) => return Err(ApiError::OrderNotFound),
        Err(error) => return Err(error.into()),
    };
    if order.user_id == who.user_id || who.role == Role::Admin {
        Ok(order)
    } else {
        Err(ApiError::NotYours)
    }
}

/// `GET /api/v1/orders/{id}/refunds`
pub(crate) async fn list(
    State(app): State<Shared>,
    who: SignedIn,
    OrderPath(order): OrderPath,
) -> ApiResult<Answer<Listed>> {
    let shared = Shared::clone(&app);
    let found = app.finish(async move { of_order(&shared, &who, order).await }).await?;
    let refunds = found.into_iter().map(RefundView::from).collect();
    Ok(Answer::ok("refunds of the order", Listed { refunds }))
}

/// `GET /api/v1/orders/{id}/refunds/{refund_id}`
pub(crate) async fn get(
    State(app): State<Shared>,
    who: SignedIn,
    RefundPath(order, refund): RefundPath,
) -> ApiResult<Answer<One>> {
    let shared = Shared::clone(&app);
    let found = app.finish(async move { of_order(&shared, &who, order).await }).await?;
    let found = found.into_iter().find(|found| found.refund_id == refund);
    let refund = found.ok_or(ApiError::RefundNotFound)?.into();
    Ok(Answer::ok("refund", One { refund }))
}

async fn of_order(app: &App, who: &SignedIn, order: OrderId) -> ApiResult<Vec<Refund>> {
    let mut conn = app.pool.acquire().await?;
    let order = reachable(&mut conn, who, order).await?;
    Ok(refunds::by_order(&mut conn, order.order_id).await?)
}

/// The order and the refund that the path names.
pub(crate) struct RefundPath(OrderId, RefundId);

impl<S: Send + Sync> FromRequestParts<S> for RefundPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // What is no UUID names nothing.
        let Path((order, refund)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::RefundNotFound)?;
        let order = order.parse().map_err(|_| ApiError::OrderNotFound)?;
        Ok(Self(order, refund.parse().map_err(|_| ApiError::RefundNotFound)?))
    }
}
