//! The gateway's JSON, read tolerantly: only what we act on, unknown fields ignored, and odd
//! values of unimportant fields taken as absent. It never guesses an id, an amount or a currency.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use domain::{Capture as CaptureBy, Currency, Money, PayoutKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::refusal::meaningful;
use super::{
    GatewayOrder, GatewayOrderStatus, GatewayPayment, GatewayPaymentStatus, GatewayPayout,
    GatewayRefund, GatewayRefundStatus, Notes,
};

#[derive(Serialize)]
pub(super) struct CreateOrder<'a> {
    pub(super) amount: i64,
    pub(super) currency: &'static str,
    pub(super) receipt: &'a str,
    pub(super) payment: PaymentSettings,
    pub(super) notes: &'a Notes,
}

/// Who captures the payments of an order, whatever the account's own setting is.
#[derive(Serialize)]
pub(super) struct PaymentSettings {
    capture: &'static str,
    capture_options: CaptureOptions,
}

/// The gateway captures by itself what is authorized this soon. What comes later stays authorized
/// and goes back by itself unless we take it: the nearest thing to closing an order.
#[derive(Serialize)]
struct CaptureOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    automatic_expiry_period: Option<u32>,
    manual_expiry_period: u32,
    refund_speed: &'static str,
}

/// In minutes; the shortest that the gateway takes.
const CAPTURED_WITHIN: u32 = 12;
/// In minutes; the longest, five days.
const KEPT_FOR: u32 = 7_200;

impl From<CaptureBy> for PaymentSettings {
    fn from(by: CaptureBy) -> Self {
        let automatic_expiry_period = match by {
            CaptureBy::Automatic => Some(CAPTURED_WITHIN),
            CaptureBy::Manual => None,
        };
        let capture_options = CaptureOptions {
            automatic_expiry_period,
            manual_expiry_period: KEPT_FOR,
            refund_speed: "normal",
        };
        Self { capture: by.as_str(), capture_options }
    }
}

#[derive(Serialize)]
pub(super) struct Capture {
    pub(super) amount: i64,
    pub(super) currency: &'static str,
}

#[derive(Serialize)]
pub(super) struct Refund<'a> {
    pub(super) amount: i64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) notes: &'a Notes,
}

