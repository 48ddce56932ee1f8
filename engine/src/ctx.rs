//! What a workflow may await. Polled by the engine; it does nothing by itself.

mod awaits;
mod desk;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub use self::awaits::{Sleep, Step, Wait, WaitFor};
pub(crate) use self::desk::{Desk, Reply, Until, Want, WantedStep, WantedWait};
use crate::activity::Activity;
use crate::workflow::{Failure, WorkflowResult};

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

/// What a workflow awaits before its pivot.
#[derive(Debug)]
pub struct Ctx(Arc<Desk>);

/// What a workflow awaits after its pivot: there is no way back, so nothing here can be undone.
#[derive(Debug)]
pub struct Forward(Arc<Desk>);

impl Ctx {
    /// Calls an activity once and for all: its recorded result is the answer on every replay.
    pub fn step<A: Activity>(&self, input: &A::Input) -> Step<A> {
        Step::new(Arc::clone(&self.0), input)
    }

    /// Calls the activity after which there is only forward.
    ///
    /// Takes the context, so that nothing behind it can ask for an undo or for making good.
    pub async fn pivot<A: Activity>(
        self,
        input: &A::Input,
    ) -> WorkflowResult<(A::Output, Forward)> {
        let mut step = Step::<A>::new(Arc::clone(&self.0), input);
        step.pivot = true;
        let output = step.await?;
        Ok((output, Forward(self.0)))
    }

    /// Waits for a signal of one kind; say how long with [`WaitFor::until`] or [`WaitFor::within`].
    pub fn signal<S: Signal>(&self) -> WaitFor<S> {
        WaitFor::new(Arc::clone(&self.0))
    }

    /// Waits for a time to pass, counted by the database; never shorter.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(Arc::clone(&self.0), Until::After(duration))
    }

    /// Waits until a time, by the database's clock; never earlier.
    pub fn sleep_until(&self, at: DateTime<Utc>) -> Sleep {
        Sleep::new(Arc::clone(&self.0), Until::At(at))
    }

    /// Ends the run by undoing what was done; `return` its answer.
    pub fn make_good<T>(&self, reason: impl Serialize) -> WorkflowResult<T> {
        match serde_json::to_value(reason) {
            Ok(reason) => Err(Failure::MadeGood(reason)),
            Err(error) => Err(Failure::Fault(format!("the reason is not JSON: {error}"))),
        }
    }

    /// The id of this run.
    pub fn run_id(&self) -> Uuid {
        self.0.run_id
    }
}

impl Forward {
    /// Calls an activity, retried until done or parked.
    pub async fn step<A: Activity>(&self, input: &A::Input) -> WorkflowResult<A::Output> {
        Step::<A>::new(Arc::clone(&self.0), input).await
    }

    /// Waits for a signal of one kind.
    pub fn signal<S: Signal>(&self) -> WaitFor<S> {
        WaitFor::new(Arc::clone(&self.0))
    }

    /// Waits for a time to pass.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(Arc::clone(&self.0), Until::After(duration))
    }
}
