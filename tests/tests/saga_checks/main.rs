//! The shop's sagas pass the standard checks of sagas, on each way through them.

mod checkout;
mod counter;
mod coverage;
mod late_payment;
mod nightly;
mod payouts;
mod reconcile;
mod refund;
