//! A worker's right to write: its incarnation, kept alive, retired, and taken over from the dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use parking_lot::RwLock;
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::WorkerConfig;
use crate::note::{DRAINING, notes};
use crate::store::workers::Newcomer;
use crate::store::{tasks, workers};
use crate::watchdog::Watchdog;

/// The pause after a failure.
const SOON: Duration = Duration::from_millis(100);

/// The incarnation under which this worker may write, if it has one.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: PgPool,
    who: Newcomer,
    length: Duration,
    current: RwLock<Option<Held>>,
    retire: Notify,
    draining: AtomicBool,
    clock: Clock,
    watchdog: Arc<Watchdog>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    incarnation: Uuid,
    /// Counted from before the renewal was sent, so never longer than the database counts.
    valid_until: Instant,
}

impl Lease {
    /// Registers the first incarnation. The pool is the keeper's own: a renewal never queues
    /// behind work.
    pub(crate) async fn register(pool: PgPool, config: &WorkerConfig) -> Result<Self, sqlx::Error> {
        let length = config.lease;
        let about = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "in_flight": config.in_flight,
            "queues": config.queues,
        });
        let (name, host) = (config.name.clone(), hostname());
        let lease = Self {
            pool,
            who: Newcomer { name, host, about: about.to_string() },
            length,
            current: RwLock::new(None),
            retire: Notify::new(),
            draining: AtomicBool::new(false),
            clock: Clock::default(),
            watchdog: Arc::new(Watchdog::new(length)),
        };
        lease.renew_or_replace(None).await?;
        Ok(lease)
    }

    /// The incarnation to claim under; `None` while there is none that may still act.
    pub(crate) fn current(&self) -> Option<Uuid> {
        let held = (*self.current.read())?;
        (Instant::now() < held.valid_until).then_some(held.incarnation)
    }

    /// Whether work claimed under `incarnation` is still this worker's, as far as it can know.
    pub(crate) fn is_ours(&self, incarnation: Uuid) -> bool {
        self.current() == Some(incarnation)
    }

    /// Gives up an incarnation whose last write has an unknown outcome: nothing more is written
    /// under it, and what it held is claimed again.
    pub(crate) fn lose(&self, incarnation: Uuid) {
        let mut current = self.current.write();
        if let Some(held) = current.as_mut().filter(|held| held.incarnation == incarnation) {
            held.valid_until = Instant::now();
            self.retire.notify_one();
        }
    }

    /// Lets everybody see that its worker takes nothing new, at once and until it is over.
    pub(crate) fn tell_that_it_drains(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.retire.notify_one();
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn watchdog(&self) -> &Arc<Watchdog> {
        &self.watchdog
    }

    /// Renews and replaces until the worker is over. Ends only between two renewals, so that none of
    /// its transactions is dropped half-way.
    pub(crate) async fn keep(&self, mut over: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(self.length / 3);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.retire.notified() => {}
                _ = over.wait_for(|over| *over) => return,
            }
            if let Err(error) = self.tick().await {
                tracing::warn!(%error, "the lease could not be renewed; trying again");
                tokio::time::sleep(SOON).await;
                self.retire.notify_one();
            }
        }
    }

    async fn tick(&self) -> Result<(), sqlx::Error> {
        if self.watchdog.failure().is_some() {
            return Ok(());
        }
        let _begun = self.watchdog.begin("the renewal of its lease");
        let held = *self.current.read();
        match held {
            Some(held) if Instant::now() < held.valid_until => {
                self.renew_or_replace(Some(held.incarnation)).await
            }
            // Its last write may or may not have happened, or it could not be renewed in time.
            Some(held) => self.replace(held.incarnation).await,
            None => self.renew_or_replace(None).await,
        }
    }

    /// Takes over from the dead until the worker is over. Apart from the renewals, which wait for
    /// nobody.
    pub(crate) async fn reap(&self, mut over: watch::Receiver<bool>) {
        loop {
            let pause = match self.take_over().await {
                Ok(()) => self.length / 3,
                Err(error) => {
                    tracing::warn!(%error, "nothing could be taken over; trying again");
                    SOON
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = over.wait_for(|over| *over) => return,
            }
        }
    }

    async fn renew_or_replace(&self, incarnation: Option<Uuid>) -> Result<(), sqlx::Error> {
        let asked = Instant::now();
        if let Some(incarnation) = incarnation {
            let drains = self.draining.load(Ordering::Relaxed);
            let notes = notes(drains.then_some((DRAINING, "takes nothing new")));
            if let Some(now) = workers::renew(&self.pool, incarnation, self.length, notes).await? {
                if self.extend(incarnation, asked, now) {
                    return Ok(());
                }
                // Meanwhile its runs were dropped from memory: only a new incarnation frees them.
                return self.replace(incarnation).await;
            }
            metrics::counter!("makegood_leases_lost_total").increment(1);
            tracing::warn!(worker.incarnation = %incarnation, "declared dead; coming back anew");
        }
        let mut conn = self.pool.acquire().await?;
        let fresh = Uuid::now_v7();
        let now = workers::register(&mut conn, fresh, &self.who, self.length).await?;
        self.hold(fresh, asked, now);
        Ok(())
    }

    /// Buries the old incarnation and registers a new one in one transaction.
    async fn replace(&self, old: Uuid) -> Result<(), sqlx::Error> {
        let asked = Instant::now();
        let fresh = Uuid::now_v7();
        let mut tx = self.pool.begin().await?;
        workers::lock(&mut tx, old).await?;
        workers::bury(&mut tx, &[old]).await?;
        let freed = tasks::free_all(&mut tx, &[old], false).await?;
        let now = workers::register(&mut tx, fresh, &self.who, self.length).await?;
        tx.commit().await?;
        metrics::counter!("makegood_leases_lost_total").increment(1);
        tracing::warn!(
            worker.incarnation = %fresh, worker.previous = %old, runs.freed = freed,
            "retired an incarnation whose last write is in doubt",
        );
        self.hold(fresh, asked, now);
        Ok(())
    }

    /// Frees the runs of workers whose lease has run out, and those that were locked when their
    /// worker was buried.
    async fn take_over(&self) -> Result<(), sqlx::Error> {
        // A worker whose own lease is over sees to that first.
        if self.current().is_none() || !workers::any_to_take_over(&self.pool).await? {
            return Ok(());
        }
        let mut tx = self.pool.begin().await?;
        let dead = workers::lock_expired(&mut tx).await?;
        workers::bury(&mut tx, &dead).await?;
        let freed = tasks::free_all(&mut tx, &dead, true).await?;
        let freed = freed.saturating_add(tasks::free_left(&mut tx).await?);
        tx.commit().await?;
        if dead.is_empty() && freed == 0 {
            return Ok(());
        }
        metrics::counter!("makegood_runs_taken_over_total").increment(freed);
        tracing::warn!(workers.dead = dead.len(), runs.freed = freed, "took over from the dead");
        workers::forget_old(&self.pool).await.map(|_| ())
    }

    /// Gives everything back at once: the last thing that a draining worker does.
    pub(crate) async fn resign(&self) -> Result<u64, sqlx::Error> {
        let held = self.current.write().take();
        let Some(held) = held else { return Ok(0) };
        let mut tx = self.pool.begin().await?;
        workers::lock(&mut tx, held.incarnation).await?;
        workers::bury(&mut tx, &[held.incarnation]).await?;
        let freed = tasks::free_all(&mut tx, &[held.incarnation], false).await?;
        tx.commit().await?;
        Ok(freed)
    }

    /// Watches over the worker. When it can do its work no longer, its lease is not renewed any
    /// more, and what it holds is given back, so that others have it at once.
    pub(crate) async fn stand_by(&self) {
        let why = self.watchdog.watch().await;
        tracing::error!(why, "the worker can do its work no longer: start it anew");
        match self.resign().await {
            Ok(freed) => tracing::warn!(runs.handed_back = freed, "it has given up its lease"),
            Err(error) => tracing::warn!(%error, "its runs are taken over when its lease runs out"),
        }
    }

    /// Extends what is still held; `false` when it ran out or was lost while the renewal was under
    /// way. Decided under the lock, so that a loss is never overwritten.
    fn extend(&self, incarnation: Uuid, asked: Instant, database_now: DateTime<Utc>) -> bool {
        let mut current = self.current.write();
        let valid =
            |held: &&mut Held| held.incarnation == incarnation && Instant::now() < held.valid_until;
        let Some(held) = current.as_mut().filter(valid) else { return false };
        held.valid_until = asked.checked_add(self.length).unwrap_or(asked);
        drop(current);
        self.clock.set(database_now);
        true
    }

    fn hold(&self, incarnation: Uuid, asked: Instant, database_now: DateTime<Utc>) {
        self.clock.set(database_now);
        let valid_until = asked.checked_add(self.length).unwrap_or(asked);
        let mut current = self.current.write();
        // One that came too late is taken over like any other.
        *current = self.watchdog.failure().is_none().then_some(Held { incarnation, valid_until });
    }
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}
