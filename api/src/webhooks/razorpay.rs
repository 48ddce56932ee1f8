//! Takes in what the payment gateway reports: checked, kept, signalled, answered at once.
//! Never parses a byte before the signature over all of them was right.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use domain::{GatewayOrderId, GatewayPaymentId, WebhookState};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::webhooks::{self, NewWebhook, Webhook};
use store::{Conn, payments};
use workflows::GATEWAY;

use super::signature;
use crate::app::{App, Shared};
use crate::body::{self, WEBHOOK_LIMIT};
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};
use crate::payment_hint::{self, Fact};

/// The parts of an event that matter here; everything else may come and go.
#[derive(Deserialize)]
struct Event {
    event: String,
    #[serde(default)]
    payload: Payload,
}

#[derive(Default, Deserialize)]
struct Payload {
    payment: Option<Entity<PaymentPart>>,
    order: Option<Entity<OrderPart>>,
}

#[derive(Deserialize)]
struct Entity<T> {
    entity: T,
}

#[derive(Deserialize)]
struct PaymentPart {
    id: GatewayPaymentId,
    order_id: Option<GatewayOrderId>,
}

#[derive(Deserialize)]
struct OrderPart {
    id: GatewayOrderId,
}

#[derive(Serialize)]
pub(crate) struct Taken {
    received: bool,
}

/// `POST /api/v1/webhooks/razorpay`
pub(crate) async fn receive(
    State(app): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<Answer<Taken>> {
    let body = body.map_err(|error| body::unread(&error, WEBHOOK_LIMIT))?;
    if !is_genuine(&app, &headers, &body) {
        tracing::warn!("a webhook's signature does not fit");
        metrics::counter!("makegood_webhooks_total", "outcome" => "forged").increment(1);
        return Err(ApiError::BadSignature);
    }
    let event: Event = body::parse(&body)?;
    let event_id = event_id(&headers, &body)?;
    let shared = Shared::clone(&app);
    app.finish(async move { keep(&shared, &event_id, event, &body).await }).await?;
    Ok(Answer::ok("received", Taken { received: true }))
}

fn is_genuine(app: &App, headers: &HeaderMap, body: &[u8]) -> bool {
    let given = headers.get("x-razorpay-signature").and_then(|value| value.to_str().ok());
    let keys = &app.config.keys;
    let secrets = [Some(&keys.webhook_secret), keys.webhook_secret_previous.as_ref()];
    given.is_some_and(|given| {
        secrets.into_iter().flatten().any(|secret| signature::of_webhook(secret, body).fits(given))
    })
}

/// The sender's id of the event. It stands outside the signature, so it only saves work: that a
/// repeat does no harm is the signal's duty.
fn event_id(headers: &HeaderMap, body: &[u8]) -> ApiResult<String> {
    let Some(given) = headers.get("x-razorpay-event-id") else {
        return Ok(format!("sha256:{}", hex::encode(Sha256::digest(body))));
    };
    match given.to_str() {
        Ok(id) if (1..=200).contains(&id.len()) => Ok(id.to_owned()),
        _ => Err(ApiError::field("x-razorpay-event-id", "an event id has 1 to 200 characters")),
    }
}

async fn keep(app: &App, event_id: &str, event: Event, body: &[u8]) -> ApiResult<()> {
    let Payload { payment, order } = event.payload;
    let payment = payment.map(|part| part.entity);
    let gateway_order = payment
        .as_ref()
        .and_then(|payment| payment.order_id.clone())
        .or_else(|| order.map(|part| part.entity.id));
    let gateway_payment = payment.map(|payment| payment.id);
    let new = NewWebhook {
        event_id,
        gateway: GATEWAY,
        event_type: &event.event,
        gateway_order_id: gateway_order.as_ref(),
        gateway_payment_id: gateway_payment.as_ref(),
        raw_body: body,
    };
    let mut tx = app.pool.begin().await?;
    if !webhooks::insert(&mut tx, &new).await? {
        metrics::counter!("makegood_webhooks_total", "outcome" => "repeated").increment(1);
        return Ok(());
    }
    let news = News {
        event_type: &event.event,
        gateway_order: gateway_order.as_ref(),
        gateway_payment: gateway_payment.as_ref(),
    };
    let state = pass_on(app, &mut tx, &news).await?;
    webhooks::set_state(&mut tx, event_id, state).await?;
    tx.commit().await?;
    app.client.wake();
    let outcome = state.as_str().to_ascii_lowercase();
    metrics::counter!("makegood_webhooks_total", "outcome" => outcome).increment(1);
    Ok(())
}

/// A kept event, as far as it is passed on.
pub(crate) struct News<'a> {
    event_type: &'a str,
    gateway_order: Option<&'a GatewayOrderId>,
    gateway_payment: Option<&'a GatewayPaymentId>,
}

impl<'a> From<&'a Webhook> for News<'a> {
    fn from(kept: &'a Webhook) -> Self {
        Self {
            event_type: &kept.event_type,
            gateway_order: kept.gateway_order_id.as_ref(),
            gateway_payment: kept.gateway_payment_id.as_ref(),
        }
    }
}

/// Signals the checkout that the event is about, and says what became of the event.
///
/// An event may overtake the commit that stores its gateway order: it is kept as unmatched then.
pub(crate) async fn pass_on(
    app: &App,
    conn: &mut Conn,
    news: &News<'_>,
) -> ApiResult<WebhookState> {
    let (Some(fact), Some(gateway_order), Some(payment)) =
        (Fact::of_event(news.event_type), news.gateway_order, news.gateway_payment)
    else {
        return Ok(WebhookState::Ignored);
    };
    let awaited = match payments::by_gateway_order(conn, GATEWAY, gateway_order).await {
        Ok(awaited) => awaited,
        Err(store::Error::NotFound) => return Ok(WebhookState::Unmatched),
        Err(error) => return Err(error.into()),
    };
    if awaited.status.was_paid() && awaited.gateway_payment_id.as_ref() == Some(payment) {
        return Ok(WebhookState::Signalled); // Settled by this very payment: it knows.
    }
    let told =
        payment_hint::tell(&app.client, conn, &awaited, (fact, payment), news.event_type).await?;
    Ok(if told { WebhookState::Signalled } else { WebhookState::Unmatched })
}
