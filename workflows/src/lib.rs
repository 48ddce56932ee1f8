//! Saga definitions, one file each. Start with `checkout.rs`.
//!
//! Deterministic: nothing here touches a clock, randomness, the network or the database.
//!
//! A worker learns them all at once:
//!
//! ```
//! let registry = workflows::register(makegood::Registry::new());
//! let names = registry.workflow_names();
//! assert!(["checkout", "refund"].iter().all(|name| names.contains(&(*name).to_owned())));
//! ```

mod checkout;
mod late_payment;
mod match_payouts;
mod reconcile;
mod refund;
mod refund_sweep;

pub use activities::hints::{Fact, PaymentHint};
pub use activities::orders::{
    CalledOff, CancelRequest, PAYMENT_FAILED, PlacedOrder, Reason, checkout_id,
};
pub use activities::payments::GATEWAY;
pub use activities::refunding::{RefundHint, Refunding};
pub use checkout::{Checkout, Receipt};
pub use late_payment::LatePayment;
pub use match_payouts::MatchPayouts;
pub use reconcile::{Reconcile, ReconcileRule};
pub use refund::{LateRefund, Refund};
pub use refund_sweep::{RefundSweep, Swept};

use activities::reconcile::TellCheckouts;
use makegood::{Client, Registry};

/// Adds every workflow of the shop to a worker's registry.
pub fn register(registry: Registry) -> Registry {
    registry
        .workflow::<Checkout>()
        .workflow::<LatePayment>()
        .workflow::<Refund>()
        .workflow::<LateRefund>()
        .workflow::<RefundSweep>()
        .workflow::<MatchPayouts>()
        .workflow::<Reconcile>()
}

/// Lets the reconciler of a worker tell checkouts what it found.
pub fn register_teller(registry: Registry, client: Client) -> Registry {
    registry.activity(TellCheckouts::<Checkout>::new(client))
}
