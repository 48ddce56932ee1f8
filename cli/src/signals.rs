//! When a server shall end: SIGTERM, SIGINT, or the end of the parent that started it.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::Problem;
use crate::parent;

/// The reasons to end that this process listens to.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
    parent: Option<oneshot::Receiver<()>>,
}

/// Whether the process ends with the one that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until a signal.
    Own,
    /// Until a signal, or the end of stdin.
    WithParent,
}

impl Stop {
    /// Begins to listen; from here on a signal no longer kills the process.
    pub(crate) fn listen(lifetime: Lifetime) -> Result<Self, Problem> {
        let listen =
            |kind| signal(kind).map_err(|e| Problem::new("cannot listen to signals").because(e));
        let parent = match lifetime {
            Lifetime::Own => None,
            Lifetime::WithParent => Some(parent::gone()),
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            parent,
        })
    }

    /// Resolves at the next reason to end, and says which.
    pub(crate) async fn requested(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = ended(&mut self.parent) => "the parent's end",
        }
    }

    /// Resolves at the next Ctrl-C. A parent that ends its children says the same thing several
    /// times, with SIGTERM and with its own end; only a person is in haste.
    pub(crate) async fn insisted(&mut self) {
        let _ = self.interrupt.recv().await;
    }
}

/// Resolves once, when there is a parent and it ends.
async fn ended(parent: &mut Option<oneshot::Receiver<()>>) {
    match parent {
        None => std::future::pending().await,
        Some(told) => {
            let _ = told.await;
            *parent = None;
        }
    }
}
