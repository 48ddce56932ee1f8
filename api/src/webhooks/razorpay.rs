//! Takes in what the payment gateway reports: checked, kept, signalled, answered at once.
//! Never parses a byte before the signature over all of them was right.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::webhooks::{self, NewWebhook};
use utoipa::ToSchema;
use workflows::GATEWAY;

use super::event::Event;
use super::{kinds, signature};
use crate::app::{App, Shared};
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookTaken)]
pub(crate) struct Taken {
    received: bool,
}

/// `POST /api/v1/webhooks/razorpay`
pub(crate) async fn receive(
    State(app): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> ApiResult<Answer<Taken>> {
    let Some(secret) = genuine(&app, &headers, &body) else {
        tracing::warn!("a webhook's signature does not fit");
        metrics::counter!("makegood_webhooks_total", "outcome" => "forged").increment(1);
        return Err(ApiError::BadSignature);
    };
    metrics::counter!("makegood_webhook_secrets_total", "secret" => secret).increment(1);
    let event = Event::read(&body)?;
    let event_id = event_id(&headers, &body)?;
    let shared = Shared::clone(&app);
    app.finish(async move { keep(&shared, &event_id, &event, &body).await }).await?;
    Ok(Answer::ok("received", Taken { received: true }))
}

/// Which secret the body was signed with; `None` for none of ours.
fn genuine(app: &App, headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
    let given = headers.get("x-razorpay-signature")?.to_str().ok()?;
    let keys = &app.config.keys;
    let fits = |secret| signature::of_webhook(secret, body).fits(given);
    if fits(&keys.webhook_secret) {
        return Some("current");
    }
    keys.webhook_secret_previous.as_ref().is_some_and(fits).then_some("previous")
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

async fn keep(app: &App, event_id: &str, event: &Event, body: &[u8]) -> ApiResult<()> {
    let new = NewWebhook {
        event_id,
        gateway: GATEWAY,
        event_type: &event.kind,
        gateway_order_id: event.order.as_ref(),
        gateway_payment_id: event.payment.as_ref(),
        raw_body: body,
    };
    let mut tx = app.pool.begin().await?;
    if !webhooks::insert(&mut tx, &new).await? {
        metrics::counter!("makegood_webhooks_total", "outcome" => "repeated").increment(1);
        return Ok(());
    }
    let state = kinds::pass_on(app, &mut tx, event).await?;
    webhooks::set_state(&mut tx, event_id, state).await?;
    tx.commit().await?;
    app.client.wake();
    let outcome = state.as_str().to_ascii_lowercase();
    metrics::counter!("makegood_webhooks_total", "outcome" => outcome).increment(1);
    Ok(())
}
