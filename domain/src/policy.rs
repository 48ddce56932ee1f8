//! What a tenant decides: here, what happens to money that comes too late.
//! Never the decision itself: the workflow takes it.

use crate::words::words;

words! {
    /// What to do with a capture that comes after expiry, failure or cancellation.
    #[derive(Default)]
    pub enum LateMoney("policy for late money") {
        /// Hold the stock again and fulfil; refund when there is too little.
        #[default]
        RereserveThenFulfil = "rereserve_then_fulfil",
        /// Send the money back at once.
        AlwaysRefund = "always_refund",
        /// Open an incident and let a person decide.
        ManualReview = "manual_review",
    }
}
