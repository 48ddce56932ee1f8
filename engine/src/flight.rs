//! The calls of one run that are under way. They go on while its driver awaits something else.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use crate::act::{Acted, act};
use crate::action::{Call, Hold, Tries};
use crate::incident::NewIncident;
use crate::runtime::Engine;

/// A call and what came of it.
type Landed = (Call, Acted);

/// The calls of one run that are under way.
#[derive(Default)]
pub(crate) struct Flight {
    calls: FuturesUnordered<BoxFuture<'static, Landed>>,
    landed: VecDeque<Landed>,
}

impl Flight {
    /// Makes a call. A panic beside its attempt, such as of its policy, is that call's alone: those
    /// of the run's other calls that are under way go on.
    pub(crate) fn launch(
        &mut self,
        engine: Arc<Engine>,
        hold: Hold,
        call: Call,
        tries: Option<Tries>,
    ) {
        self.calls.push(Box::pin(async move {
            let acted = AssertUnwindSafe(act(&engine, hold, &call, tries)).catch_unwind().await;
            let acted = acted
                .unwrap_or_else(|panic| Acted::Stuck(NewIncident::of_panic(&*panic).at(&call)));
            (call, acted)
        }));
    }

    /// The next answer; `None` when no call is under way.
    pub(crate) async fn next(&mut self) -> Option<Landed> {
        match self.landed.pop_front() {
            Some(landed) => Some(landed),
            None => self.calls.next().await,
        }
    }

    /// The next answer, if one comes in time.
    pub(crate) async fn next_within(&mut self, pause: Duration) -> Option<Landed> {
        tokio::time::timeout(pause, self.next()).await.ok().flatten()
    }

    /// Awaits something else while the calls go on.
    pub(crate) async fn alongside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(landed) = self.calls.next(), if !self.calls.is_empty() => {
                    self.landed.push_back(landed);
                }
            }
        }
    }

    /// Awaits all calls; nobody needs their answers.
    pub(crate) async fn land_all(&mut self) {
        while self.next().await.is_some() {}
    }
}
