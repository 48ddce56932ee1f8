//! What a workflow may await. Polled by the engine; it does nothing by itself.

mod awaits;
mod child;
mod desk;
mod together;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub use self::awaits::{Sleep, Step, Wait, WaitFor};
pub use self::child::{CHILD_NOT_COMPLETED, Child};
pub(crate) use self::child::{ChildEnd, ChildId};
pub(crate) use self::desk::{
    Desk, Given, NewChild, Next, Reply, Takes, Until, Want, WantedStep, WantedWait,
};
pub use self::together::First;
use crate::activity::Activity;
use crate::workflow::{Failure, Workflow, WorkflowResult};

/// A message that a run can wait for.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Approved { by: String }
///
/// impl makegood::Signal for Approved {
///     const KIND: &'static str = "approved";
/// }
/// ```
pub trait Signal: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name under which it is stored.
    const KIND: &'static str;
}

/// A workflow before its pivot: what it did can be undone.
#[derive(Debug, Clone, Copy)]
pub struct Before;

/// A workflow behind its pivot: there is only forward.
#[derive(Debug, Clone, Copy)]
pub struct Behind;

/// What a workflow awaits. `Ctx<Behind>`, or [`Forward`], is what is left of it after the pivot:
/// nothing there can be undone or made good.
#[derive(Debug)]
pub struct Ctx<S = Before> {
    desk: Arc<Desk>,
    stage: PhantomData<fn() -> S>,
}

/// What a workflow awaits after its pivot.
pub type Forward = Ctx<Behind>;

impl<S> Ctx<S> {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, stage: PhantomData }
    }

    /// Calls an activity once and for all: its recorded result is the answer on every replay.
    /// Behind the pivot it is retried until done or parked: a refusal there parks the run before
    /// the program sees it, and a retry tries the step again.
    pub fn step<A: Activity>(&self, input: &A::Input) -> Step<A, S> {
        Step::new(&self.desk, input)
    }

    /// Waits for a signal of one kind; say how long with [`WaitFor::until`] or [`WaitFor::within`].
    pub fn signal<M: Signal>(&self) -> WaitFor<M> {
        WaitFor::new(&self.desk)
    }

    /// Waits for a time to pass, counted by the database; never shorter.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(&self.desk, Until::After(duration))
    }

    /// Waits until a time, by the database's clock; never earlier.
    pub fn sleep_until(&self, at: DateTime<Utc>) -> Sleep {
        Sleep::new(&self.desk, Until::At(at))
    }

    /// Starts a run of another workflow and awaits its output.
    ///
    /// If this run is made good while the child lives, the child is cancelled, and undone before
    /// the steps that came before it.
    pub fn child<W: Workflow>(&self, input: &W::Input) -> Child<W> {
        Child::new(&self.desk, input)
    }

    /// Starts a run of another workflow that goes its own way, and answers with its id.
    ///
    /// # Errors
    /// When the input cannot be recorded: the run is parked.
    pub fn spawn<W: Workflow>(&self, input: &W::Input) -> WorkflowResult<Uuid> {
        child::spawn::<W>(&self.desk, input)
    }

    /// The database's time, recorded: the same on each replay.
    pub fn now(&self) -> DateTime<Utc> {
        self.desk.now()
    }

    /// A new id, made of this run's and of how often it was asked: the same on each replay.
    pub fn uuid(&self) -> Uuid {
        let (name, number) = self.desk.number("uuid");
        Uuid::new_v5(&self.desk.run_id, format!("{name}#{number}").as_bytes())
    }

    /// Which version of a change this run goes by: `newest` if it comes here for the first time,
    /// what it said then on a replay, and 0 if the run came past before the change was made.
    ///
    /// ```
    /// # use makegood::{Ctx, WorkflowResult};
    /// async fn run(ctx: Ctx, cart: String) -> WorkflowResult<String> {
    ///     if ctx.version("greet_by_name", 1) >= 1 {
    ///         return Ok(format!("hello, {cart}"));
    ///     }
    ///     Ok("hello".to_owned()) // what runs from before the change go on to say
    /// }
    /// ```
    pub fn version(&self, change: &'static str, newest: i32) -> i32 {
        self.desk.version(change, newest)
    }

    /// Shows a value under a key to [`crate::Client::published`], from the next commit on.
    ///
    /// A value that cannot be recorded parks the run.
    pub fn publish(&self, key: &str, value: &impl Serialize) {
        match awaits::encode(&format!("the published {key}"), value, self.desk.payload_limit) {
            Ok(value) => self.desk.publish(key, value),
            Err(fault) => self.desk.fault(fault),
        }
    }

    /// The id of this run.
    pub fn run_id(&self) -> Uuid {
        self.desk.run_id
    }
}

impl Ctx<Before> {
    /// Calls the activity after which there is only forward.
    ///
    /// Takes the context, so that nothing behind it can ask for an undo or for making good. It
    /// waits until every step that was asked for is done.
    pub async fn pivot<A: Activity>(
        self,
        input: &A::Input,
    ) -> WorkflowResult<(A::Output, Forward)> {
        let mut step = Step::<A>::new(&self.desk, input);
        step.pivot = true;
        let output = step.await?;
        Ok((output, Ctx::new(self.desk)))
    }

    /// Ends the run by undoing what was done; `return` its answer.
    pub fn make_good<T>(&self, reason: impl Serialize) -> WorkflowResult<T> {
        match serde_json::to_value(reason) {
            Ok(reason) => Err(Failure::MadeGood(reason)),
            Err(error) => Err(Failure::Fault(format!("the reason is not JSON: {error}"))),
        }
    }
}
