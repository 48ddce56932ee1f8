//! The gateway's objects, each serialized exactly as it stands on the wire.
//! It holds no rule about what may follow what: that is `state`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// An amount in the currency's smallest unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Minor(u64);

impl Minor {
    pub(crate) const ZERO: Self = Self(0);

    pub(crate) const fn new(amount: u64) -> Self {
        Self(amount)
    }

    pub(crate) fn units(self) -> u64 {
        self.0
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or zero if `other` is larger.
    pub(crate) fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub(crate) fn percent(self, share: u64) -> Self {
        Self(self.0.saturating_mul(share) / 100)
    }
}

/// Free key-value pairs; without any they are an empty array on the wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Notes(pub(crate) Map<String, Value>);

impl Serialize for Notes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            return <[(); 0]>::default().serialize(serializer);
        }
        self.0.serialize(serializer)
    }
}

/// Whether an authorized payment is captured by the gateway itself or by a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// Captured as soon as it is authorized.
    #[default]
    Automatic,
    /// Stays authorized until `POST /payments/{id}/capture`.
    Manual,
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    Created,
    Attempted,
    Paid,
}

/// How far a payment has come; `Failed` may still become captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    Created,
    Authorized,
    Captured,
    Refunded,
    Failed,
}

/// How far a refund has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundStatus {
    Pending,
    Processed,
    Failed,
}

/// How much of a payment went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundShare {
    Partial,
    Full,
}

/// What a customer pays with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    Card,
    Netbanking,
    Wallet,
    Emi,
    #[default]
    Upi,
}

/// A merchant's wish for money; many payments may try to meet it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) entity: &'static str,
    pub(crate) amount: Minor,
    pub(crate) amount_paid: Minor,
    pub(crate) amount_due: Minor,
    pub(crate) currency: String,
    pub(crate) receipt: Option<String>,
    pub(crate) offer_id: Option<String>,
    pub(crate) status: OrderStatus,
    pub(crate) attempts: u32,
    pub(crate) notes: Notes,
    pub(crate) created_at: u64,
    #[serde(skip)]
    pub(crate) capture: Capture,
}

/// One try of a customer to pay an order.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) entity: &'static str,
    pub(crate) amount: Minor,
    pub(crate) currency: String,
    pub(crate) base_amount: Minor,
    pub(crate) status: PaymentStatus,
    pub(crate) order_id: String,
    pub(crate) invoice_id: Option<String>,
    pub(crate) international: bool,
    pub(crate) method: Method,
    pub(crate) amount_refunded: Minor,
    pub(crate) amount_transferred: Minor,
    pub(crate) refund_status: Option<RefundShare>,
    pub(crate) captured: bool,
    pub(crate) description: Option<String>,
    pub(crate) card_id: Option<String>,
    pub(crate) bank: Option<String>,
    pub(crate) wallet: Option<String>,
    pub(crate) vpa: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) contact: Option<String>,
    pub(crate) notes: Notes,
    pub(crate) fee: Option<Minor>,
    pub(crate) tax: Option<Minor>,
    #[serde(flatten)]
    pub(crate) decline: Decline,
    pub(crate) acquirer_data: BTreeMap<&'static str, String>,
    pub(crate) created_at: u64,
}

impl Payment {
    /// What may still be given back.
    pub(crate) fn refundable(&self) -> Minor {
        self.amount.less(self.amount_refunded)
    }
}

/// Why a payment failed; all empty while it has not.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Decline {
    #[serde(rename = "error_code")]
    pub(crate) code: Option<String>,
    #[serde(rename = "error_description")]
    pub(crate) description: Option<String>,
    #[serde(rename = "error_source")]
    pub(crate) source: Option<String>,
    #[serde(rename = "error_step")]
    pub(crate) step: Option<String>,
    #[serde(rename = "error_reason")]
    pub(crate) reason: Option<String>,
}

impl Decline {
    /// A bank's refusal with this reason code.
    pub(crate) fn by_bank(reason: &str) -> Self {
        Self {
            code: Some("BAD_REQUEST_ERROR".into()),
            description: Some(format!("The payment did not go through: {reason}")),
            source: Some("customer".into()),
            step: Some("payment_authorization".into()),
            reason: Some(reason.to_owned()),
        }
    }
}

/// Money on its way back to the customer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) entity: &'static str,
    pub(crate) amount: Minor,
    pub(crate) currency: String,
    pub(crate) payment_id: String,
    pub(crate) notes: Notes,
    pub(crate) receipt: Option<String>,
    pub(crate) acquirer_data: BTreeMap<&'static str, Option<String>>,
    pub(crate) created_at: u64,
    pub(crate) batch_id: Option<String>,
    pub(crate) status: RefundStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) speed_requested: Option<Speed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) speed_processed: Option<ProcessedSpeed>,
}

/// How fast a refund was asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Speed {
    Normal,
    Optimum,
}

/// How fast a refund went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProcessedSpeed {
    Normal,
    Instant,
}
