//! Latency at a light load: an open loop, so many starts a second whatever becomes of them.
//!
//! Each wait counts from the moment at which the run was to be started, not from when the starter
//! got round to it: who falls behind has to show it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::figures::{Percentiles, ms_each};
use crate::measured::Measured;
use crate::meter::Meter;
use crate::starter::Starter;
use crate::works::Work;
use crate::{Error, Site, check};

/// What is started, how often and how many times.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// What each run is.
    pub work: Work,
    /// How many are measured.
    pub runs: u64,
    /// Starts a second.
    pub rate: u32,
}

/// Starts runs at an even pace and waits for each. `seen` hears how many have ended.
///
/// # Errors
/// When the work goes wrong, stands still, or the database does not answer.
pub async fn measure(site: &Site, pace: Pace, seen: impl Fn(u64)) -> Result<Measured, Error> {
    let starter = Arc::new(Starter::connect(site, pace.work).await?);
    // A second's worth opens the connections and prepares the statements.
    let warm_up = Pace { runs: pace.rate.into(), ..pace };
    drive(&starter, warm_up, "warm-up", |_| ()).await?;
    let meter = Meter::begin(site).await?;
    let (waits, lateness) = drive(&starter, pace, "run", seen).await?;
    let costs = meter.end(site).await?;
    let all = warm_up.runs.saturating_add(pace.runs);
    check::runs(&site.pool, pace.work, all).await?;
    let particular =
        [("rate_per_s", pace.rate.into()), ("starter_late_ms_max", ms_each(lateness, 1).into())];
    Ok(Measured {
        work: pace.work.name(),
        runs: pace.runs,
        runs_in_all: all,
        steps_per_run: pace.work.steps(),
        latency: Some(Percentiles::of(waits)),
        costs,
        particular: particular.into(),
    })
}

/// How long each run took, and how late the starter itself was at worst.
pub(crate) async fn drive(
    starter: &Arc<Starter>,
    pace: Pace,
    prefix: &str,
    seen: impl Fn(u64),
) -> Result<(Vec<Duration>, Duration), Error> {
    let mut due = clock(pace.rate, pace.runs);
    let (mut runs, mut waits) = (JoinSet::new(), Vec::new());
    let mut lateness = Duration::ZERO;
    let mut number = 0_u64;
    let count = |waits: &Vec<Duration>| u64::try_from(waits.len()).unwrap_or_default();
    while let Some(moment) = due.recv().await {
        lateness = lateness.max(moment.elapsed());
        let (starter, name) = (Arc::clone(starter), format!("{prefix}-{number}"));
        number = number.saturating_add(1);
        runs.spawn(async move {
            starter.carry_through(&name).await?;
            Ok::<_, Error>(moment.elapsed())
        });
        while let Some(wait) = runs.try_join_next() {
            waits.push(wait??);
        }
        seen(count(&waits));
    }
    while let Some(wait) = runs.join_next().await {
        waits.push(wait??);
        seen(count(&waits));
    }
    Ok((waits, lateness))
}

/// Says each moment at which a run is due. A thread of its own: the runtime's timers are a
/// millisecond coarse, which is half of what is measured here.
fn clock(rate: u32, runs: u64) -> mpsc::UnboundedReceiver<Instant> {
    let (tell, due) = mpsc::unbounded_channel();
    let pause = Duration::from_secs(1) / rate.max(1);
    thread::spawn(move || {
        let mut moment = Instant::now() + pause;
        for _ in 0..runs {
            thread::sleep(moment.saturating_duration_since(Instant::now()));
            if tell.send(moment).is_err() {
                return;
            }
            moment += pause;
        }
    });
    due
}
