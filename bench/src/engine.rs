//! Throughput: a closed loop with so many runs in flight, each replaced as soon as its end is seen.
//! Starter and workers are processes of their own, on one machine with the database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use uuid::Uuid;

use crate::figures::{Percentiles, each};
use crate::measured::Measured;
use crate::meter::Meter;
use crate::starter::Starter;
use crate::works::Work;
use crate::{Error, Site, check};

/// Transactions that start runs, under way at once. While all of them are, starts gather.
const LANES: usize = 2;
/// The most starts in one transaction.
const MOST: u64 = 256;
/// How many runs are asked for in one look, the oldest first.
const ASKED: usize = 512;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);

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
    let mut driven = Driven { waits: Vec::new(), transactions: 0 };
    let (mut starts, mut looks) = (JoinSet::new(), JoinSet::new());
    // In the order of their ids, which is that of their starts.
    let mut flying: BTreeMap<Uuid, Instant> = BTreeMap::new();
    let (mut started, mut landed) = (0_u64, 0_u64);
    while landed < load.runs {
        let room = u64::from(load.concurrency).saturating_sub(started.saturating_sub(landed));
        let next = room.min(load.runs.saturating_sub(started)).min(MOST);
        if next > 0 && starts.len() < LANES {
            let end = started.saturating_add(next);
            let names = (started..end).map(|number| format!("{prefix}-{number}")).collect();
            starts.spawn(start(Arc::clone(starter), names));
            (started, driven.transactions) = (end, driven.transactions.saturating_add(1));
            continue;
        }
        if looks.is_empty() && !flying.is_empty() {
            let oldest = flying.keys().take(ASKED).copied().collect();
            looks.spawn(look(Arc::clone(starter), oldest));
        }
        tokio::select! {
            Some(begun) = starts.join_next() => {
                let (run_ids, at) = begun??;
                flying.extend(run_ids.into_iter().map(|run_id| (run_id, at)));
            }
            Some(ended) = looks.join_next() => {
                let begun = ended??.into_iter().filter_map(|run_id| flying.remove(&run_id));
                driven.waits.extend(begun.map(|at| at.elapsed()));
                landed = u64::try_from(driven.waits.len()).unwrap_or(u64::MAX);
                seen(landed);
            }
        }
    }
    Ok(driven)
}

/// Starts some runs in one transaction, and says when that began.
async fn start(starter: Arc<Starter>, names: Vec<String>) -> Result<(Vec<Uuid>, Instant), Error> {
    let begun = Instant::now();
    Ok((starter.start(&names).await?, begun))
}

/// Looks for ends, after a pause in which they gather.
async fn look(starter: Arc<Starter>, run_ids: Vec<Uuid>) -> Result<Vec<Uuid>, Error> {
    tokio::time::sleep(PAUSE).await;
    starter.ended(&run_ids).await
}
