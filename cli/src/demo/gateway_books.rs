//! What the gateway itself knows: the ground truth about money, and what went wrong there.
//! It compares nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Everything that the gateway knows, oldest first.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct GatewayBooks {
    pub(crate) payments: Vec<GatewayPayment>,
    #[serde(default)]
    pub(crate) refunds: Vec<GatewayRefund>,
    webhooks: Vec<Delivery>,
    /// Calls that met an outage.
    #[serde(default)]
    pub(crate) refused_calls: u64,
    /// What went wrong with calls and webhooks, and how often.
    #[serde(default)]
    pub(crate) faults_met: BTreeMap<String, u64>,
}

/// A payment at the gateway.
#[derive(Debug, Deserialize)]
pub(crate) struct GatewayPayment {
    pub(crate) id: String,
    pub(crate) order_id: String,
    pub(crate) amount: i64,
    pub(crate) amount_refunded: i64,
    pub(crate) status: String,
    /// Whether its money was taken.
    #[serde(default = "yes")]
    captured: bool,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub(crate) created_at: i64,
}

fn yes() -> bool {
    true
}

impl GatewayPayment {
    /// Whether it was set aside, and given back by the gateway itself.
    pub(crate) fn never_taken(&self) -> bool {
        self.status == "refunded" && !self.captured
    }
}

/// A refund at the gateway.
#[derive(Debug, Deserialize)]
pub(crate) struct GatewayRefund {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) payment_id: String,
    pub(crate) amount: i64,
    pub(crate) status: String,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    outcome: String,
}

impl GatewayBooks {
    /// Whether some webhook has not reached its fate.
    pub(crate) fn has_webhooks_under_way(&self) -> bool {
        self.webhooks.iter().any(|webhook| webhook.outcome == "pending")
    }

    /// Webhooks that had nowhere to go.
    pub(crate) fn webhooks_without_target(&self) -> u64 {
        let stray = self.webhooks.iter().filter(|webhook| webhook.outcome == "no_target");
        u64::try_from(stray.count()).unwrap_or(u64::MAX)
    }
}
