//! Saga definitions, one file each. Start with `checkout.rs`.
//!
//! Deterministic: nothing here touches a clock, randomness, the network or the database.
//!
//! A worker learns them all at once:
//!
//! ```
//! let registry = workflows::register(makegood::Registry::new());
//! assert_eq!(registry.workflow_names(), ["checkout", "late_payment"]);
//! ```

mod checkout;
mod late_payment;

pub use activities::hints::{Fact, PaymentHint};
pub use activities::orders::{CancelRequest, PlacedOrder, Reason};
pub use activities::payments::GATEWAY;
pub use checkout::{Checkout, Receipt};
pub use late_payment::LatePayment;

use makegood::Registry;

/// Adds every workflow of the shop to a worker's registry.
pub fn register(registry: Registry) -> Registry {
    registry.workflow::<Checkout>().workflow::<LatePayment>()
}
