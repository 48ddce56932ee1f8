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
pub(crate) use self::child::{ChildEnd, ChildId, child_workflow_id};
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
///
/// ```
/// use makegood::{Before, Ctx};
///
/// /// Only before the pivot: `Ctx` alone says the same.
/// fn may_be_undone(_: &Ctx<Before>) {}
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Before;

/// A workflow behind its pivot: there is only forward.
///
/// ```
/// use makegood::{Behind, Ctx};
///
/// /// Only behind the pivot: `Forward` says the same.
/// fn must_go_on(_: &Ctx<Behind>) {}
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Behind;

/// What a workflow awaits. `Ctx<Behind>`, or [`Forward`], is what is left of it after the pivot:
/// nothing there can be undone or made good.
///
/// ```
/// use makegood::{Activity, Ctx, WorkflowResult};
///
/// /// A part of a saga may be a function, for either side of the pivot.
/// async fn tell<S, Note>(ctx: &Ctx<S>, people: &[String]) -> WorkflowResult<()>
/// where
///     Note: Activity<Input = String, Output = ()>,
/// {
///     for person in people {
///         ctx.step::<Note>(person).await?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Ctx<S = Before> {
    desk: Arc<Desk>,
    stage: PhantomData<fn() -> S>,
}

/// What a workflow awaits after its pivot.
///
/// ```
/// use makegood::{Activity, Forward, WorkflowResult};
///
/// /// The part of a saga behind its pivot.
/// async fn deliver<Send>(ctx: Forward, parcel: String) -> WorkflowResult<()>
/// where
///     Send: Activity<Input = String, Output = ()>,
/// {
///     ctx.step::<Send>(&parcel).await
/// }
/// ```
pub type Forward = Ctx<Behind>;

