//! What the gateway announces: an event with its snapshot, in the webhook's envelope.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::{Order, Payment, Refund};

/// The names of the events the sandbox sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventName {
    /// The customer's money is blocked.
    #[serde(rename = "payment.authorized")]
    PaymentAuthorized,
    /// The money is the merchant's.
    #[serde(rename = "payment.captured")]
    PaymentCaptured,
    /// The attempt failed; it may still be captured later.
    #[serde(rename = "payment.failed")]
    PaymentFailed,
    /// An order got its captured payment.
    #[serde(rename = "order.paid")]
    OrderPaid,
    /// A refund was accepted.
    #[serde(rename = "refund.created")]
    RefundCreated,
    /// A refund is on its way to the customer.
    #[serde(rename = "refund.processed")]
    RefundProcessed,
    /// A refund did not reach the customer.
    #[serde(rename = "refund.failed")]
    RefundFailed,
}

impl EventName {
    /// The name as it is written in the envelope.
    pub fn name(self) -> &'static str {
        match self {
            Self::PaymentAuthorized => "payment.authorized",
            Self::PaymentCaptured => "payment.captured",
            Self::PaymentFailed => "payment.failed",
            Self::OrderPaid => "order.paid",
            Self::RefundCreated => "refund.created",
            Self::RefundProcessed => "refund.processed",
            Self::RefundFailed => "refund.failed",
        }
    }
}

/// One thing that happened, as it was at that moment.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: EventName,
    pub(crate) order_id: String,
    pub(crate) receipt: Option<String>,
    payload: Map<String, Value>,
    contains: Vec<&'static str>,
    created_at: u64,
}

impl Event {
    /// Something happened to `payment`, which tries to pay `order`.
    pub(crate) fn payment(name: EventName, order: &Order, payment: &Payment, now: u64) -> Self {
        let event = Self {
            name,
            order_id: order.id.clone(),
            receipt: order.receipt.clone(),
            payload: Map::new(),
            contains: Vec::new(),
            created_at: now,
        };
        let event = event.with("payment", payment);
        if name == EventName::OrderPaid { event.with("order", order) } else { event }
    }

    /// The event is about `refund`, which gives back a part of the payment.
    pub(crate) fn with_refund(self, refund: &Refund) -> Self {
        self.with("refund", refund)
    }

    /// The body of the webhook.
    pub(crate) fn envelope(&self, account_id: &str) -> Value {
        json!({
            "entity": "event",
            "account_id": account_id,
            "event": self.name.name(),
            "contains": self.contains,
            "payload": self.payload,
            "created_at": self.created_at,
        })
    }

    fn with(mut self, key: &'static str, entity: &impl Serialize) -> Self {
        self.payload.insert(key.to_owned(), json!({"entity": entity}));
        self.contains.push(key);
        self
    }
}
