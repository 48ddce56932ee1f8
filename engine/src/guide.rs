//! The guide: a page for each concept, with what happens on a crash, and the pitfalls. Each example runs.
//!
//! To be read in this order by whoever writes a first saga; later, each page stands for itself.
//!
//! - In a project of your own: [begin].
//! - A saga: [steps] and [undo], the [pivot], [signals], [timers], several things [together],
//!   [children].
//! - Under load and in trouble: [batches], [retries], [cancel], [incidents], [operators].
//! - Over the years: [versions], [queues], [schedules], [retention], [deployment], [limits].
//! - And how all of it is held to its promises: [testing].
//!
//! The words are used in one meaning each. A *workflow* is a program, a *run* one execution of
//! it, a *step* one recorded call in a run, an *activity* the code that a step calls, and an
//! *attempt* one try of it. What a run has done is its *record*. To *make good* is to end a run by
//! undoing what it did.

#[doc = include_str!("guide/begin.md")]
pub mod begin {}

#[doc = include_str!("guide/steps.md")]
pub mod steps {}

#[doc = include_str!("guide/undo.md")]
pub mod undo {}

#[doc = include_str!("guide/pivot.md")]
pub mod pivot {}

#[doc = include_str!("guide/signals.md")]
pub mod signals {}

#[doc = include_str!("guide/timers.md")]
pub mod timers {}

#[doc = include_str!("guide/together.md")]
pub mod together {}

#[doc = include_str!("guide/children.md")]
pub mod children {}

#[doc = include_str!("guide/batches.md")]
pub mod batches {}

#[doc = include_str!("guide/retries.md")]
pub mod retries {}

#[doc = include_str!("guide/cancel.md")]
pub mod cancel {}

#[doc = include_str!("guide/incidents.md")]
pub mod incidents {}

#[doc = include_str!("guide/operators.md")]
pub mod operators {}

#[doc = include_str!("guide/versions.md")]
pub mod versions {}

#[doc = include_str!("guide/queues.md")]
pub mod queues {}

#[doc = include_str!("guide/schedules.md")]
pub mod schedules {}

#[doc = include_str!("guide/retention.md")]
pub mod retention {}

#[doc = include_str!("guide/deployment.md")]
pub mod deployment {}

#[doc = include_str!("guide/limits.md")]
pub mod limits {}

#[doc = include_str!("guide/testing.md")]
pub mod testing {}
