//! The log of webhooks: where they go, and what became of each. Sending them is `delivery`.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;
use reqwest::Url;
use secrecy::SecretString;
use serde::Serialize;
use tokio::sync::{Notify, Semaphore};

use crate::{
    chance::Chance,
    config::{self, Config},
    event::EventName,
};

const SENT_AT_ONCE: usize = 64;

/// Where webhooks go and what became of each.
#[derive(Debug)]
pub(crate) struct Webhooks {
    chance: Chance,
    target: Mutex<Target>,
    log: Mutex<Log>,
    /// Told after every try.
    pub(crate) tried: Notify,
    /// One for each try in flight.
    pub(crate) slots: Semaphore,
}

#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: Option<Url>,
    pub(crate) secret: SecretString,
}

#[derive(Debug, Default)]
struct Log {
    deliveries: Vec<Delivery>,
    /// How many event ids each order has used up.
    event_ids: HashMap<String, usize>,
}

/// One webhook and its fate.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delivery {
    pub(crate) event_id: String,
    pub(crate) event: EventName,
    pub(crate) order_id: String,
    pub(crate) kind: Kind,
    pub(crate) outcome: Fate,
    /// The status each try was answered with; `null` for no answer.
    pub(crate) attempts: Vec<Option<u16>>,
    #[serde(skip)]
    pub(crate) body: Bytes,
    #[serde(skip)]
    pub(crate) signature: String,
}

/// Why a webhook goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Original,
    Duplicate,
    Replay,
    Forged,
}

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    Pending,
    Delivered,
    Lost,
    GaveUp,
    NoTarget,
}

impl Webhooks {
    pub(crate) fn new(config: &Config) -> Result<Self, crate::Error> {
        let url = config.webhook_url.as_deref().map(config::webhook_url).transpose()?;
        Ok(Self {
            chance: Chance::new(config.seed),
            target: Mutex::new(Target { url, secret: config.webhook_secret.clone() }),
            log: Mutex::default(),
            tried: Notify::new(),
            slots: Semaphore::new(SENT_AT_ONCE),
        })
    }

    /// Sends to `url` from the next try on; a new secret signs the events that come.
    pub(crate) fn retarget(&self, url: Option<Url>, secret: Option<SecretString>) {
        let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        target.url = url;
        if let Some(secret) = secret {
            target.secret = secret;
        }
    }

    /// Every webhook so far, oldest first.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.log().deliveries.clone()
    }

    pub(crate) fn target(&self) -> Target {
        self.target.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first delivery of this event id.
    pub(crate) fn find(&self, event_id: &str) -> Option<Delivery> {
        self.log().deliveries.iter().find(|one| one.event_id == event_id).cloned()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn new_event_id(&self, order_id: &str) -> String {
        let mut log = self.log();
        let used = log.event_ids.entry(order_id.to_owned()).or_default();
        let id = self.chance.id("", order_id, *used);
        *used = used.saturating_add(1);
        id
    }

    pub(crate) fn record(&self, delivery: Delivery) -> usize {
        let mut log = self.log();
        log.deliveries.push(delivery);
        log.deliveries.len().saturating_sub(1)
    }

    pub(crate) fn note(&self, place: usize, change: impl FnOnce(&mut Delivery)) {
        if let Some(delivery) = self.log().deliveries.get_mut(place) {
            change(delivery);
        }
    }

    /// Waits until a later event of the same order has been tried.
    pub(crate) async fn overtaken(&self, place: usize, order_id: &str) {
        loop {
            let tried = self.tried.notified();
            let overtaken = self
                .log()
                .deliveries
                .iter()
                .skip(place.saturating_add(1))
                .any(|later| later.order_id == order_id && !later.attempts.is_empty());
            if overtaken {
                return;
            }
            tried.await;
        }
    }
}
