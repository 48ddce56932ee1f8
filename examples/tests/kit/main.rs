//! The example sagas pass the engine's standard checks: whatever is refused, lost or killed on the
//! way, they come to their end or leave a clean slate.
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod fan_out;
mod nightly;
mod onboarding;
mod trip;
mod world;
