//! Children: runs that a run starts with its own commit, awaited or on their own.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use uuid::Uuid;

use super::awaits::{Ask, decode, encode, misfit};
use super::desk::{Asking, Desk, Given, Key, NewChild, Reply, Takes, Until, Want, WantedWait};
use crate::journal::{Payload, RowKind};
use crate::operator::RunState;
use crate::workflow::{Failure, Rejection, Workflow, WorkflowResult};

/// The code of the [`Rejection`] that a parent gets when its child did not complete.
pub const CHILD_NOT_COMPLETED: &str = "CHILD_NOT_COMPLETED";

/// How often a parent looks up from waiting for a child; the child's end wakes it at once.
const LOOK_UP: Duration = Duration::from_hours(1);

/// A child's id, as the parent records it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ChildId {
    pub(crate) run_id: Uuid,
}

/// The workflow id of a child: its parent's run, its workflow, and which child of it this is.
pub(crate) fn child_workflow_id(parent: Uuid, workflow: &str, occurrence: i32) -> String {
    format!("{parent}:{workflow}:{occurrence}")
}

/// How a child ended, as it tells its parent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChildEnd {
    pub(crate) state: String,
    pub(crate) output: Option<Payload>,
    pub(crate) cause: Option<Payload>,
}

impl ChildEnd {
    pub(crate) fn is_completed(&self) -> bool {
        self.output.is_some() || self.state == RunState::Completed.as_str()
    }
}

/// A child whose end is awaited.
///
/// Its output is the answer. If it did not complete, the answer is a [`Rejection`] with the code
/// [`CHILD_NOT_COMPLETED`]: passed on with `?`, it makes the parent good.
///
/// ```
/// # use makegood::{Ctx, Workflow, WorkflowResult};
/// # async fn run<Parcel: Workflow<Input = String, Output = String>>(ctx: Ctx, goods: Vec<String>) -> WorkflowResult<Vec<String>> {
/// let parcels = goods.iter().map(|good| ctx.child::<Parcel>(good));
/// let tracking = ctx.all(parcels).await?;
/// # Ok(tracking)
/// # }
/// ```
#[must_use = "a child is started when it is awaited"]
#[derive(Debug)]
pub struct Child<W: Workflow> {
    ask: Ask,
    input: Option<Result<Payload, String>>,
    workflow: PhantomData<fn() -> W>,
}

impl<W: Workflow> Child<W> {
    pub(super) fn new(desk: &Arc<Desk>, input: &W::Input) -> Self {
        let input = encode(&format!("the input of {}", W::NAME), input, desk.payload_limit);
        let ask = Ask::new(Arc::clone(desk), W::NAME);
        Self { ask, input: Some(input), workflow: PhantomData }
    }
}

impl<W: Workflow> Future for Child<W> {
    type Output = WorkflowResult<W::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut child = None;
        match this.input.take() {
            Some(Ok(input)) => {
                let desk = Arc::clone(this.ask.desk());
                match started::<W>(&desk, this.ask.key(), input, false) {
                    Ok(run_id) => child = Some(run_id),
                    Err(failure) => return Poll::Ready(Err(failure)),
                }
            }
            Some(Err(fault)) => return Poll::Ready(Err(Failure::Fault(fault))),
            None => {}
        }
        let want = |key| {
            let takes = Takes::Child(child.unwrap_or_default());
            Want::Wait(WantedWait { key, takes, until: Until::After(LOOK_UP) })
        };
        this.ask.poll(Asking::Child, context.waker(), want).map(|reply| match reply {
            Reply::Message(end) => ended::<W>(decode(W::NAME, &end)?),
            Reply::Done(given) => decode(W::NAME, &given),
            Reply::Rejected(_) | Reply::Elapsed => Err(misfit(W::NAME)),
        })
    }
}

fn ended<W: Workflow>(end: ChildEnd) -> WorkflowResult<W::Output> {
    match end.output {
        Some(output) => decode(W::NAME, &output),
        // A null comes as nothing; it is an output like any other.
        None if end.is_completed() => decode(W::NAME, &crate::run::null()),
        None => {
            let cause = end.cause.map_or_else(String::new, |cause| format!(": {}", cause.get()));
            Err(Failure::Rejected(Rejection {
                step: W::NAME.to_owned(),
                code: CHILD_NOT_COMPLETED.to_owned(),
                message: format!("it ended {}{cause}", end.state),
            }))
        }
    }
}

/// Starts a child that nobody awaits.
pub(super) fn spawn<W: Workflow>(desk: &Arc<Desk>, input: &W::Input) -> WorkflowResult<Uuid> {
    let input = encode(&format!("the input of {}", W::NAME), input, desk.payload_limit)
        .map_err(Failure::Fault)?;
    let key = desk.number(W::NAME);
    started::<W>(desk, key, input, true)
}

fn started<W: Workflow>(
    desk: &Desk,
    key: Key,
    input: Payload,
    detached: bool,
) -> WorkflowResult<Uuid> {
    let recorded = desk.give(RowKind::Started, key, || {
        let run_id = Uuid::now_v7();
        let result = to_raw_value(&ChildId { run_id }).unwrap_or_else(|_| crate::run::null());
        let child = NewChild { run_id, version: W::VERSION, input, detached };
        Given { kind: RowKind::Started, key, result, child: Some(child) }
    });
    decode::<ChildId>(W::NAME, &recorded).map(|child| child.run_id)
}
