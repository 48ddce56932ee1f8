//! The public routes, one file for each resource. They validate, run one transaction, and answer.

pub(crate) mod auth;
pub(crate) mod cancel;
pub(crate) mod cart;
pub(crate) mod orders;
pub(crate) mod payment;
pub(crate) mod payments;
pub(crate) mod products;
pub(crate) mod reconciliations;
pub(crate) mod refunds;
pub(crate) mod retry;
pub(crate) mod stream;
mod view;
