//! An event of the gateway, read tolerantly: a body that was signed is the gateway's, whatever it
//! looks like. Never believed: what it says is a reason to look, no more.

use std::str::FromStr;

use domain::{GatewayOrderId, GatewayPaymentId, GatewayRefundId};
use serde_json::Value;

use crate::body;
use crate::error::{ApiError, ApiResult};

/// The parts of an event that matter here; everything else may come and go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// The gateway's word for what happened, such as `payment.captured`.
    pub(crate) kind: String,
    /// The gateway's order, when the body names one.
    pub(crate) order: Option<GatewayOrderId>,
    /// The gateway's payment, when the body names one.
    pub(crate) payment: Option<GatewayPaymentId>,
    /// The gateway's refund, when the body names one.
    pub(crate) refund: Option<GatewayRefundId>,
}

impl Event {
    /// Reads the body of a webhook. What is missing or malformed beside the kind counts as absent:
    /// a refusal would have the gateway repeat it for a day and then switch the endpoint off.
    ///
    /// # Errors
    /// When it is no JSON, or says no kind of 1 to 200 characters.
    pub(crate) fn read(raw: &[u8]) -> ApiResult<Self> {
        let body: Value = body::parse(raw)?;
        let kind = body.get("event").and_then(Value::as_str);
        let Some(kind) = kind.filter(|kind| (1..=200).contains(&kind.len())) else {
            return Err(ApiError::field("event", "an event has a kind of 1 to 200 characters"));
        };
        let payment_order = id(&body, "/payload/payment/entity/order_id");
        Ok(Self {
            kind: kind.to_owned(),
            order: payment_order.or_else(|| id(&body, "/payload/order/entity/id")),
            payment: id(&body, "/payload/payment/entity/id")
                .or_else(|| id(&body, "/payload/refund/entity/payment_id")),
            refund: id(&body, "/payload/refund/entity/id"),
        })
    }
}

fn id<T: FromStr>(body: &Value, path: &str) -> Option<T> {
    body.pointer(path).and_then(Value::as_str).and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_what_it_is_about_wherever_the_body_says_so() {
        let body = br#"{"event":"refund.processed","payload":{"created_at":1,
            "refund":{"entity":{"id":"rfnd_1","payment_id":"pay_1"}}}}"#;
        let event = Event::read(body).expect("an event");
        assert_eq!(event.kind, "refund.processed");
        assert_eq!(event.payment, "pay_1".parse().ok(), "the refund names its payment");
        assert_eq!(event.refund, "rfnd_1".parse().ok());
        assert_eq!(event.order, None, "nothing is made up");
    }

    #[test]
    fn odd_parts_count_as_absent_and_only_a_missing_kind_is_refused() {
        let odd = br#"{"event":"payment.captured","payload":{"payment":{"entity":{"id":7}}}}"#;
        assert_eq!(Event::read(odd).expect("an event").payment, None);
        let bare = br#"{"event":"payment.downtime.started","payload":[]}"#;
        assert!(Event::read(bare).is_ok());
        for wrong in [&b"{}"[..], b"{\"event\":7}", b"{\"event\":\"\"}", b"[]", b"7", b"{"] {
            assert!(Event::read(wrong).is_err(), "{wrong:?} is no event");
        }
    }
}
