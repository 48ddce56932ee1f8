//! The parts of a worker, each in a task of its own: one that ends too soon is noticed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::run::panic_text;
use crate::watchdog::Watchdog;

/// Parts of a worker. One that ends before the worker drains, or panics, is the end of the worker:
/// it would do less and less, and look well.
pub(crate) struct Parts {
    tasks: JoinSet<()>,
    watchdog: Arc<Watchdog>,
    draining: watch::Receiver<bool>,
}

impl Parts {
    pub(crate) fn new(watchdog: Arc<Watchdog>, draining: watch::Receiver<bool>) -> Self {
        Self { tasks: JoinSet::new(), watchdog, draining }
    }

    /// Starts a part.
    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let (watchdog, draining) = (Arc::clone(&self.watchdog), self.draining.clone());
        self.tasks.spawn(async move {
            let why = match AssertUnwindSafe(work).catch_unwind().await {
                Err(panic) => format!("{name} panicked: {}", panic_text(&*panic)),
                Ok(()) if !*draining.borrow() => format!("{name} ended by itself"),
                Ok(()) => return,
            };
            watchdog.fail(why);
        });
    }

    /// Waits until all of them have ended.
    pub(crate) async fn all_ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What a worker fails by, if it does, when its only part does this.
    async fn failure(draining: bool, work: impl Future<Output = ()> + Send + 'static) -> String {
        let watchdog = Arc::new(Watchdog::new(Duration::from_secs(15)));
        let (_drain, draining) = watch::channel(draining);
        let mut parts = Parts::new(Arc::clone(&watchdog), draining);
        parts.spawn("the postman", work);
        parts.all_ended().await;
        watchdog.failure().unwrap_or_default()
    }

    #[tokio::test]
    async fn a_part_that_ends_by_itself_is_the_end_of_the_worker() {
        assert_eq!(failure(false, async {}).await, "the postman ended by itself");
        assert_eq!(failure(true, async {}).await, "", "it was told to");
        let panicked = failure(true, async { panic!("no stamps") }).await;
        assert_eq!(panicked, "the postman panicked: no stamps");
    }
}
