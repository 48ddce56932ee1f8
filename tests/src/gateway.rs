//! The gateway's own books, as it hands them out to tests: the truth that ours must agree with.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Everything that the gateway knows, oldest first.
#[derive(Clone, Debug, Deserialize)]
pub struct Truth {
    /// Orders that were opened.
    pub orders: Vec<GatewayOrder>,
    /// Attempts to pay them.
    pub payments: Vec<GatewayPayment>,
    /// Money that went back.
    pub refunds: Vec<GatewayRefund>,
    /// Calls of its API that arrived, by operation.
    pub calls: BTreeMap<String, u64>,
    /// Calls that met an outage, besides.
    pub refused_calls: u64,
    /// The idempotency keys of the calls for refunds that arrived, the first first.
    pub refund_keys: Vec<String>,
}

/// An order at the gateway.
#[derive(Clone, Debug, Deserialize)]
pub struct GatewayOrder {
    /// The gateway's id.
    pub id: String,
    /// Our name for it.
    pub receipt: Option<String>,
    /// What is to be paid, in minor units.
    pub amount: i64,
}

/// An attempt to pay.
#[derive(Clone, Debug, Deserialize)]
pub struct GatewayPayment {
    /// The gateway's id.
    pub id: String,
    /// The order that it pays.
    pub order_id: String,
    /// How much, in minor units.
    pub amount: i64,
    /// How far it came.
    pub status: String,
}

/// Money that went back.
#[derive(Clone, Debug, Deserialize)]
pub struct GatewayRefund {
    /// The gateway's id.
    pub id: String,
    /// The payment that it gives back.
    pub payment_id: String,
    /// How much, in minor units.
    pub amount: i64,
}

impl Truth {
    /// The orders that were opened under an order's receipt.
    pub fn orders_of(&self, order_id: &str) -> Vec<&GatewayOrder> {
        let receipt = format!("{}-", order_id.replace('-', ""));
        let ours = |order: &&GatewayOrder| {
            order.receipt.as_deref().is_some_and(|given| given.starts_with(&receipt))
        };
        self.orders.iter().filter(ours).collect()
    }

    /// The attempts to pay an order.
    pub fn payments_of(&self, order_id: &str) -> Vec<&GatewayPayment> {
        let orders: Vec<_> = self.orders_of(order_id).iter().map(|order| &order.id).collect();
        self.payments.iter().filter(|payment| orders.contains(&&payment.order_id)).collect()
    }

    /// How often anything was called, outages included.
    pub fn all_calls(&self) -> u64 {
        self.calls.values().sum::<u64>() + self.refused_calls
    }

    /// How often an operation was called.
    pub fn calls_of(&self, operation: &str) -> u64 {
        self.calls.get(operation).copied().unwrap_or_default()
    }
}
