//! The load: starts workflows as an order says, and times each to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::order::{Load, Order};
use crate::report::{Report, micros};
use crate::serve::Peer;
use crate::work::Work;

/// A workflow that has not ended by then never will.
const PATIENCE: Duration = Duration::from_mins(1);

/// A peer under load.
pub(crate) struct Bench<P> {
    peer: P,
    /// Makes ids that no other program of this machine has made.
    epoch_ms: u128,
    started: AtomicU64,
}

#[derive(Default)]
struct Tally {
    took_us: Mutex<Vec<u64>>,
    errors: Mutex<Vec<String>>,
    in_time: AtomicU64,
}

impl<P: Peer> Bench<P> {
    pub(crate) fn new(peer: P) -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { peer, epoch_ms: epoch.as_millis(), started: AtomicU64::new(0) }
    }

    pub(crate) async fn run(self: &Arc<Self>, order: Order) -> Report {
        let tally = Arc::new(Tally::default());
        let begun = Instant::now();
        let until = begun.checked_add(order.time).unwrap_or(begun);
        let mut tasks = JoinSet::new();
        match order.load {
            Load::Closed(in_flight) => {
                for _ in 0..in_flight {
                    let (bench, tally) = (Arc::clone(self), Arc::clone(&tally));
                    tasks.spawn(async move {
                        while Instant::now() < until {
                            bench.one(order.work, Instant::now(), until, &tally).await;
                        }
                    });
                }
            }
            Load::Open(per_s) => {
                let mut moments = moments(begun, until, per_s);
                while let Some(meant) = moments.recv().await {
                    let (bench, tally) = (Arc::clone(self), Arc::clone(&tally));
                    tasks.spawn(async move { bench.one(order.work, meant, until, &tally).await });
                }
            }
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(panic) = ended {
                tally.errors.lock().push(panic.to_string());
            }
        }
        let took_us = std::mem::take(&mut *tally.took_us.lock());
        let errors = std::mem::take(&mut *tally.errors.lock());
        Report::of(order.time, tally.in_time.load(Ordering::Relaxed), took_us, &errors)
    }

    async fn one(&self, work: Work, meant: Instant, until: Instant, tally: &Tally) {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let id = format!("w{}-{number:08}", self.epoch_ms);
        let output = match tokio::time::timeout(PATIENCE, self.peer.one(work, &id)).await {
            Ok(Ok(output)) if output == id => {
                tally.took_us.lock().push(micros(meant.elapsed()));
                if Instant::now() <= until {
                    tally.in_time.fetch_add(1, Ordering::Relaxed);
                }
                return;
            }
            Ok(Ok(output)) => format!("the output of {id} is {output:?}"),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("{id} has not ended in {PATIENCE:?}"),
        };
        tally.errors.lock().push(output);
    }
}

/// When workflows are meant to start, each told at its time by a thread of its own: the runtime's
/// timers are a millisecond wide, which is a third of what is measured.
fn moments(begun: Instant, until: Instant, per_s: u32) -> mpsc::UnboundedReceiver<Instant> {
    let (tell, told) = mpsc::unbounded_channel();
    let gap = Duration::from_secs(1).checked_div(per_s).unwrap_or(Duration::MAX);
    std::thread::spawn(move || {
        let mut next = Some(begun);
        while let Some(meant) = next.filter(|meant| *meant < until) {
            std::thread::sleep(meant.saturating_duration_since(Instant::now()));
            if tell.send(meant).is_err() {
                return;
            }
            next = meant.checked_add(gap);
        }
    });
    told
}
