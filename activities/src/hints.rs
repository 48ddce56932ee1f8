//! News of a payment, as a checkout is told: the one signal of verify, webhooks and reconciler.
//! It decides nothing: the saga asks the gateway before it believes anything.

use domain::GatewayPaymentId;
use makegood::Signal;
use serde::{Deserialize, Serialize};

/// Somebody says that the payment has moved on: the browser, a webhook or the reconciler.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentHint {
    /// The gateway's payment, as far as the sender knows it.
    pub gateway_payment_id: Option<GatewayPaymentId>,
    /// Who says so.
    pub source: String,
    /// The proof that was handed in is none: unless there is money, the payment has failed.
    #[serde(default)]
    pub forged: bool,
}

impl Signal for PaymentHint {
    const KIND: &'static str = "payment_hint";
}

/// What somebody says happened to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The customer's page handed back a genuine signature. It says nothing about the status, so
    /// it must not pass for the gateway's word that the payment was captured.
    Presented,
    /// The customer's page handed back a signature that is none.
    Forged,
    /// The money is ours.
    Captured,
    /// The customer's money is set aside.
    Authorized,
    /// The attempt failed.
    Failed,
}

impl Fact {
    /// The signal's id: the same for the same fact whoever reports it, so that all of its reports
    /// are one signal.
    pub fn signal_id(self, payment: &GatewayPaymentId) -> String {
        match self {
            Self::Presented => format!("presented:{payment}"),
            // Made-up payments are no news of their own, however many are made up.
            Self::Forged => "forged".to_owned(),
            Self::Captured => format!("captured:{payment}"),
            Self::Authorized => format!("payment.authorized:{payment}"),
            Self::Failed => format!("payment.failed:{payment}"),
        }
    }
}
