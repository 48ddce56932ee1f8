//! What a workflow may await. Polled by the engine; it does nothing by itself.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::activity::{Activity, Undoes};
use crate::journal::{Payload, Recorded, RowKind, TakenSignal};
use crate::workflow::{Failure, Rejection, WorkflowResult};

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

/// Where the program leaves what it wants and finds what it got.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) run_id: Uuid,
    pub(crate) payload_limit: usize,
    state: Mutex<DeskState>,
}

#[derive(Debug, Default)]
struct DeskState {
    recorded: Vec<Recorded>,
    counts: Vec<(&'static str, i32)>,
    wants: Vec<Want>,
    reply: Option<Reply>,
}

/// What a program asks for.
#[derive(Debug)]
pub(crate) enum Want {
    /// A step.
    Step(WantedStep),
    /// A signal, or the passing of time.
    Wait(WantedWait),
    /// Program and record do not fit together.
    Fault(String),
}

/// A step that is not recorded yet.
#[derive(Debug)]
pub(crate) struct WantedStep {
    pub(crate) name: &'static str,
    pub(crate) occurrence: i32,
    pub(crate) input: Payload,
    pub(crate) undo: Option<&'static str>,
    pub(crate) pivot: bool,
}

/// A wait that is not recorded yet. Without a kind of signal it is a timer.
#[derive(Debug, Clone)]
pub(crate) struct WantedWait {
    pub(crate) name: &'static str,
    pub(crate) occurrence: i32,
    pub(crate) kind: Option<&'static str>,
    pub(crate) until: Until,
}

/// When a wait is over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// At a time.
    At(DateTime<Utc>),
    /// After a time, counted by the database from the wait's commit.
    After(Duration),
}

/// The answer to a want.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A step's result.
    Done(Payload),
    /// A step's refusal.
    Rejected(Rejection),
    /// The payload of a signal.
    Signal(Payload),
    /// The time has come.
    Elapsed,
}

impl Desk {
    pub(crate) fn new(run_id: Uuid, payload_limit: usize, recorded: Vec<Recorded>) -> Arc<Self> {
        let state = DeskState { recorded, ..DeskState::default() };
        Arc::new(Self { run_id, payload_limit, state: Mutex::new(state) })
    }

    pub(crate) fn ctx(self: &Arc<Self>) -> Ctx {
        Ctx(Arc::clone(self))
    }

    pub(crate) fn take_wants(&self) -> Vec<Want> {
        std::mem::take(&mut self.state.lock().wants)
    }

    pub(crate) fn reply(&self, reply: Reply) {
        self.state.lock().reply = Some(reply);
    }

    /// The first recorded answer that nobody asked for.
    pub(crate) fn unasked(&self) -> Option<String> {
        let state = self.state.lock();
        state.recorded.first().map(|r| format!("{}#{}", r.name, r.occurrence))
    }

    fn fault(&self, fault: String) {
        self.state.lock().wants.push(Want::Fault(fault));
    }

    /// The recorded answer to this want, or which occurrence it is.
    fn recall(&self, name: &'static str) -> Result<Recorded, i32> {
        let mut state = self.state.lock();
        let occurrence = match state.counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => {
                *count = count.saturating_add(1);
                *count
            }
            None => {
                state.counts.push((name, 0));
                0
            }
        };
        let found =
            state.recorded.iter().position(|r| r.name == name && r.occurrence == occurrence);
        match found {
            Some(index) => Ok(state.recorded.remove(index)),
            None => Err(occurrence),
        }
    }

    fn want(&self, want: Want) {
        self.state.lock().wants.push(want);
    }

    fn take_reply(&self) -> Option<Reply> {
        self.state.lock().reply.take()
    }
}

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
        WaitFor { desk: Arc::clone(&self.0), signal: PhantomData }
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
        WaitFor { desk: Arc::clone(&self.0), signal: PhantomData }
    }

    /// Waits for a time to pass.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(Arc::clone(&self.0), Until::After(duration))
    }
}

/// A call of an activity; await it.
#[must_use = "a step does nothing unless it is awaited"]
#[derive(Debug)]
pub struct Step<A: Activity> {
    desk: Arc<Desk>,
    input: Option<Result<Payload, String>>,
    undo: Option<&'static str>,
    pivot: bool,
    activity: PhantomData<fn() -> A>,
}

impl<A: Activity> Step<A> {
    fn new(desk: Arc<Desk>, input: &A::Input) -> Self {
        let input = encode(A::NAME, input, desk.payload_limit);
        Self { desk, input: Some(input), undo: None, pivot: false, activity: PhantomData }
    }

    /// If the run is made good, `U` undoes this step. Stored with the step's input in the log.
    pub fn undo<U: Activity<Input = Undoes<A>>>(mut self) -> Self {
        self.undo = Some(U::NAME);
        self
    }
}

impl<A: Activity> Future for Step<A> {
    type Output = WorkflowResult<A::Output>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(input) = this.input.take() else {
            return match this.desk.take_reply() {
                Some(Reply::Done(result)) => Poll::Ready(decode(A::NAME, &result)),
                Some(Reply::Rejected(rejection)) => Poll::Ready(Err(rejection.into())),
                Some(Reply::Signal(_) | Reply::Elapsed) | None => Poll::Pending,
            };
        };
        let input = match input {
            Ok(input) => input,
            Err(fault) => return Poll::Ready(Err(Failure::Fault(fault))),
        };
        match this.desk.recall(A::NAME) {
            Ok(recorded) => recalled_step::<A>(&this.desk, &recorded),
            Err(occurrence) => {
                let (undo, pivot) = (this.undo, this.pivot);
                let want = WantedStep { name: A::NAME, occurrence, input, undo, pivot };
                this.desk.want(Want::Step(want));
                Poll::Pending
            }
        }
    }
}

