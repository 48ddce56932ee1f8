//! Durable workflows and sagas on PostgreSQL.
//!
//! A [`Workflow`] is an async function whose steps are recorded. Whatever dies, another worker
//! replays the record and goes on where the run was. What cannot be finished is undone from the
//! record, in reverse order. What neither code nor retries can decide is parked with an incident,
//! which a person resolves. PostgreSQL is all that is needed: there is no broker, no cache and no
//! leader, and a run starts in the transaction that writes the row it is about.
//!
//! # A saga
//!
//! Whoever books holds a seat for a quarter of an hour. Paid in time, it is sold; otherwise it is
//! as if nobody had asked. This example runs, like most of this documentation.
//!
//! ```
//! # mod cell { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/cell.in")); }
//! # use cell::{Booking, FreeSeat, HoldSeat, Note, SellSeat};
//! # use makegood::*;
//! # use serde::{Deserialize, Serialize};
//! # use std::time::Duration;
//! # #[derive(Serialize, Deserialize)]
//! # struct Paid;
//! # impl Signal for Paid { const KIND: &'static str = "paid"; }
//! struct Book;
//!
//! impl Workflow for Book {
//!     const NAME: &'static str = "book";
//!     type Input = Booking;
//!     type Output = i32;
//!
//!     async fn run(ctx: Ctx, booking: Booking) -> WorkflowResult<i32> {
//!         ctx.step::<HoldSeat>(&booking).undo::<FreeSeat>().await?;
//!         let quarter = Duration::from_secs(900);
//!         let Some(Paid) = ctx.signal::<Paid>().within(quarter).await? else {
//!             return ctx.make_good("nobody paid"); // frees the seat, from the record
//!         };
//!         let (_, ctx) = ctx.pivot::<SellSeat>(&booking).await?; // from here only forward
//!         ctx.step::<Note>(&format!("a ticket for {}", booking.who)).await?;
//!         Ok(booking.seat)
//!     }
//! }
//! # cell::lend(async |database, pool| {
//!
//! // A worker drives runs: here, or in any number of other processes.
//! let registry = Registry::new().workflow::<Book>();
//! let registry = registry.activity(HoldSeat).activity(FreeSeat).activity(SellSeat).activity(Note);
//! let worker = Worker::start(&database, registry, WorkerConfig::default()).await?;
//!
//! // A client starts them, signals them and reads them, in transactions of its caller's.
//! let client = Client::connect(&database).await?;
//! let mut tx = pool.begin().await?;
//! let run = client.start::<Book>(&mut tx, "booking-1", &Booking::new(7, "Ada")).await?;
//! client.signal::<Book, _>(&mut tx, "booking-1", "payment-81", &Paid).await?;
//! tx.commit().await?;
//! client.wake();
//!
//! let ending = client.ending::<Book>(run.run_id, Duration::from_secs(30)).await?;
//! assert_eq!(ending.and_then(|ending| ending.output), Some(7), "the seat is sold");
//! worker.drain().await?;
//! # Ok(())
//! # });
//! ```
//!
//! An activity is code with an effect. `HoldSeat` has its effect in the database, so that it and
//! the record of it are one transaction; one that calls a network is [`Outside`], and is recorded
//! as intended before it is tried.
//!
//! ```
//! # use makegood::{Activity, ActivityError, ActivityResult, InTransaction};
//! # use sqlx::PgConnection;
//! # #[derive(serde::Serialize, serde::Deserialize)] struct Booking { seat: i32, who: String }
//! struct HoldSeat;
//!
//! impl Activity for HoldSeat {
//!     const NAME: &'static str = "hold_seat";
//!     type Kind = InTransaction;
//!     type Input = Booking;
//!     type Output = ();
//!
//!     async fn run(&self, tx: &mut PgConnection, booking: Booking) -> ActivityResult<()> {
//!         let sql = "update seats set holder = $2 where seat = $1 and holder is null";
//!         let held = sqlx::query(sql).bind(booking.seat).bind(booking.who).execute(tx).await?;
//!         if held.rows_affected() == 0 {
//!             return Err(ActivityError::rejected("TAKEN"));
//!         }
//!         Ok(())
//!     }
//! }
//! ```
//!
//! # What is promised
//!
//! 1. A started run reaches COMPLETED, COMPENSATED, CLOSED or an open incident; nothing else is an
//!    end.
//! 2. An [`InTransaction`] or [`InBatch`] activity's effect happens exactly once. An [`Outside`]
//!    activity is attempted at least once; its effect is as unique as the other side makes its
//!    idempotency key, or as its [`resolve`](Activity::resolve) finds.
//! 3. An acknowledged start, signal or cancel survives the crash of any of our processes and of
//!    PostgreSQL (`synchronous_commit` on).
//! 4. At most one worker's writes are accepted for a run at any time.
//! 5. No timer fires early.
//! 6. Compensations run in reverse order, each until done or parked.
//! 7. No operator action goes unrecorded.
//!
//! Effects outside the database that happen exactly once are not promised, by nobody: a request
//! may take effect and its answer be lost. Nor that a saga hides its middle: others see a seat
//! that is held.
//!
//! # Where to read on
//!
//! - The [`guide`]: a page for each concept, with what happens on a crash, and the pitfalls. Begin
//!   with [a project of your own](guide::begin).
//! - What one writes: [`Workflow`], [`Ctx`], [`Activity`], [`Signal`].
//! - What one calls: [`Client`] and [`Operator`], [`inspect`] to read.
//! - What one runs: [`Worker`], with a [`Registry`] and a [`WorkerConfig`].
//! - How a saga is held to its promises: the feature `testkit`, described in
//!   [testing](guide::testing).
//! - The code, for whoever changes it: `workflow` and `activity` (what one writes), `turn` (how a
//!   run is driven), `commit` (what one commit carries), `claim` and `lease` (who may drive it),
//!   `store` (the SQL).
//!
//! The crate knows no trade: orders and payments live in the crates that use it.

