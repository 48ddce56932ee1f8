//! Saga definitions, one file each. Start with `checkout.rs`.
//!
//! Deterministic: nothing here touches a clock, randomness, the network or the database.
//!
//! A worker learns them all at once:
//!
//! ```
//! let registry = workflows::register(makegood::Registry::new());
//! let names = ["checkout", "late_payment", "late_refund", "refund", "refund_sweep"];
//! assert_eq!(registry.workflow_names(), names);
//! ```

mod checkout;
mod late_payment;
mod refund;
mod refund_sweep;

pub use activities::hints::{Fact, PaymentHint};
pub use activities::orders::{CancelRequest, PAYMENT_FAILED, PlacedOrder, Reason};
pub use activities::payments::GATEWAY;
pub use activities::refunding::{RefundHint, Refunding};
pub use checkout::{Checkout, Receipt};
pub use late_payment::LatePayment;
pub use refund::{LateRefund, Refund};
pub use refund_sweep::{RefundSweep, Swept};

use makegood::Registry;

/// Adds every workflow of the shop to a worker's registry.
pub fn register(registry: Registry) -> Registry {
    registry
        .workflow::<Checkout>()
        .workflow::<LatePayment>()
        .workflow::<Refund>()
        .workflow::<LateRefund>()
        .workflow::<RefundSweep>()
}
