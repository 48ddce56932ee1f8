//! How a call to the payment gateway can fail: every variant is a decision.
//! It never carries a secret, a request body or a page of HTML.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use metrics::counter;
use reqwest::StatusCode;

use super::refusal::{self, Refusal};

/// What was asked of the gateway; its name stands in spans, metrics and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Opening an order that a customer can pay.
    CreateOrder,
    /// Looking for orders by our receipt.
    ListOrders,
    /// Listing every payment attempt on an order.
    OrderPayments,
    /// Reading one order.
    GetOrder,
    /// Listing the payment attempts of a time.
    ListPayments,
    /// Listing what was paid out on a day.
    Payouts,
    /// Reading one payment.
    GetPayment,
    /// Taking an authorised amount.
    Capture,
    /// Giving money back.
    Refund,
    /// Listing the refunds of a payment.
    PaymentRefunds,
    /// Listing the refunds of all payments.
    ListRefunds,
}

impl Operation {
    /// The name in logs and metrics, in lower case with underscores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateOrder => "create_order",
            Self::ListOrders => "list_orders",
            Self::OrderPayments => "order_payments",
            Self::GetOrder => "get_order",
            Self::ListPayments => "list_payments",
            Self::Payouts => "payouts",
            Self::GetPayment => "get_payment",
            Self::Capture => "capture",
            Self::Refund => "refund",
            Self::PaymentRefunds => "payment_refunds",
            Self::ListRefunds => "list_refunds",
        }
    }

    /// Whether the call changes something at the gateway, so that a lost answer leaves doubt.
    pub fn has_effect(self) -> bool {
        match self {
            Self::CreateOrder | Self::Capture | Self::Refund => true,
            Self::ListOrders
            | Self::OrderPayments
            | Self::GetOrder
            | Self::ListPayments
            | Self::Payouts
            | Self::GetPayment
            | Self::PaymentRefunds
            | Self::ListRefunds => false,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call to the gateway gave no result. The variant tells what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The gateway said no: final, and without effect. Compensate, do not repeat.
    #[error("{operation} refused: {code}{}", because(reason.as_deref()))]
    Rejected {
        /// The call that was refused.
        operation: Operation,
        /// The HTTP status; none when the request was so wrong that it was not sent.
        status: Option<u16>,
        /// The gateway's class of error, such as `BAD_REQUEST_ERROR`.
        code: String,
        /// The gateway's cause in one word, such as `insufficient_funds`, when it gives one.
        reason: Option<String>,
        /// A sentence for people, at most 200 characters; nothing may be decided by it.
        description: Option<String>,
    },
    /// This call had no effect, and the same call may succeed later. Repeat it with a delay.
    #[error("{operation} not possible now: {detail}")]
    Unavailable {
        /// The call that did not go through.
        operation: Operation,
        /// What was seen.
        detail: String,
        /// The HTTP status; none when no complete answer came.
        status: Option<u16>,
        /// How long the gateway asked to be left alone, at most one hour.
        retry_after: Option<Duration>,
    },
    /// Not asked at all: the gateway has been silent and is left alone for a while, or too many
    /// calls await its answer. Like
    /// [`GatewayError::Unavailable`], but it costs the caller no attempt.
    #[error("{operation} held back: the gateway is silent or busy")]
    Held {
        /// The call that was not made.
        operation: Operation,
        /// When to ask again, from now.
        after: Duration,
    },
    /// It may have happened: look it up by its key before anything else.
    #[error("outcome of {operation} unknown: {detail}")]
    Unknown {
        /// The call in doubt.
        operation: Operation,
        /// What was seen.
        detail: String,
    },
    /// Our keys or the gateway's address are wrong: stop and call a person, compensate nothing.
    #[error("the gateway is misconfigured: {detail}")]
    Misconfigured {
        /// What is wrong, without the secret.
        detail: String,
    },
}

impl GatewayError {
    /// The wait that the gateway asked for, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Rejected { .. }
            | Self::Held { .. }
            | Self::Unknown { .. }
            | Self::Misconfigured { .. } => None,
        }
    }

    /// Whether it speaks of the gateway as a whole, and not of this one call.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            // "Somebody else is at it" and "too early" are about one object.
            Self::Unavailable { status, .. } => !matches!(status, Some(409 | 425)),
            Self::Unknown { .. } | Self::Misconfigured { .. } => true,
            Self::Rejected { .. } | Self::Held { .. } => false,
        }
    }

    /// The call was not made, and may be asked for again then.
    pub(super) fn held(operation: Operation, after: Duration) -> Self {
        counter!("makegood_gateway_held_total", "operation" => operation.as_str()).increment(1);
        Self::Held { operation, after }
    }

    pub(super) fn misconfigured(detail: impl Into<String>) -> Self {
        Self::Misconfigured { detail: detail.into() }
    }

    pub(super) fn unavailable(operation: Operation, detail: impl Into<String>) -> Self {
        Self::Unavailable { operation, detail: detail.into(), status: None, retry_after: None }
    }

    /// No usable answer to a request that may have arrived: harmless after a read only.
    pub(super) fn unclear(operation: Operation, detail: impl Into<String>) -> Self {
        if operation.has_effect() {
            Self::Unknown { operation, detail: detail.into() }
        } else {
            Self::unavailable(operation, detail)
        }
    }

    /// No complete answer came. Only a connection that never stood proves that nothing was sent.
    pub(super) fn from_transport(operation: Operation, error: &reqwest::Error) -> Self {
        if error.is_builder() {
            Self::misconfigured("the request could not be built")
        } else if error.is_connect() {
            Self::unavailable(operation, format!("no connection: {}", root_cause(error)))
        } else if error.is_timeout() {
            Self::unclear(operation, "no answer within the time limit")
        } else {
            Self::unclear(operation, format!("the connection broke: {}", root_cause(error)))
        }
    }

    /// Judges an answer whose status is not a success.
    pub(super) fn from_answer(
        operation: Operation,
        status: StatusCode,
        retry_after: Option<Duration>,
        body: &[u8],
    ) -> Self {
        let refusal = refusal::read(body);
        match status.as_u16() {
            401 | 403 => Self::misconfigured(format!("{operation}: keys not accepted ({status})")),
            300..=399 => Self::misconfigured(format!("{operation}: redirected ({status})")),
            // The gateway answers 400 for an unknown id: a bare 404 is some other server's.
            404 | 405 if refusal.is_none() => {
                Self::misconfigured(format!("{operation}: not the gateway's address ({status})"))
            }
            // Asking us to come back later is what a server does before it starts the work.
            code if matches!(code, 409 | 425 | 429) || (code == 503 && retry_after.is_some()) => {
                let (detail, status) = (status.to_string(), Some(code));
                Self::Unavailable { operation, detail, status, retry_after }
            }
            408 => Self::unclear(operation, status.to_string()),
            400..=499 => rejected(operation, status, refusal.unwrap_or_default()),
            _ => Self::unclear(operation, status.to_string()),
        }
    }
}

