//! Tells a checkout that its payment has moved on: the one way in for verify and webhooks.
//! Never writes money state: the saga asks the gateway before it believes anything.

use domain::GatewayPaymentId;
use makegood::Client;
use store::Conn;
use store::payments::Payment;
use workflows::{Checkout, PaymentHint};

use crate::error::ApiResult;

/// What somebody says happened to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The customer's page handed back a genuine signature. It says nothing about the status, so
    /// it must not pass for the gateway's word that the payment was captured.
    Presented,
    /// The customer's page handed back a signature that is none.
    Forged,
    Captured,
    Authorized,
    Failed,
}

impl Fact {
    /// The fact that an event reports; none for events that are not about an awaited payment.
    pub(crate) fn of_event(event: &str) -> Option<Self> {
        match event {
            "payment.captured" | "order.paid" => Some(Self::Captured),
            "payment.authorized" => Some(Self::Authorized),
            "payment.failed" => Some(Self::Failed),
            _ => None,
        }
    }

    /// The same for the same fact whoever reports it, so that its reports are one signal.
    fn signal_id(self, payment: &GatewayPaymentId) -> String {
        match self {
            Self::Presented => format!("presented:{payment}"),
            Self::Forged => format!("forged:{payment}"),
            Self::Captured => format!("captured:{payment}"),
            Self::Authorized => format!("payment.authorized:{payment}"),
            Self::Failed => format!("payment.failed:{payment}"),
        }
    }
}

/// Signals the checkout that awaits this payment, in the caller's transaction; `false` when it was
/// never started. Wake the workers after the commit.
pub(crate) async fn tell(
    client: &Client,
    conn: &mut Conn,
    awaited: &Payment,
    (fact, payment): (Fact, &GatewayPaymentId),
    source: &str,
) -> ApiResult<bool> {
    let hint = PaymentHint {
        gateway_payment_id: Some(payment.clone()),
        source: source.to_owned(),
        forged: fact == Fact::Forged,
    };
    let id = fact.signal_id(payment);
    let checkout = &awaited.workflow_id;
    let sent = client.signal::<Checkout, PaymentHint>(conn, checkout, &id, &hint).await;
    match sent {
        Ok(_) => Ok(true),
        Err(makegood::Error::RunNotFound(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_of_one_capture_is_one_signal() {
        let payment = "pay_1".parse().expect("an id");
        let ids: Vec<_> = ["payment.captured", "order.paid"]
            .iter()
            .filter_map(|event| Fact::of_event(event))
            .map(|fact| fact.signal_id(&payment))
            .collect();
        assert_eq!(ids, ["captured:pay_1", "captured:pay_1"]);
        assert_eq!(Fact::of_event("refund.processed"), None, "no fact about an awaited payment");
    }
}
