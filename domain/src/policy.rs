//! What a tenant decides: who captures a payment, and what happens to money that comes too late.
//! Never the decision itself: the workflow takes it.

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// What to do with money that comes after its order has expired or failed.
    #[derive(Default)]
    pub enum LateMoney("policy for late money") {
        /// Hold the stock again and fulfil; send the money back when there is too little.
        #[default]
        RereserveThenFulfil = "rereserve_then_fulfil",
        /// Send the money back at once.
        AlwaysRefund = "always_refund",
        /// Open an incident and let a person decide.
        ManualReview = "manual_review",
    }
}

words! {
    /// Who takes money that a customer has authorized.
    #[derive(Default)]
    pub enum Capture("way of capture") {
        /// The gateway, as soon as it is authorized.
        #[default]
        Automatic = "automatic",
        /// We do, when the amount is right and the order still wants it.
        Manual = "manual",
    }
}

/// A tenant's decisions as an order was placed under them: what changes later, changes for later
/// orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Who captures.
    pub capture: Capture,
    /// What happens to late money.
    pub late_money: LateMoney,
}
