//! Sends webhooks: signed, at least once, retried until a 2xx, in no promised order.

use std::{sync::Arc, time::Duration};

use axum::body::Bytes;
use reqwest::{Url, header::CONTENT_TYPE};
use tokio::time::{sleep, timeout};

use crate::{
    app::{App, Shared},
    event::Event,
    script::WebhookAction,
    signature,
    webhooks::{Delivery, Fate, Kind},
};

const FORGED_SECRET: &str = "not-the-webhook-secret";

impl App {
    /// Sends an event off, with the fault it meets.
    pub(crate) fn announce(self: &Arc<Self>, event: &Event) {
        let fault = self.faults().meet_webhook(event);
        let body = Bytes::from(event.envelope(&self.account_id).to_string());
        let original = Delivery {
            event_id: self.webhooks.new_event_id(&event.order_id),
            event: event.name,
            order_id: event.order_id.clone(),
            kind: Kind::Original,
            outcome: Fate::Pending,
            attempts: Vec::new(),
            signature: signature::webhook(&self.webhooks.target().secret, &body),
            body,
        };
        match fault {
            None => self.send(original, Wait::None),
            Some(WebhookAction::Lose) => {
                self.webhooks.record(Delivery { outcome: Fate::Lost, ..original });
            }
            Some(WebhookAction::Duplicate { n, new_event_id }) => {
                self.send(original.clone(), Wait::None);
                for _ in 0..n {
                    self.send_copy(&original, Kind::Duplicate, new_event_id);
                }
            }
            Some(WebhookAction::Delay { ms }) => {
                self.send(original, Wait::For(Duration::from_millis(ms)));
            }
            Some(WebhookAction::Forge) => {
                self.send_copy(&original, Kind::Forged, true);
                self.send(original, Wait::None);
            }
            Some(WebhookAction::Reorder { max_wait_ms }) => {
                self.send(original, Wait::Overtaken(Duration::from_millis(max_wait_ms)));
            }
        }
    }

    /// Sends the event of this id once more; `None` if there was none.
    pub(crate) fn replay(self: &Arc<Self>, event_id: &str, new_event_id: bool) -> Option<()> {
        let found = self.webhooks.find(event_id);
        found.map(|delivery| self.send_copy(&delivery, Kind::Replay, new_event_id))
    }

    fn send_copy(self: &Arc<Self>, of: &Delivery, kind: Kind, new_event_id: bool) {
        let mut copy =
            Delivery { kind, outcome: Fate::Pending, attempts: Vec::new(), ..of.clone() };
        if new_event_id {
            copy.event_id = self.webhooks.new_event_id(&of.order_id);
        }
        if kind == Kind::Forged {
            copy.signature = signature::webhook(&FORGED_SECRET.into(), &copy.body);
        }
        self.send(copy, Wait::None);
    }

    fn send(self: &Arc<Self>, delivery: Delivery, wait: Wait) {
        let place = self.webhooks.record(delivery.clone());
        let app = Arc::clone(self);
        self.tasks.spawn(async move {
            match wait {
                Wait::None => {}
                Wait::For(delay) => sleep(delay).await,
                Wait::Overtaken(limit) => {
                    // Overtaken or not, after the limit it goes out.
                    let _ = timeout(limit, app.webhooks.overtaken(place, &delivery.order_id)).await;
                }
            }
            let fate = deliver(&app, place, &delivery).await;
            app.webhooks.note(place, |delivery| delivery.outcome = fate);
        });
    }
}

/// What a webhook waits for before its first try.
enum Wait {
    None,
    For(Duration),
    Overtaken(Duration),
}

/// Tries until a 2xx; a forged one is tried once.
async fn deliver(app: &Shared, place: usize, delivery: &Delivery) -> Fate {
    let mut attempt = 0_u32;
    loop {
        attempt = attempt.saturating_add(1);
        let Some(url) = app.webhooks.target().url else { return Fate::NoTarget };
        let answer = post(app, url, delivery).await;
        app.webhooks.note(place, |delivery| delivery.attempts.push(answer));
        app.webhooks.tried.notify_waiters();
        if answer.is_some_and(|status| (200..300).contains(&status)) {
            return Fate::Delivered;
        }
        let wait = app.config.webhook_retry.wait_after(attempt);
        match wait.filter(|_| delivery.kind != Kind::Forged) {
            Some(wait) => sleep(wait).await,
            None => return Fate::GaveUp,
        }
    }
}

/// One try; the status it was answered with.
async fn post(app: &App, url: Url, delivery: &Delivery) -> Option<u16> {
    let _slot = app.webhooks.slots.acquire().await.ok()?;
    let sent = app
        .http
        .post(url)
        .timeout(app.config.webhook_timeout)
        .header(CONTENT_TYPE, "application/json")
        .header("x-razorpay-signature", &delivery.signature)
        .header("x-razorpay-event-id", &delivery.event_id)
        .body(delivery.body.clone())
        .send()
        .await;
    match sent {
        Ok(response) => Some(response.status().as_u16()),
        Err(error) => {
            tracing::debug!(%error, event.id = %delivery.event_id, "a webhook found no answer");
            None
        }
    }
}
