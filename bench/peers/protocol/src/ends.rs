//! Ends of workflows that run elsewhere: one look at the database for all that are awaited.
//! For engines whose own way to wait asks once for each workflow, which costs more.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

/// The pause between two looks when few are awaited.
const SHORTEST: Duration = Duration::from_millis(1);

/// Who waits for which workflow.
pub struct Ends<K> {
    awaited: Mutex<HashMap<K, oneshot::Sender<String>>>,
    wanted: Notify,
}

impl<K> Default for Ends<K> {
    fn default() -> Self {
        Self { awaited: Mutex::default(), wanted: Notify::new() }
    }
}

impl<K: Clone + Eq + Hash + Send + 'static> Ends<K> {
    /// The output of this workflow, once somebody tells it.
    pub fn of(&self, workflow: K) -> impl Future<Output = anyhow::Result<String>> + use<K> {
        let (tell, told) = oneshot::channel();
        self.awaited.lock().insert(workflow, tell);
        self.wanted.notify_one();
        async move { told.await.context("nobody looks any more") }
    }

    /// A workflow has ended, with this output.
    pub fn tell(&self, workflow: &K, output: String) {
        if let Some(tell) = self.awaited.lock().remove(workflow) {
            // Whoever waited may have lost patience.
            let _ = tell.send(output);
        }
    }

    /// Tells what `look` finds among the awaited, for ever. The pause grows with their number, so
    /// that looking stays a small part of the work.
    ///
    /// # Errors
    /// Those of `look`.
    pub async fn watch<F, L>(self: Arc<Self>, mut look: F) -> anyhow::Result<()>
    where
        F: FnMut(Vec<K>) -> L,
        L: Future<Output = anyhow::Result<Vec<(K, String)>>>,
    {
        loop {
            let awaited: Vec<K> = self.awaited.lock().keys().cloned().collect();
            if awaited.is_empty() {
                self.wanted.notified().await;
                continue;
            }
            let each = Duration::from_micros(10);
            let pause = each.saturating_mul(u32::try_from(awaited.len())?).max(SHORTEST);
            for (workflow, output) in look(awaited).await? {
                self.tell(&workflow, output);
            }
            tokio::time::sleep(pause).await;
        }
    }
}
