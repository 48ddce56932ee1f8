//! What outside systems report.

pub(crate) mod razorpay;
pub(crate) mod signature;
