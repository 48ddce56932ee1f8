//! Paying an order: what the checkout page needs, and what it hands back afterwards.
//! Never decides whether an order is paid: verify signals the saga and reports what it did.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::{
    Currency, GatewayOrderId, GatewayPaymentId, Money, OrderId, OrderStatus, PaymentId,
    PaymentStatus,
};
use serde::{Deserialize, Serialize};
use store::orders::Order;
use store::payments::Payment;
use store::{Conn, payments};
use utoipa::ToSchema;
use workflows::{Fact, GATEWAY};

use super::orders::owned;
use crate::app::{App, Shared};
use crate::body::Body;
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};
use crate::identity::SignedIn;
use crate::payment_hint;
use crate::wait;
use crate::webhooks::signature;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SessionWanted)]
pub(crate) struct Wanted {
    order_id: OrderId,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PaymentSession)]
pub(crate) struct SessionView {
    payment_id: PaymentId,
    gateway: &'static str,
    /// The public half of the key pair.
    key_id: String,
    gateway_order_id: GatewayOrderId,
    amount_minor: i64,
    amount: Money,
    currency: Currency,
    expires_at: DateTime<Utc>,
}

/// `POST /api/v1/payments/create-session`
pub(crate) async fn create_session(
    State(app): State<Shared>,
    who: SignedIn,
    Body(Wanted { order_id }): Body<Wanted>,
) -> ApiResult<Answer<SessionView>> {
    let session = wait::for_saga(&app, || {
        let (shared, who) = (Shared::clone(&app), who.clone());
        app.finish(async move { open_session(&shared, &who, order_id).await })
    });
    let session = session.await?.ok_or(ApiError::SessionNotReady)?;
    Ok(Answer::ok("payment session", session))
}

async fn open_session(app: &App, who: &SignedIn, order: OrderId) -> ApiResult<Option<SessionView>> {
    let mut conn = app.pool.acquire().await?;
    let order = owned(&mut conn, who, order).await?;
    if has_ended(order.status) {
        return Err(ApiError::OrderEnded(order.status));
    }
    let awaited = payments::by_order(&mut conn, order.order_id)
        .await?
        .into_iter()
        .find(|payment| !payment.stray && payment.status == PaymentStatus::Pending);
    Ok(awaited.map(|payment| SessionView {
        payment_id: payment.payment_id,
        gateway: GATEWAY,
        key_id: app.config.keys.gateway_key_id.clone(),
        gateway_order_id: payment.gateway_order_id,
        amount_minor: payment.amount.minor(),
        amount: payment.amount,
        currency: payment.amount.currency(),
        expires_at: order.expires_at,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandedBack {
    order_id: OrderId,
    razorpay_order_id: GatewayOrderId,
    razorpay_payment_id: GatewayPaymentId,
    razorpay_signature: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Verified {
    order_id: OrderId,
    order_status: OrderStatus,
    payment_status: PaymentStatus,
}

/// `POST /api/v1/payments/verify`
pub(crate) async fn verify(
    State(app): State<Shared>,
    who: SignedIn,
    Body(given): Body<HandedBack>,
) -> ApiResult<Response> {
    let given = std::sync::Arc::new(given);
    let (shared, caller, claim) = (Shared::clone(&app), who.clone(), given.clone());
    app.finish(async move { accept(&shared, &caller, &claim).await }).await?;

    let look = || {
        let (shared, who, given) = (Shared::clone(&app), who.clone(), given.clone());
        Box::pin(app.finish(async move { stand(&shared, &who, &given).await }))
    };
    let settled = wait::for_saga(&app, || {
        let seen = look();
        async move { Ok(Some(seen.await?).filter(|stand| has_ended(stand.order_status))) }
    });
    Ok(match settled.await? {
        Some(settled) => Answer::ok("payment settled", settled).into_response(),
        None => Answer::accepted("payment is being settled", look().await?).into_response(),
    })
}

/// Checks what the page handed back, and signals the saga.
async fn accept(app: &App, who: &SignedIn, given: &HandedBack) -> ApiResult<()> {
    let mut tx = app.pool.begin().await?;
    let order = owned(&mut tx, who, given.order_id).await?;
    let keys = &app.config.keys;
    let (session, payment) = (&given.razorpay_order_id, &given.razorpay_payment_id);
    let is_genuine = signature::of_payment(&keys.gateway_key_secret, session, payment)
        .fits(&given.razorpay_signature);
    let stored = of_session(&mut tx, given).await?;
    let (fact, stored) = match (is_genuine, stored) {
        (true, Some(stored)) => (Fact::Presented, stored),
        // A genuine pair of another order proves nothing about this one.
        (true, None) => {
            tracing::warn!(order.id = %order.order_id, "a payment of another order was presented");
            return Err(ApiError::WrongGatewayOrder);
        }
        (false, Some(awaited)) if awaited.status == PaymentStatus::Pending => {
            (Fact::Forged, awaited)
        }
        (false, _) => return Err(forged(&order)),
    };
    if stored.status.was_paid() && stored.gateway_payment_id.as_ref() == Some(payment) {
        return Ok(()); // Settled by this very payment: there is nothing to tell.
    }
    if !payment_hint::tell(&app.client, &mut tx, &stored, (fact, payment), "verify").await? {
        return Err(ApiError::internal("an order has a payment and no checkout"));
    }
    tx.commit().await?;
    app.client.wake();
    if is_genuine { Ok(()) } else { Err(forged(&order)) }
}

fn forged(order: &Order) -> ApiError {
    tracing::warn!(order.id = %order.order_id, "a payment signature does not fit");
    metrics::counter!("makegood_forged_payments_total").increment(1);
    ApiError::BadSignature
}

/// The order's payment under the gateway's order that was handed back: the one it was paid by, if
/// that is known, else the one that is awaited.
async fn of_session(conn: &mut Conn, given: &HandedBack) -> ApiResult<Option<Payment>> {
    let paid_by_it =
        |payment: &Payment| payment.gateway_payment_id.as_ref() == Some(&given.razorpay_payment_id);
    let payments = payments::by_order(conn, given.order_id).await?;
    Ok(payments
        .into_iter()
        .filter(|payment| payment.gateway_order_id == given.razorpay_order_id)
        .min_by_key(|payment| (!paid_by_it(payment), payment.stray)))
}

/// Where the order and the payment stand.
async fn stand(app: &App, who: &SignedIn, given: &HandedBack) -> ApiResult<Verified> {
    let mut conn = app.pool.acquire().await?;
    let order = owned(&mut conn, who, given.order_id).await?;
    let payment = of_session(&mut conn, given).await?.ok_or(ApiError::WrongGatewayOrder)?;
    Ok(Verified {
        order_id: order.order_id,
        order_status: order.status,
        payment_status: payment.status,
    })
}

/// Whether the checkout has decided.
pub(crate) fn has_ended(status: OrderStatus) -> bool {
    !matches!(status, OrderStatus::Pending | OrderStatus::Reserved)
}
