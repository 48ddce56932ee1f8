//! Throughput: a closed loop with so many runs in flight, each replaced as soon as its end is seen.
//! Starter and workers are processes of their own, on one machine with the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::figures::{Percentiles, each};
use crate::measured::Measured;
use crate::meter::Meter;
use crate::starter::Starter;
use crate::works::Work;
use crate::{Error, Site, check};

/// Transactions that start runs, under way at once. While all of them are, starts gather.
const LANES: usize = 2;
/// The most starts in one transaction.
const MOST: usize = 256;

/// How much is driven.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// What each run is.
    pub work: Work,
    /// How many are measured.
    pub runs: u64,
    /// How many are in flight at once.
    pub concurrency: u32,
}

/// Drives the load twice: a little to warm up, then all of it, measured. `seen` hears how many of
/// the measured runs have ended.
///
/// # Errors
/// When the work goes wrong, stands still, or the database does not answer.
pub async fn measure(site: &Site, load: Load, seen: impl Fn(u64)) -> Result<Measured, Error> {
    let starter = Starter::connect(site, load.work, u32::try_from(LANES).unwrap_or(1)).await?;
    let starter = Arc::new(starter);
    let warm_up = Load { runs: u64::from(load.concurrency).min(load.runs), ..load };
    drive(&starter, warm_up, "warm-up", |_| ()).await?;
    let meter = Meter::begin(site).await?;
    let driven = drive(&starter, load, "run", seen).await?;
    let costs = meter.end(site, Instant::now()).await?;
    let all = warm_up.runs.saturating_add(load.runs);
    check::runs(&site.pool, load.work, all).await?;
    Ok(Measured {
        work: load.work.name(),
        runs: load.runs,
        runs_in_all: all,
        steps_per_run: load.work.steps(),
        latency: Some(Percentiles::of(driven.waits)),
        costs,
        particular: [("starts_per_commit", each(load.runs, driven.transactions).into())].into(),
    })
}

struct Driven {
    waits: Vec<Duration>,
    transactions: u64,
}

/// Starts all runs of a load, `concurrency` in flight at once, and follows each to its end.
async fn drive(
    starter: &Arc<Starter>,
    load: Load,
    prefix: &str,
    seen: impl Fn(u64),
) -> Result<Driven, Error> {
    let room = Arc::new(Semaphore::new(usize::try_from(load.concurrency).unwrap_or(1)));
    let lanes = Arc::new(Semaphore::new(LANES));
    let ended = Arc::new(AtomicU64::new(0));
    let mut batches = JoinSet::new();
    let mut driven = Driven { waits: Vec::new(), transactions: 0 };
    let mut started = 0_u64;
    while started < load.runs {
        let Ok(lane) = Arc::clone(&lanes).acquire_owned().await else { break };
        let most = usize::try_from(load.runs.saturating_sub(started)).unwrap_or(MOST).min(MOST);
        let slots = slots(&room, most).await;
        let end = started.saturating_add(u64::try_from(slots.len()).unwrap_or(1));
        let names = (started..end).map(|number| format!("{prefix}-{number}")).collect();
        batches.spawn(batch(Arc::clone(starter), names, lane, slots, Arc::clone(&ended)));
        (started, driven.transactions) = (end, driven.transactions.saturating_add(1));
        while let Some(waits) = batches.try_join_next() {
            driven.waits.extend(waits??);
        }
        seen(ended.load(Ordering::Relaxed));
    }
    while let Some(waits) = batches.join_next().await {
        driven.waits.extend(waits??);
        seen(ended.load(Ordering::Relaxed));
    }
    Ok(driven)
}

/// At least one slot, and as many more as are free, up to `most`.
async fn slots(room: &Arc<Semaphore>, most: usize) -> Vec<OwnedSemaphorePermit> {
    let mut slots = Vec::with_capacity(most);
    slots.extend(Arc::clone(room).acquire_owned().await);
    while slots.len() < most
        && let Ok(slot) = Arc::clone(room).try_acquire_owned()
    {
        slots.push(slot);
    }
    slots
}

/// Starts some runs in one transaction and follows them; each gives its slot back at its end.
async fn batch(
    starter: Arc<Starter>,
    names: Vec<String>,
    lane: OwnedSemaphorePermit,
    mut slots: Vec<OwnedSemaphorePermit>,
    ended: Arc<AtomicU64>,
) -> Result<Vec<Duration>, Error> {
    let begun = Instant::now();
    let run_ids = starter.start(&names).await?;
    drop(lane);
    let seen = || {
        drop(slots.pop());
        ended.fetch_add(1, Ordering::Relaxed);
    };
    starter.follow(&run_ids, begun, seen).await
}
