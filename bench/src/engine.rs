//! Throughput: a closed loop with so many runs in flight, each replaced as soon as its end is seen.
//! Starter and workers are processes of their own, on one machine with the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::figures::Percentiles;
use crate::measured::Measured;
use crate::meter::Meter;
use crate::starter::Starter;
use crate::works::Work;
use crate::{Error, Site, check};

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
    let starter = Arc::new(Starter::connect(site, load.work).await?);
    let warm_up = Load { runs: u64::from(load.concurrency).min(load.runs), ..load };
    drive(&starter, warm_up, "warm-up", |_| ()).await?;
    let meter = Meter::begin(site).await?;
    let waits = drive(&starter, load, "run", seen).await?;
    let costs = meter.end(site).await?;
    let all = warm_up.runs.saturating_add(load.runs);
    check::runs(&site.pool, load.work, all).await?;
    Ok(Measured {
        work: load.work.name(),
        runs: load.runs,
        runs_in_all: all,
        steps_per_run: load.work.steps(),
        latency: Some(Percentiles::of(waits)),
        costs,
        particular: [].into(),
    })
}

/// Carries all runs of a load through, `concurrency` at once, and answers how long each took.
async fn drive(
    starter: &Arc<Starter>,
    load: Load,
    prefix: &'static str,
    seen: impl Fn(u64),
) -> Result<Vec<Duration>, Error> {
    let next = Arc::new(AtomicU64::new(0));
    let (landed, mut waits) = mpsc::unbounded_channel();
    let mut callers = JoinSet::new();
    for _ in 0..load.concurrency {
        let (starter, next, landed) = (Arc::clone(starter), Arc::clone(&next), landed.clone());
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= load.runs {
                    return Ok::<_, Error>(());
                }
                let begun = Instant::now();
                starter.carry_through(&format!("{prefix}-{number}")).await?;
                let _ = landed.send(begun.elapsed());
            }
        });
    }
    drop(landed);
    let mut all = Vec::new();
    while waits.recv_many(&mut all, 1_024).await > 0 {
        seen(u64::try_from(all.len()).unwrap_or(u64::MAX));
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(all)
}