impl<S> Ctx<S> {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, stage: PhantomData }
    }

    /// Calls an activity once and for all: its recorded result is the answer on every replay.
    /// Behind the pivot it is retried until done or parked: a refusal there parks the run before
    /// the program sees it, and a retry tries the step again.
    ///
    /// ```
    /// # use makegood::{Activity, Ctx, WorkflowResult};
    /// # async fn run<Charge: Activity<Input = i64, Output = String>>(ctx: Ctx) -> WorkflowResult<String> {
    /// let payment = ctx.step::<Charge>(&100).await?; // the same on every replay
    /// # Ok(payment)
    /// # }
    /// ```
    pub fn step<A: Activity>(&self, input: &A::Input) -> Step<A, S> {
        Step::new(&self.desk, input)
    }

    /// Waits for a signal of one kind; say how long with [`WaitFor::until`] or [`WaitFor::within`].
    ///
    /// ```
    /// # use makegood::{Ctx, Signal, WorkflowResult};
    /// # use std::time::Duration;
    /// # async fn run<Paid: Signal>(ctx: Ctx) -> WorkflowResult<Paid> {
    /// let hour = Duration::from_secs(3_600);
    /// match ctx.signal::<Paid>().within(hour).await? {
    ///     Some(paid) => Ok(paid),
    ///     None => ctx.make_good("nobody paid"),
    /// }
    /// # }
    /// ```
    pub fn signal<M: Signal>(&self) -> WaitFor<M> {
        WaitFor::new(&self.desk)
    }

    /// Waits for a time to pass, counted by the database; never shorter.
    ///
    /// ```
    /// # use makegood::{Ctx, WorkflowResult};
    /// # async fn run(ctx: Ctx) -> WorkflowResult<()> {
    /// ctx.sleep(std::time::Duration::from_secs(60)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(&self.desk, Until::After(duration))
    }

    /// Waits until a time, by the database's clock; never earlier.
    ///
    /// ```
    /// # use makegood::{Ctx, WorkflowResult};
    /// # async fn run(ctx: Ctx, show_begins: chrono::DateTime<chrono::Utc>) -> WorkflowResult<()> {
    /// ctx.sleep_until(show_begins).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sleep_until(&self, at: DateTime<Utc>) -> Sleep {
        Sleep::new(&self.desk, Until::At(at))
    }

    /// Starts a run of another workflow and awaits its output.
    ///
    /// If this run is made good while the child lives, the child is cancelled, and undone before
    /// the steps that came before it.
    ///
    /// ```
    /// # use makegood::{Ctx, Workflow, WorkflowResult};
    /// # async fn run<Parcel: Workflow<Input = String, Output = String>>(ctx: Ctx) -> WorkflowResult<String> {
    /// let tracking = ctx.child::<Parcel>(&"a book".to_owned()).await?;
    /// # Ok(tracking)
    /// # }
    /// ```
    pub fn child<W: Workflow>(&self, input: &W::Input) -> Child<W> {
        Child::new(&self.desk, input)
    }

    /// The workflow id that the next child of `W` will have, for whoever must know it beforehand.
    ///
    /// ```
    /// # use makegood::{Activity, Ctx, Workflow, WorkflowResult};
    /// # async fn run<Note: Activity<Input = String>, Parcel: Workflow<Input = String>>(ctx: Ctx) -> WorkflowResult<()> {
    /// ctx.step::<Note>(&ctx.next_child_id::<Parcel>()).await?;
    /// ctx.child::<Parcel>(&"a book".to_owned()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_child_id<W: Workflow>(&self) -> String {
        child_workflow_id(self.desk.run_id, W::NAME, self.desk.next_number(W::NAME))
    }

    /// Starts a run of another workflow that goes its own way, and answers with its id.
    ///
    /// ```
    /// # use makegood::{Ctx, Workflow, WorkflowResult};
    /// # async fn run<Survey: Workflow<Input = String>>(ctx: Ctx) -> WorkflowResult<()> {
    /// let run_id = ctx.spawn::<Survey>(&"how was it?".to_owned())?;
    /// # let _ = run_id;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the input cannot be recorded: the run is parked.
    pub fn spawn<W: Workflow>(&self, input: &W::Input) -> WorkflowResult<Uuid> {
        child::spawn::<W>(&self.desk, input)
    }

    /// The database's time, recorded: the same on each replay.
    ///
    /// ```
    /// # use makegood::{Ctx, WorkflowResult};
    /// # async fn run(ctx: Ctx) -> WorkflowResult<()> {
    /// let tomorrow = ctx.now() + chrono::TimeDelta::days(1);
    /// ctx.sleep_until(tomorrow).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn now(&self) -> DateTime<Utc> {
        self.desk.now()
    }

    /// A new id, made of this run's and of how often it was asked: the same on each replay.
    ///
    /// ```
    /// # use makegood::{Ctx, WorkflowResult};
    /// # async fn run(ctx: Ctx) -> WorkflowResult<()> {
    /// let (order_id, parcel_id) = (ctx.uuid(), ctx.uuid()); // two ids, the same two on each replay
    /// # let _ = (order_id, parcel_id);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use makegood::{Activity, Ctx, WorkflowResult};
    /// # async fn run<Send: Activity<Input = String, Output = ()>>(ctx: Ctx, parcels: Vec<String>) -> WorkflowResult<()> {
    /// for (sent, parcel) in parcels.iter().enumerate() {
    ///     ctx.step::<Send>(parcel).await?;
    ///     ctx.publish("parcels left", &(parcels.len() - sent - 1));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish(&self, key: &str, value: &impl Serialize) {
        match awaits::encode(&format!("the published {key}"), value, self.desk.payload_limit) {
            Ok(value) => self.desk.publish(key, value),
            Err(fault) => self.desk.fault(fault),
        }
    }

    /// The id of this run.
    ///
    /// ```
    /// # use makegood::{Ctx, WorkflowResult};
    /// # async fn run(ctx: Ctx) -> WorkflowResult<()> {
    /// ctx.publish("link", &format!("/console/runs/{}", ctx.run_id()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_id(&self) -> Uuid {
        self.desk.run_id
    }
}

impl Ctx<Before> {
    /// Calls the activity after which there is only forward.
    ///
    /// Takes the context, so that nothing behind it can ask for an undo or for making good. It
    /// waits until every step that was asked for is done.
    ///
    /// ```
    /// # use makegood::{Activity, Ctx, WorkflowResult};
    /// # async fn run<Settle: Activity<Input = i64, Output = String>, Announce: Activity<Input = String>>(ctx: Ctx) -> WorkflowResult<()> {
    /// let (receipt, ctx) = ctx.pivot::<Settle>(&100).await?;
    /// ctx.step::<Announce>(&receipt).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Failure::Rejected`] when it is refused: pass it on, and the run is made good.
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
    ///
    /// ```
    /// # use makegood::{Ctx, WorkflowResult};
    /// # async fn run(ctx: Ctx, guests: u32) -> WorkflowResult<()> {
    /// if guests == 0 {
    ///     return ctx.make_good("nobody comes"); // any value that serializes
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Always: the failure that the workflow answers with.
    pub fn make_good<T>(&self, reason: impl Serialize) -> WorkflowResult<T> {
        match serde_json::to_value(reason) {
            Ok(reason) => Err(Failure::MadeGood(reason)),
            Err(error) => Err(Failure::Fault(format!("the reason is not JSON: {error}"))),
        }
    }
}
