//! The queue as an apalis backend: the runtime sees a stream of claimed runs.
//!
//! Claim, lease and acknowledgement are the engine's: a run's handler returns when its last turn
//! is committed, so there is nothing left to acknowledge.

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::layers::Identity;
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::{RandomId, TaskId};
use apalis_core::worker::context::WorkerContext;
use tokio::sync::mpsc;

use crate::run::Run;

/// Claimed runs on their way to their handlers.
pub(crate) struct RunQueue {
    runs: mpsc::UnboundedReceiver<Run>,
    number: AtomicU64,
}

impl RunQueue {
    pub(crate) fn new(runs: mpsc::UnboundedReceiver<Run>) -> Self {
        Self { runs, number: AtomicU64::new(0) }
    }
}

impl Backend for RunQueue {
    type Task = Task<Run>;
    type Error = std::io::Error;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Self::Error>>> {
        self.runs.poll_recv(cx).map(|run| {
            run.map(|run| {
                // The runtime's tracing layer needs an id; this one names the claim, not the run.
                let number = self.number.fetch_add(1, Ordering::Relaxed);
                Ok(TaskBuilder::new(run).task_id(TaskId::from_int(number)).build())
            })
        })
    }

    /// Drops what was claimed and not started: the worker gives it back when it resigns.
    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Self::Error>> {
        self.runs.close();
        while self.runs.try_recv().is_ok() {}
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for RunQueue {
    type Args = Run;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
