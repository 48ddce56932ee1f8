//! The example sagas, their happy and unhappy ways, against a real PostgreSQL and over real HTTP.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first fault")]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no outside")]

mod fan_out;
mod onboarding;
mod rules;
mod support;
mod trip;
