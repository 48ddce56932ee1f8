//! Who waits for which run to end. One task asks the database for all of them: when a worker hints
//! that some have ended, and now and then by itself, since a hint may be lost.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::store::together::{self, Ended};
use crate::wake::{self, Hints};

/// Waits taken in at once.
const BATCH: usize = 1_024;

/// The first pause between two looks at a run, while hints come and while none do; and the longest.
const HINTED_PAUSE: Duration = Duration::from_millis(50);
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Hints come when one came this long ago.
const HINTS_COME: Duration = Duration::from_secs(1);

/// How often workers are told that somebody waits. They hint for twice as long.
const REMIND: Duration = Duration::from_secs(5);

/// The way to the task that waits.
#[derive(Debug)]
pub(super) struct Endings {
    asked: mpsc::UnboundedSender<Asked>,
}

struct Asked {
    run_id: Uuid,
    waiter: Waiter,
}

/// A caller, and how long it waits; without an end when the clock cannot say it.
#[derive(Debug)]
struct Waiter {
    until: Option<Instant>,
    answer: oneshot::Sender<Result<Option<Ended>, sqlx::Error>>,
}

impl Endings {
    /// Starts the task; it listens once somebody waits, and ends when the client is gone.
    pub(super) fn new(pool: PgPool, hints: Hints, cell: &str) -> Self {
        let (asked, asks) = mpsc::unbounded_channel();
        let (hinted, heard) = mpsc::unbounded_channel();
        let watch = Watch {
            pool,
            hints,
            channel: wake::ends_channel(cell),
            asks,
            hinted: Some(hinted),
            heard,
            awaited: HashMap::new(),
            reminded: None,
            hinted_at: None,
        };
        tokio::spawn(watch.work());
        Self { asked }
    }

    /// How the run ended, looking at least once; `None` when it still lives at the limit.
    pub(super) async fn of(
        &self,
        run_id: Uuid,
        limit: Duration,
    ) -> Result<Option<Ended>, sqlx::Error> {
        let (answer, answered) = oneshot::channel();
        let waiter = Waiter { until: Instant::now().checked_add(limit), answer };
        let gone = || sqlx::Error::WorkerCrashed;
        self.asked.send(Asked { run_id, waiter }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// A run whose end is awaited.
struct Awaited {
    waiters: Vec<Waiter>,
    look_at: Instant,
    pause: Duration,
}

impl Awaited {
    fn next(&self) -> Instant {
        let ends = self.waiters.iter().filter_map(|waiter| waiter.until);
        ends.fold(self.look_at, Instant::min)
    }
}

struct Watch {
    pool: PgPool,
    hints: Hints,
    channel: String,
    asks: mpsc::UnboundedReceiver<Asked>,
    /// Given to the listener once there is one.
    hinted: Option<mpsc::UnboundedSender<Vec<Uuid>>>,
    heard: mpsc::UnboundedReceiver<Vec<Uuid>>,
    awaited: HashMap<Uuid, Awaited>,
    reminded: Option<Instant>,
    hinted_at: Option<Instant>,
}

impl Watch {
    async fn work(mut self) {
        let (mut asks, mut heard) = (Vec::new(), Vec::new());
        loop {
            let next = self.awaited.values().map(Awaited::next).min();
            let pause = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let mut looked_at = Vec::new();
            tokio::select! {
                count = self.asks.recv_many(&mut asks, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.take_in(asks.drain(..));
                }
                count = self.heard.recv_many(&mut heard, BATCH), if self.hinted.is_none() => {
                    if count > 0 {
                        self.hinted_at = Some(Instant::now());
                    }
                    let ours = |run_id: &Uuid| self.awaited.contains_key(run_id);
                    looked_at.extend(heard.drain(..).flatten().filter(ours));
                }
                () = pause => {}
            }
            let now = Instant::now();
            let due = self.awaited.iter_mut().filter(|(_, awaited)| awaited.next() <= now);
            looked_at.extend(due.map(|(run_id, awaited)| {
                awaited.look_at = now + awaited.pause;
                awaited.pause = awaited.pause.saturating_mul(2).min(LONGEST_PAUSE);
                *run_id
            }));
            if !looked_at.is_empty() {
                self.look(&looked_at).await;
                self.let_go(now);
            }
            self.remind();
        }
    }

    fn take_in(&mut self, asks: impl Iterator<Item = Asked>) {
        let now = Instant::now();
        let hinted = self.hinted_at.is_some_and(|at| now - at < HINTS_COME);
        let pause = if hinted { HINTED_PAUSE } else { FIRST_PAUSE };
        for Asked { run_id, waiter } in asks {
            let new = || Awaited { waiters: Vec::new(), look_at: now, pause };
            let awaited = self.awaited.entry(run_id).or_insert_with(new);
            awaited.look_at = now;
            awaited.waiters.push(waiter);
        }
        if let Some(hinted) = self.hinted.take() {
            tokio::spawn(wake::listen_for_ends(self.pool.clone(), self.channel.clone(), hinted));
        }
    }

    /// Tells the workers that somebody waits.
    fn remind(&mut self) {
        let now = Instant::now();
        if !self.awaited.is_empty() && self.reminded.is_none_or(|at| now - at >= REMIND) {
            self.reminded = Some(now);
            self.hints.want_ends();
        }
    }

    /// Looks whether these have ended, and tells those who wait.
    async fn look(&mut self, run_ids: &[Uuid]) {
        match together::ended(&self.pool, run_ids).await {
            Ok(ended) => {
                for end in ended {
                    self.tell(end.run_id, || Ok(Some(end.clone())));
                }
            }
            Err(error) => {
                for run_id in run_ids {
                    self.tell(*run_id, || Err(sqlx::Error::Protocol(error.to_string())));
                }
            }
        }
    }

    fn tell(&mut self, run_id: Uuid, said: impl Fn() -> Result<Option<Ended>, sqlx::Error>) {
        let awaited = self.awaited.remove(&run_id);
        for waiter in awaited.into_iter().flat_map(|awaited| awaited.waiters) {
            let _ = waiter.answer.send(said());
        }
    }

    /// Tells those whose time was over before the last look, and forgets those who have gone.
    fn let_go(&mut self, looked_at: Instant) {
        self.awaited.retain(|_, awaited| {
            let is_over =
                |waiter: &mut Waiter| waiter.until.is_some_and(|until| until <= looked_at);
            for waiter in awaited.waiters.extract_if(.., is_over) {
                let _ = waiter.answer.send(Ok(None));
            }
            awaited.waiters.retain(|waiter| !waiter.answer.is_closed());
            !awaited.waiters.is_empty()
        });
    }
}
