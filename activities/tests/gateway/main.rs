//! The contract between the gateway's client and a gateway, kept over real HTTP with the sandbox.
//! Answers that no honest gateway gives are in `gateway_hostile`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod failures;
mod money;
mod orders;
mod shop;
