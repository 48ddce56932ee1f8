//! The futures that a workflow awaits: a step, a wait, a timer. Each asks the desk once.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::to_raw_value;

use super::desk::{Asking, Desk, Key, Reply, Takes, Until, Want, WantedStep, WantedWait};
use super::{Before, Signal};
use crate::activity::{Activity, Undoes};
use crate::journal::Payload;
use crate::workflow::{Failure, WorkflowResult};

/// One want of the program: asked at the first poll, heard at a later one.
#[derive(Debug)]
pub(super) struct Ask {
    desk: Arc<Desk>,
    key: Key,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Asked,
    Heard,
}

impl Ask {
    /// Numbered when it is made, so that the order of the program decides, not that of polls.
    pub(super) fn new(desk: Arc<Desk>, name: &'static str) -> Self {
        let key = desk.number(name);
        Self { desk, key, stage: Stage::New }
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }

    pub(super) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Asks for `want` when it is new; the answer once it is there.
    pub(super) fn poll(
        &mut self,
        of: Asking,
        waker: &Waker,
        want: impl FnOnce(Key) -> Want,
    ) -> Poll<Reply> {
        match self.stage {
            Stage::New => {
                self.stage = Stage::Asked;
                self.desk.ask(self.key, of, want(self.key), waker);
                Poll::Pending
            }
            Stage::Asked => match self.desk.fetch(self.key, waker) {
                Some(reply) => {
                    self.stage = Stage::Heard;
                    Poll::Ready(reply)
                }
                None => Poll::Pending,
            },
            Stage::Heard => Poll::Pending,
        }
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        if self.stage == Stage::Asked {
            self.desk.unheard(self.key);
        }
    }
}

/// A call of an activity; await it.
///
/// Once it was polled it will be done, even if nobody awaits it to its end.
///
/// ```
/// # use makegood::{Activity, Ctx, Undoes, WorkflowResult};
/// # async fn run<Hold: Activity<Input = i32>, Free: Activity<Input = Undoes<Hold>>>(ctx: Ctx) -> WorkflowResult<()> {
/// let hold = ctx.step::<Hold>(&7).undo::<Free>(); // a `Step`: nothing has happened yet
/// hold.await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a step does nothing unless it is awaited"]
#[derive(Debug)]
pub struct Step<A: Activity, S = Before> {
    ask: Ask,
    input: Option<Result<Payload, String>>,
    undo: Option<&'static str>,
    pub(super) pivot: bool,
    of: PhantomData<fn() -> (A, S)>,
}

impl<A: Activity, S> Step<A, S> {
    pub(super) fn new(desk: &Arc<Desk>, input: &A::Input) -> Self {
        let input = encode(&format!("the input of {}", A::NAME), input, desk.payload_limit);
        let ask = Ask::new(Arc::clone(desk), A::NAME);
        Self { ask, input: Some(input), undo: None, pivot: false, of: PhantomData }
    }
}

impl<A: Activity> Step<A, Before> {
    /// If the run is made good, `U` undoes this step. Stored with the step's input in the log.
    ///
    /// ```
    /// # use makegood::{Activity, Ctx, Undoes, WorkflowResult};
    /// # async fn run<Hold: Activity<Input = i32>, Free: Activity<Input = Undoes<Hold>>>(ctx: Ctx) -> WorkflowResult<()> {
    /// ctx.step::<Hold>(&7).undo::<Free>().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn undo<U: Activity<Input = Undoes<A>>>(mut self) -> Self {
        self.undo = Some(U::NAME);
        self
    }
}

impl<A: Activity, S> Future for Step<A, S> {
    type Output = WorkflowResult<A::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (undo, pivot) = (this.undo, this.pivot);
        let input = match this.input.take() {
            Some(Err(fault)) => return Poll::Ready(Err(Failure::Fault(fault))),
            Some(Ok(input)) => Some(input),
            None => None,
        };
        let want = |key| {
            let input = input.unwrap_or_else(crate::run::null);
            Want::Step(WantedStep { key, input, undo, pivot })
        };
        this.ask.poll(Asking::Step, context.waker(), want).map(|reply| match reply {
            Reply::Done(result) => decode(A::NAME, &result),
            Reply::Rejected(rejection) => Err(rejection.into()),
            Reply::Message(_) | Reply::Elapsed => Err(misfit(A::NAME)),
        })
    }
}

/// A wait for a signal that still needs its deadline: a wait without one could be for ever.
///
/// ```
/// use makegood::{Ctx, Signal, Wait};
///
/// /// The same deadline for every kind of signal.
/// fn soon<S: Signal>(ctx: &Ctx) -> Wait<S> {
///     ctx.signal::<S>().within(std::time::Duration::from_secs(60))
/// }
/// ```
#[must_use = "a wait does nothing until it has a deadline and is awaited"]
#[derive(Debug)]
pub struct WaitFor<S: Signal> {
    ask: Ask,
    signal: PhantomData<fn() -> S>,
}