mod act;
mod action;
pub mod activity;
mod attributes;
mod batch;
pub mod bulk;
mod children;
mod claim;
mod client;
mod clock;
mod commit;
mod compensate;
mod config;
mod ctx;
mod database_words;
mod error;
mod fault;
mod flight;
pub mod guide;
mod incident;
mod journal;
mod lane;
mod late;
mod lease;
mod life;
#[cfg(feature = "microbench")]
#[doc(hidden)]
pub mod microbench;
mod next;
mod note;
pub mod operator;
mod parts;
mod queue;
mod reach;
mod registry;
mod replay_check;
mod retention;
mod retry;
mod run;
mod run_filter;
mod runtime;
mod schedule;
mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod transaction;
mod turn;
mod wake;
mod watchdog;
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
pub use database_words::database_words;
pub use error::Error;
pub use incident::IncidentClass;
pub use lane::{Priority, StartOptions};
pub use note::note;
pub use operator::{
    Carried, Change, Cut, Foreseen, GivenUndo, Limit, Operator, Refusal, RunState, Setting, StepId,
    StuckAt, Verb, VerbKind,
};
pub use registry::Registry;
pub use replay_check::{Misfit, ReplayCheck, replay_check};
pub use retention::Retention;
pub use retry::RetryPolicy;
pub use run_filter::{FilterError, Order, RunFilter, Shown, Term, What, When};
pub use runtime::Worker;
pub use schedule::{CatchUp, Kept, Overlap, Schedule, ScheduleView, Scheduled};
pub use store::inspect;
pub use workflow::{
    Cause, Closing, Failure, Late, LateSignal, MadeGood, Rejection, Undone, Workflow,
    WorkflowResult,
};

#[cfg(test)]
extern crate self as makegood;
#[cfg(test)]
mod simulation;
