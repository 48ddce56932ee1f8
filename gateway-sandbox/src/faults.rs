//! The faults asked for: scripted ones that count down, an outage, and those the seed decides.
//! It only decides what goes wrong; `inject` and `webhooks` make it go wrong.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use crate::{
    chance::Chance,
    config::{DelayRange, Odds},
    event::{Event, EventName},
    model::Order,
    operation::Operation,
    script::{
        CallAction, CallFault, ErrorBody, WebhookAction, WebhookFault, reorder_wait_ms, take_first,
    },
};

/// What a call is about, as far as it can be known before it is done.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) operation: Operation,
    pub(crate) id: Option<String>,
    pub(crate) order_id: Option<String>,
    pub(crate) receipt: Option<String>,
}

/// All that is to go wrong, and what was counted.
#[derive(Debug)]
pub(crate) struct Faults {
    chance: Chance,
    odds: Odds,
    pub(crate) calls: Vec<CallFault>,
    pub(crate) webhooks: Vec<WebhookFault>,
    pub(crate) outage_until: Option<Instant>,
    /// Calls that arrived with good credentials, by operation.
    pub(crate) counts: BTreeMap<Operation, u64>,
    /// Calls that met an outage.
    pub(crate) refused: u64,
    /// The idempotency key of each call for a refund that arrived.
    pub(crate) refund_keys: Vec<String>,
    /// Faults that calls and webhooks met, scripted or by the seed, by what they did.
    pub(crate) met: BTreeMap<&'static str, u64>,
    attempts: HashMap<(&'static str, String), u32>,
}

impl Faults {
    pub(crate) fn new(chance: Chance, odds: Odds) -> Self {
        Self {
            chance,
            odds,
            calls: Vec::new(),
            webhooks: Vec::new(),
            outage_until: None,
            counts: BTreeMap::new(),
            refused: 0,
            refund_keys: Vec::new(),
            met: BTreeMap::new(),
            attempts: HashMap::new(),
        }
    }

    /// Forgets every scripted fault and ends an outage; the seed's faults stay.
    pub(crate) fn clear(&mut self) {
        self.calls.clear();
        self.webhooks.clear();
        self.outage_until = None;
    }

    /// Whether everything under `/v1` is down for a call at this moment; counts it if so.
    pub(crate) fn meet_outage(&mut self) -> bool {
        let is_down = self.outage_until.is_some_and(|until| Instant::now() < until);
        self.refused = self.refused.saturating_add(u64::from(is_down));
        is_down
    }

    /// Counts a call and says what is to go wrong with it.
    pub(crate) fn meet_call(&mut self, subject: &Subject) -> Option<CallAction> {
        let count = self.counts.entry(subject.operation).or_default();
        *count = count.saturating_add(1);
        let key = subject.receipt.as_ref().or(subject.id.as_ref()).cloned().unwrap_or_default();
        let attempt = self.attempt(subject.operation.name(), &key);
        let scripted = take_first(&mut self.calls, |meets| meets.fits(subject));
        let fault = scripted.or_else(|| self.seeded_call(subject.operation, &key, &attempt));
        self.count(fault.as_ref().map(CallAction::name));
        fault
    }

    /// Says what is to go wrong with the webhook of `event`.
    pub(crate) fn meet_webhook(&mut self, event: &Event) -> Option<WebhookAction> {
        let key = event.receipt.as_ref().unwrap_or(&event.order_id).clone();
        let attempt = self.attempt(event.name.name(), &key);
        let scripted = take_first(&mut self.webhooks, |meets| meets.fits(event));
        let fault = scripted.or_else(|| self.seeded_webhook(event.name, &key, &attempt));
        self.count(fault.as_ref().map(WebhookAction::name));
        fault
    }

    fn count(&mut self, fault: Option<&'static str>) {
        if let Some(fault) = fault {
            let met = self.met.entry(fault).or_default();
            *met = met.saturating_add(1);
        }
    }

    fn attempt(&mut self, what: &'static str, key: &str) -> String {
        let attempt = self.attempts.entry((what, key.to_owned())).or_default();
        *attempt = attempt.saturating_add(1);
        attempt.to_string()
    }

    fn seeded_call(&self, operation: Operation, key: &str, attempt: &str) -> Option<CallAction> {
        let odds = self.odds.by_operation.get(&operation).unwrap_or(&self.odds.calls);
        let name = |kind| [kind, operation.name(), key, attempt];
        let hits = |per_mille, kind| self.chance.hits(per_mille, &name(kind));
        if hits(odds.drop_before_per_mille, "drop_before") {
            return Some(CallAction::DropBefore);
        }
        if hits(odds.drop_after_per_mille, "drop_after") {
            return Some(CallAction::DropAfter);
        }
        if hits(odds.hang_after_per_mille, "hang_after") {
            return Some(CallAction::HangAfter { ms: odds.hang_ms });
        }
        if hits(odds.error_per_mille, "error") {
            return Some(match self.chance.between(0, 2, &name("error_status")) {
                0 => CallAction::Error { status: 500, body: ErrorBody::Json },
                1 => CallAction::Error { status: 502, body: ErrorBody::Html },
                _ => CallAction::Error { status: 503, body: ErrorBody::Json },
            });
        }
        hits(odds.delay_per_mille, "delay")
            .then(|| CallAction::Delay { ms: self.delay(odds.delay_ms, &name("delay_ms")) })
    }

    fn seeded_webhook(&self, event: EventName, key: &str, attempt: &str) -> Option<WebhookAction> {
        let odds = self.odds.webhooks;
        let name = |kind| [kind, event.name(), key, attempt];
        let hits = |per_mille, kind| self.chance.hits(per_mille, &name(kind));
        if hits(odds.lose_per_mille, "lose") {
            return Some(WebhookAction::Lose);
        }
        if hits(odds.duplicate_per_mille, "duplicate") {
            return Some(WebhookAction::Duplicate { n: 1, new_event_id: false });
        }
        if hits(odds.reorder_per_mille, "reorder") {
            return Some(WebhookAction::Reorder { max_wait_ms: reorder_wait_ms() });
        }
        hits(odds.delay_per_mille, "delay")
            .then(|| WebhookAction::Delay { ms: self.delay(odds.delay_ms, &name("delay_ms")) })
    }

    fn delay(&self, range: DelayRange, name: &[&str]) -> u64 {
        self.chance.between(range.min_ms, range.max_ms, name)
    }
}

impl Subject {
    /// Fills in what the order itself knows.
    pub(crate) fn of_order(mut self, order: &Order) -> Self {
        self.order_id = Some(order.id.clone());
        self.receipt.clone_from(&order.receipt);
        self
    }
}