fn recalled_step<A: Activity>(desk: &Desk, recorded: &Recorded) -> Poll<WorkflowResult<A::Output>> {
    let null = RawValue::NULL.to_owned();
    let result = recorded.result.as_ref().unwrap_or(&null);
    match recorded.kind {
        RowKind::Done => Poll::Ready(decode(A::NAME, result)),
        RowKind::Rejected => Poll::Ready(match decode::<Rejection>(A::NAME, result) {
            Ok(rejection) => Err(rejection.into()),
            Err(fault) => Err(fault),
        }),
        kind => {
            desk.fault(format!("step {} is recorded as {}", A::NAME, kind.as_str()));
            Poll::Pending
        }
    }
}

/// A wait for a signal that still needs its deadline: a wait without one could be for ever.
#[must_use = "a wait does nothing until it has a deadline and is awaited"]
#[derive(Debug)]
pub struct WaitFor<S: Signal> {
    desk: Arc<Desk>,
    signal: PhantomData<fn() -> S>,
}

impl<S: Signal> WaitFor<S> {
    /// Until a time, by the database's clock. `None` when it passes without a signal.
    pub fn until(self, deadline: DateTime<Utc>) -> Wait<S> {
        Wait { desk: self.desk, until: Some(Until::At(deadline)), signal: PhantomData }
    }

    /// For a time, counted by the database. `None` when it passes without a signal.
    pub fn within(self, duration: Duration) -> Wait<S> {
        Wait { desk: self.desk, until: Some(Until::After(duration)), signal: PhantomData }
    }
}

/// A wait for a signal, with its deadline; await it.
#[must_use = "a wait does nothing unless it is awaited"]
#[derive(Debug)]
pub struct Wait<S: Signal> {
    desk: Arc<Desk>,
    until: Option<Until>,
    signal: PhantomData<fn() -> S>,
}

impl<S: Signal> Future for Wait<S> {
    type Output = WorkflowResult<Option<S>>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(until) = this.until.take() else {
            return match this.desk.take_reply() {
                Some(Reply::Signal(payload)) => Poll::Ready(decode(S::KIND, &payload).map(Some)),
                Some(Reply::Elapsed) => Poll::Ready(Ok(None)),
                Some(Reply::Done(_) | Reply::Rejected(_)) | None => Poll::Pending,
            };
        };
        match this.desk.recall(S::KIND) {
            Ok(Recorded { kind: RowKind::Timeout, .. }) => Poll::Ready(Ok(None)),
            Ok(Recorded { kind: RowKind::Signal, result: Some(result), .. }) => Poll::Ready(
                decode::<TakenSignal>(S::KIND, &result)
                    .and_then(|taken| decode(S::KIND, &taken.payload))
                    .map(Some),
            ),
            Ok(recorded) => {
                let kind = recorded.kind.as_str();
                this.desk.fault(format!("the wait for {} is recorded as {kind}", S::KIND));
                Poll::Pending
            }
            Err(occurrence) => {
                let kind = Some(S::KIND);
                let want = WantedWait { name: S::KIND, occurrence, kind, until };
                this.desk.want(Want::Wait(want));
                Poll::Pending
            }
        }
    }
}

/// The name under which timers are recorded.
const SLEEP: &str = "sleep";

/// A timer; await it.
#[must_use = "a timer does nothing unless it is awaited"]
#[derive(Debug)]
pub struct Sleep {
    desk: Arc<Desk>,
    until: Option<Until>,
}

impl Sleep {
    fn new(desk: Arc<Desk>, until: Until) -> Self {
        Self { desk, until: Some(until) }
    }
}

impl Future for Sleep {
    type Output = WorkflowResult<()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(until) = this.until.take() else {
            return match this.desk.take_reply() {
                Some(Reply::Elapsed) => Poll::Ready(Ok(())),
                Some(_) | None => Poll::Pending,
            };
        };
        match this.desk.recall(SLEEP) {
            Ok(Recorded { kind: RowKind::Slept, .. }) => Poll::Ready(Ok(())),
            Ok(recorded) => {
                this.desk.fault(format!("a timer is recorded as {}", recorded.kind.as_str()));
                Poll::Pending
            }
            Err(occurrence) => {
                this.desk.want(Want::Wait(WantedWait {
                    name: SLEEP,
                    occurrence,
                    kind: None,
                    until,
                }));
                Poll::Pending
            }
        }
    }
}

fn encode(name: &str, value: &impl Serialize, limit: usize) -> Result<Payload, String> {
    let payload =
        to_raw_value(value).map_err(|e| format!("the input of {name} is not JSON: {e}"))?;
    let size = payload.get().len();
    if size > limit {
        return Err(format!("the input of {name} has {size} bytes, the limit is {limit}"));
    }
    Ok(payload)
}

fn decode<T: DeserializeOwned>(name: &str, payload: &Payload) -> WorkflowResult<T> {
    serde_json::from_str(payload.get())
        .map_err(|e| Failure::Fault(format!("the record of {name} cannot be read: {e}")))
}
