//! Durable workflows and sagas on PostgreSQL.
//!
//! A [`Workflow`] is an async function whose steps are recorded. Whatever dies, another worker
//! replays the record and goes on; what cannot be finished is undone from the record, in reverse
//! order; what neither code can decide is parked with an incident that a person resolves.
//!
//! The reading path: [`workflow`] (what one writes), [`activity`] (code with an effect),
//! `turn` (how a run is driven), `commit` (what one commit carries), `claim` and `lease`
//! (who may drive it), `store` (the SQL). The crate knows no trade: orders and payments live in
//! the crates that use it.

mod act;
mod action;
pub mod activity;
mod attributes;
mod batch;
pub mod bulk;
mod children;
mod claim;
mod client;
mod commit;
mod compensate;
mod config;
mod ctx;
mod error;
mod fault;
mod flight;
mod incident;
mod journal;
mod lane;
mod late;
mod lease;
mod life;
pub mod operator;
mod queue;
mod reach;
mod registry;
mod replay_check;
mod retention;
mod retry;
mod run;
mod runtime;
mod schedule;
mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod transaction;
mod turn;
mod wake;
pub mod workflow;
mod write;

pub use activity::{
    Activity, ActivityError, ActivityResult, Attempt, InBatch, InTransaction, Outside, ReadOnly,
    Resolution, Undoes,
};
pub use attributes::Attributes;
pub use client::{Cancellation, Client, Delivery, Ending, QueueLimits, QueueStatus, Rate, Started};
pub use config::{Database, WorkerConfig};
pub use ctx::{
    Before, Behind, CHILD_NOT_COMPLETED, Child, Ctx, First, Forward, Signal, Sleep, Step, Wait,
    WaitFor,
};
pub use error::Error;
pub use incident::IncidentClass;
pub use lane::{Priority, StartOptions};
pub use operator::{Carried, Cut, GivenUndo, Operator, Refusal, RunState, StepId, Verb, VerbKind};
pub use registry::Registry;
pub use replay_check::{Misfit, ReplayCheck, replay_check};
pub use retention::Retention;
pub use retry::RetryPolicy;
pub use runtime::Worker;
pub use schedule::{CatchUp, Kept, Overlap, Schedule, ScheduleView, Scheduled};
pub use store::inspect;
pub use workflow::{
    Cause, Closing, Failure, Late, LateSignal, MadeGood, Rejection, Undone, Workflow,
    WorkflowResult,
};