fn rejected(operation: Operation, status: StatusCode, refusal: Refusal) -> GatewayError {
    if status == StatusCode::BAD_REQUEST && refusal.is_about_keys() {
        return GatewayError::misconfigured(format!("{operation}: keys not accepted ({status})"));
    }
    GatewayError::Rejected {
        operation,
        status: Some(status.as_u16()),
        code: refusal.code.unwrap_or_else(|| format!("HTTP_{}", status.as_u16())),
        reason: refusal.reason,
        description: refusal.description,
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

/// The innermost message: it says what happened and, unlike the outermost, never quotes the URL.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| "no cause given".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(operation: Operation, status: u16, retry_after: Option<u64>) -> GatewayError {
        let status = StatusCode::from_u16(status).unwrap();
        let body = br#"{"error":{"code":"BAD_REQUEST_ERROR","reason":"NA","description":"no"}}"#;
        GatewayError::from_answer(operation, status, retry_after.map(Duration::from_secs), body)
    }

    #[test]
    fn a_client_error_is_final_except_where_it_is_about_keys_or_time() {
        for status in [400, 402, 404, 410, 413, 415, 422] {
            let error = judged(Operation::CreateOrder, status, None);
            assert!(matches!(error, GatewayError::Rejected { .. }), "{status} is final: {error:?}");
        }
        for status in [401, 403] {
            let error = judged(Operation::Refund, status, None);
            assert!(matches!(error, GatewayError::Misconfigured { .. }), "{status}: {error:?}");
        }
        for status in [409, 425, 429] {
            let error = judged(Operation::Refund, status, Some(7));
            assert!(matches!(error, GatewayError::Unavailable { .. }), "{status}: {error:?}");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn a_server_error_leaves_doubt_after_an_effect_and_none_after_a_read() {
        for status in [408, 500, 502, 503, 504, 520] {
            let effect = judged(Operation::Capture, status, None);
            assert!(matches!(effect, GatewayError::Unknown { .. }), "{status}: {effect:?}");
            let read = judged(Operation::GetPayment, status, None);
            assert!(matches!(read, GatewayError::Unavailable { .. }), "{status}: {read:?}");
        }
        let shed = judged(Operation::CreateOrder, 503, Some(1));
        assert!(matches!(shed, GatewayError::Unavailable { .. }), "shed before the work: {shed:?}");
    }

    #[test]
    fn an_answer_of_some_other_server_never_counts_as_the_gateway_saying_no() {
        for status in [301, 404, 405] {
            let status = StatusCode::from_u16(status).unwrap();
            let error =
                GatewayError::from_answer(Operation::CreateOrder, status, None, b"<html></html>");
            assert!(matches!(error, GatewayError::Misconfigured { .. }), "{status}: {error:?}");
        }
    }

    #[test]
    fn keys_refused_with_status_400_are_still_about_keys() {
        let body =
            br#"{"error":{"code":"BAD_REQUEST_ERROR","description":"Authentication failed"}}"#;
        let error =
            GatewayError::from_answer(Operation::CreateOrder, StatusCode::BAD_REQUEST, None, body);
        assert!(matches!(error, GatewayError::Misconfigured { .. }), "{error:?}");
    }
}
