//! What outside systems report: taken in, kept, and passed on by its kind.
//!
//! [`razorpay`] is the door: it checks the signature and keeps the event. [`kinds`] says which file
//! passes which event on: one file for each family. [`early`] tries again what came too soon.

pub(crate) mod early;
pub(crate) mod event;
mod kinds;
mod payments;
pub(crate) mod razorpay;
mod refunds;
pub(crate) mod signature;