impl<S: Signal> WaitFor<S> {
    pub(super) fn new(desk: &Arc<Desk>) -> Self {
        Self { ask: Ask::new(Arc::clone(desk), S::KIND), signal: PhantomData }
    }

    /// Until a time, by the database's clock. `None` when it passes without a signal.
    ///
    /// ```
    /// # use makegood::{Ctx, Signal, WorkflowResult};
    /// # async fn run<Answer: Signal>(ctx: Ctx, deadline: chrono::DateTime<chrono::Utc>) -> WorkflowResult<Option<Answer>> {
    /// let answer = ctx.signal::<Answer>().until(deadline).await?;
    /// # Ok(answer)
    /// # }
    /// ```
    pub fn until(self, deadline: DateTime<Utc>) -> Wait<S> {
        Wait { ask: self.ask, until: Until::At(deadline), signal: PhantomData }
    }

    /// For a time, counted by the database. `None` when it passes without a signal.
    ///
    /// ```
    /// # use makegood::{Ctx, Signal, WorkflowResult};
    /// # async fn run<Answer: Signal>(ctx: Ctx) -> WorkflowResult<Option<Answer>> {
    /// let answer = ctx.signal::<Answer>().within(std::time::Duration::from_secs(60)).await?;
    /// # Ok(answer)
    /// # }
    /// ```
    pub fn within(self, duration: Duration) -> Wait<S> {
        Wait { ask: self.ask, until: Until::After(duration), signal: PhantomData }
    }
}

/// A wait for a signal, with its deadline; await it. Dropped, it waits no longer.
///
/// ```
/// # use makegood::{Ctx, First, Signal, WorkflowResult};
/// # async fn run<Yes: Signal, No: Signal>(ctx: Ctx) -> WorkflowResult<bool> {
/// let minute = std::time::Duration::from_secs(60);
/// let (yes, no) = (ctx.signal::<Yes>().within(minute), ctx.signal::<No>().within(minute));
/// let first = ctx.first(yes, no).await;
/// # Ok(matches!(first, First::Left(Ok(Some(_)))))
/// # }
/// ```
#[must_use = "a wait does nothing unless it is awaited"]
#[derive(Debug)]
pub struct Wait<S: Signal> {
    ask: Ask,
    until: Until,
    signal: PhantomData<fn() -> S>,
}

impl<S: Signal> Future for Wait<S> {
    type Output = WorkflowResult<Option<S>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let until = this.until;
        let want = |key| Want::Wait(WantedWait { key, takes: Takes::Signal(S::KIND), until });
        this.ask.poll(Asking::Signal, context.waker(), want).map(|reply| match reply {
            Reply::Message(payload) => decode(S::KIND, &payload).map(Some),
            Reply::Elapsed => Ok(None),
            Reply::Done(_) | Reply::Rejected(_) => Err(misfit(S::KIND)),
        })
    }
}

/// The name under which timers are recorded.
const SLEEP: &str = "sleep";

/// A timer; await it. Dropped, it is forgotten.
///
/// ```
/// # use makegood::{Ctx, WorkflowResult};
/// # async fn run(ctx: Ctx) -> WorkflowResult<()> {
/// let alarm = ctx.sleep(std::time::Duration::from_secs(60)); // counted from its first poll's commit
/// alarm.await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a timer does nothing unless it is awaited"]
#[derive(Debug)]
pub struct Sleep {
    ask: Ask,
    until: Until,
}

impl Sleep {
    pub(super) fn new(desk: &Arc<Desk>, until: Until) -> Self {
        Self { ask: Ask::new(Arc::clone(desk), SLEEP), until }
    }
}

impl Future for Sleep {
    type Output = WorkflowResult<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let until = this.until;
        let want = |key| Want::Wait(WantedWait { key, takes: Takes::Nothing, until });
        this.ask.poll(Asking::Timer, context.waker(), want).map(|reply| match reply {
            Reply::Elapsed => Ok(()),
            Reply::Done(_) | Reply::Rejected(_) | Reply::Message(_) => Err(misfit(SLEEP)),
        })
    }
}

pub(super) fn encode(what: &str, value: &impl Serialize, limit: usize) -> Result<Payload, String> {
    let payload = to_raw_value(value).map_err(|e| format!("{what} is not JSON: {e}"))?;
    let size = payload.get().len();
    if size > limit {
        return Err(format!("{what} has {size} bytes, the limit is {limit}"));
    }
    Ok(payload)
}

pub(super) fn decode<T: DeserializeOwned>(name: &str, payload: &Payload) -> WorkflowResult<T> {
    serde_json::from_str(payload.get())
        .map_err(|e| Failure::Fault(format!("the record of {name} cannot be read: {e}")))
}

pub(super) fn misfit(name: &str) -> Failure {
    Failure::Fault(format!("the record of {name} is of another kind"))
}
