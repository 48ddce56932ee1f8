//! Notices that a worker cannot do its work any longer: a part of it has ended by itself, or a
//! statement is never answered. It mends nothing: whoever runs the process starts another.
//!
//! A database host that vanishes leaves connections behind on which nobody ever answers, and a
//! statement must not be dropped half-way. So a worker could wait for ever with all its runs,
//! while its lease is renewed on a connection to the next host.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// More than anything waits for a connection, and then for locks.
const LEAST_PATIENCE: Duration = Duration::from_secs(20);

/// What is under way, and why the worker is at its end, if it is.
#[derive(Debug)]
pub(crate) struct Watchdog {
    patience: Duration,
    under_way: Mutex<UnderWay>,
    failure: watch::Sender<Option<String>>,
}

#[derive(Debug, Default)]
struct UnderWay {
    next: u64,
    begun: BTreeMap<u64, (&'static str, Instant)>,
}

/// Something that must come to its end; it has when this is dropped.
pub(crate) struct Begun<'a> {
    number: u64,
    watchdog: &'a Watchdog,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.watchdog.under_way.lock().begun.remove(&self.number);
    }
}

impl Watchdog {
    /// Of a worker with this lease: it waits two of them, since by then everything that the worker
    /// held could be another's.
    pub(crate) fn new(lease: Duration) -> Self {
        let patience = lease.saturating_mul(2).max(LEAST_PATIENCE);
        Self { patience, under_way: Mutex::default(), failure: watch::Sender::new(None) }
    }

    /// Something begins that the server answers soon, whatever it answers.
    pub(crate) fn begin(&self, what: &'static str) -> Begun<'_> {
        let mut under_way = self.under_way.lock();
        let number = under_way.next;
        under_way.next = number.wrapping_add(1);
        under_way.begun.insert(number, (what, Instant::now()));
        drop(under_way);
        Begun { number, watchdog: self }
    }

    /// The worker is at its end; the first reason counts.
    pub(crate) fn fail(&self, why: String) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(why);
            first
        });
    }

    /// Why the worker is at its end, if it is.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    /// Waits until the worker is at its end, and says why.
    pub(crate) fn failed(&self) -> impl Future<Output = String> + Send + use<> {
        let mut failure = self.failure.subscribe();
        async move {
            match failure.wait_for(Option::is_some).await.map(|why| why.clone()) {
                Ok(Some(why)) => why,
                // The worker is gone, in order.
                Ok(None) | Err(_) => std::future::pending().await,
            }
        }
    }

    /// Looks for what takes too long until the worker fails, and says why it does.
    pub(crate) async fn watch(&self) -> String {
        let mut looks = tokio::time::interval(self.patience / 8);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = std::pin::pin!(self.failed());
        let mut overdue = None;
        loop {
            tokio::select! {
                why = &mut failed => return why,
                _ = looks.tick() => overdue = self.look(overdue),
            }
        }
    }

    /// What is overdue. It is a failure at the second look: the process itself may have been
    /// frozen before the first, and the answer be there.
    fn look(&self, seen: Option<u64>) -> Option<u64> {
        let oldest = self.under_way.lock().begun.first_key_value().map(|(at, begun)| (*at, *begun));
        let (number, (what, begun)) = oldest?;
        if begun.elapsed() <= self.patience {
            return None;
        }
        if seen == Some(number) {
            let secs = begun.elapsed().as_secs();
            self.fail(format!("the database has not answered {what} for {secs} s"));
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_counts() {
        let watchdog = Watchdog::new(Duration::from_secs(15));
        watchdog.fail("no stamps".to_owned());
        watchdog.fail("no letters".to_owned());
        assert_eq!(watchdog.watch().await, "no stamps");
    }

    #[test]
    fn what_comes_to_its_end_is_no_failure_and_what_does_not_is() {
        let watchdog = Watchdog { patience: Duration::ZERO, ..Watchdog::new(Duration::ZERO) };
        drop(watchdog.begin("a question"));
        assert_eq!(watchdog.look(None), None, "it was answered");
        let late = watchdog.begin("a flush");
        let seen = watchdog.look(None);
        drop(late);
        let _asked = watchdog.begin("a commit");
        let seen = watchdog.look(seen);
        assert_eq!(watchdog.failure(), None, "the answer was there, and the next is another");
        watchdog.look(seen);
        assert!(watchdog.failure().expect("a failure").contains("not answered a commit"));
    }
}