/// What an answer lacks to be usable.
#[derive(Debug)]
pub(super) struct Malformed(pub(super) &'static str);

#[derive(Deserialize)]
pub(super) struct Collection<J> {
    pub(super) items: Vec<J>,
}

/// An object as it stands in a list.
pub(super) trait Listed {
    fn id(&self) -> &str;
    fn created_at(&self) -> Option<DateTime<Utc>>;
}

#[derive(Deserialize)]
pub(super) struct OrderJson {
    id: String,
    amount: i64,
    #[serde(default)]
    amount_paid: Option<i64>,
    currency: String,
    #[serde(default, deserialize_with = "lenient")]
    receipt: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<String>,
    #[serde(default, deserialize_with = "notes")]
    notes: Notes,
    #[serde(default, deserialize_with = "lenient")]
    created_at: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct PaymentJson {
    id: String,
    #[serde(default)]
    order_id: Option<String>,
    amount: i64,
    #[serde(default)]
    amount_refunded: Option<i64>,
    currency: String,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    method: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    error_code: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    error_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    created_at: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct RefundJson {
    id: String,
    payment_id: String,
    amount: i64,
    currency: String,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<String>,
    #[serde(default, deserialize_with = "notes")]
    notes: Notes,
    #[serde(default, deserialize_with = "lenient")]
    created_at: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct PayoutJson {
    entity_id: String,
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    kind: Option<String>,
    amount: i64,
    currency: String,
    #[serde(default, deserialize_with = "lenient")]
    fee: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    tax: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    settlement_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    order_receipt: Option<String>,
}

impl TryFrom<PayoutJson> for GatewayPayout {
    type Error = Malformed;

    fn try_from(json: PayoutJson) -> Result<Self, Malformed> {
        let currency = currency(&json.currency)?;
        let money = |minor: Option<i64>| Money::from_minor(minor.unwrap_or_default(), currency);
        if !is_id(&json.entity_id) {
            return Err(Malformed("entity_id"));
        }
        Ok(Self {
            id: json.entity_id,
            kind: match json.kind.as_deref() {
                Some("payment") => PayoutKind::Payment,
                Some("refund") => PayoutKind::Refund,
                Some(_) | None => PayoutKind::Other,
            },
            payout_id: json.settlement_id,
            amount: money(Some(json.amount)),
            fee: money(json.fee),
            tax: money(json.tax),
            receipt: json.order_receipt,
        })
    }
}

impl TryFrom<OrderJson> for GatewayOrder {
    type Error = Malformed;

    fn try_from(json: OrderJson) -> Result<Self, Malformed> {
        let currency = currency(&json.currency)?;
        Ok(Self {
            id: id(&json.id)?,
            amount: Money::from_minor(json.amount, currency),
            amount_paid: Money::from_minor(json.amount_paid.unwrap_or_default(), currency),
            receipt: json.receipt,
            status: match json.status.as_deref() {
                Some("created") => GatewayOrderStatus::Created,
                Some("attempted") => GatewayOrderStatus::Attempted,
                Some("paid") => GatewayOrderStatus::Paid,
                Some(_) | None => GatewayOrderStatus::Unrecognised,
            },
            notes: json.notes,
            created_at: json.created_at.and_then(time),
        })
    }
}

impl TryFrom<PaymentJson> for GatewayPayment {
    type Error = Malformed;

    fn try_from(json: PaymentJson) -> Result<Self, Malformed> {
        let currency = currency(&json.currency)?;
        Ok(Self {
            id: id(&json.id)?,
            order_id: json.order_id.as_deref().and_then(meaningful).map(id).transpose()?,
            amount: Money::from_minor(json.amount, currency),
            amount_refunded: Money::from_minor(json.amount_refunded.unwrap_or_default(), currency),
            status: match json.status.as_deref() {
                Some("created") => GatewayPaymentStatus::Created,
                Some("authorized") => GatewayPaymentStatus::Authorized,
                Some("captured") => GatewayPaymentStatus::Captured,
                Some("refunded") => GatewayPaymentStatus::Refunded,
                Some("failed") => GatewayPaymentStatus::Failed,
                Some(_) | None => GatewayPaymentStatus::Unrecognised,
            },
            method: json.method,
            failure: [&json.error_reason, &json.error_code]
                .into_iter()
                .find_map(|word| word.as_deref().and_then(meaningful))
                .map(str::to_owned),
            created_at: json.created_at.and_then(time),
        })
    }
}

impl TryFrom<RefundJson> for GatewayRefund {
    type Error = Malformed;

    fn try_from(json: RefundJson) -> Result<Self, Malformed> {
        Ok(Self {
            id: id(&json.id)?,
            payment_id: id(&json.payment_id)?,
            amount: Money::from_minor(json.amount, currency(&json.currency)?),
            status: match json.status.as_deref() {
                Some("pending") => GatewayRefundStatus::Pending,
                Some("processed") => GatewayRefundStatus::Processed,
                Some("failed") => GatewayRefundStatus::Failed,
                Some(_) | None => GatewayRefundStatus::Unrecognised,
            },
            notes: json.notes,
            created_at: json.created_at.and_then(time),
        })
    }
}

impl Listed for GatewayOrder {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn created_at(&self) -> Option<DateTime<Utc>> {
        self.created_at
    }
}

impl Listed for GatewayPayment {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn created_at(&self) -> Option<DateTime<Utc>> {
        self.created_at
    }
}

impl Listed for GatewayRefund {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn created_at(&self) -> Option<DateTime<Utc>> {
        self.created_at
    }
}

/// Whether the text is shaped like the gateway's ids, so cannot change a path it stands in.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn id<T: FromStr>(text: &str) -> Result<T, Malformed> {
    text.parse().map_err(|_| Malformed("id"))
}

fn currency(code: &str) -> Result<Currency, Malformed> {
    code.parse().map_err(|_| Malformed("currency"))
}

fn time(unix_secs: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(unix_secs, 0)
}

/// A value of another type than expected counts as absent.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// Empty notes come as an empty array.
fn notes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Notes, D::Error> {
    let Value::Object(pairs) = Value::deserialize(deserializer)? else {
        return Ok(Notes::new());
    };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(pairs.into_iter().map(|(name, value)| (name, text(value))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_order_says_who_captures_and_until_when() {
        let said = |by: CaptureBy| serde_json::to_value(PaymentSettings::from(by)).unwrap();
        assert_eq!(
            said(CaptureBy::Automatic),
            json!({"capture": "automatic", "capture_options": {"automatic_expiry_period": 12,
                "manual_expiry_period": 7_200, "refund_speed": "normal"}}),
        );
        assert_eq!(
            said(CaptureBy::Manual),
            json!({"capture": "manual", "capture_options": {"manual_expiry_period": 7_200,
                "refund_speed": "normal"}}),
        );
    }
}
