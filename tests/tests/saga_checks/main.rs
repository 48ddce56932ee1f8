//! The shop's sagas pass the standard checks of sagas, on each way through them.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod checkout;
mod counter;
mod late_payment;
