//! The sandbox's background work: late payments, delayed calls, webhooks. All of it ends with the sandbox.

use std::sync::{Mutex, PoisonError};

use tokio::{sync::watch, task::JoinSet};

/// Owns every background task and tells them when to end.
#[derive(Debug)]
pub(crate) struct Tasks {
    running: Mutex<JoinSet<()>>,
    stopping: watch::Receiver<bool>,
}

impl Tasks {
    /// Tasks that end once `stopping` says so, or its sender is gone.
    pub(crate) fn new(stopping: watch::Receiver<bool>) -> Self {
        Self { running: Mutex::default(), stopping }
    }

    /// Runs `work` beside the calls, until it is done or the sandbox stops.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stopped = self.stopped();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn(async move {
            tokio::select! {
                () = work => {}
                () = stopped => {}
            }
        });
    }

    /// Resolves when the sandbox stops.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping.clone();
        async move {
            // An error means the sandbox was dropped, which is a stop too.
            let _ = stopping.wait_for(|stop| *stop).await;
        }
    }

    /// Ends everything and waits for it.
    pub(crate) async fn shutdown(&self) {
        let mut running = {
            let mut guard = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *guard)
        };
        running.shutdown().await;
    }
}
