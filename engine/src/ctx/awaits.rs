//! The futures that a workflow awaits: a step, a wait, a timer. Each asks the desk once.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use super::Signal;
use super::desk::{Desk, Reply, Until, Want, WantedStep, WantedWait};
use crate::activity::{Activity, Undoes};
use crate::journal::{Payload, Recorded, RowKind, TakenSignal};
use crate::workflow::{Failure, Rejection, WorkflowResult};

/// A call of an activity; await it.
#[must_use = "a step does nothing unless it is awaited"]
#[derive(Debug)]
pub struct Step<A: Activity> {
    desk: Arc<Desk>,
    input: Option<Result<Payload, String>>,
    undo: Option<&'static str>,
    pub(super) pivot: bool,
    activity: PhantomData<fn() -> A>,
}

impl<A: Activity> Step<A> {
    pub(super) fn new(desk: Arc<Desk>, input: &A::Input) -> Self {
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
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, signal: PhantomData }
    }

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
    pub(super) fn new(desk: Arc<Desk>, until: Until) -> Self {
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
