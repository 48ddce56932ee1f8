//! A worker dies in the middle of slow calls: how long until another carries its runs on?
//!
//! The first worker's calls hang, the second's are answered at once. So a run ends as soon as the
//! second has it, and the time from the death to the ends is that of taking over.

use std::time::Duration;

use chrono::{DateTime, Utc};
use makegood::Workflow;
use sqlx::PgPool;

use crate::figures::{Percentiles, ms_each, times};
use crate::measured::Measured;
use crate::meter::Meter;
use crate::works::Slow;
use crate::{Error, Site, crowd};

const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_mins(1);

/// A worker that holds runs, and will die.
pub struct Scene {
    runs: u64,
    meter: Meter,
    died_at: DateTime<Utc>,
}

/// Starts runs and waits until the only worker holds all of them, each in the middle of its call.
///
/// # Errors
/// When it does not take them, or the database does not answer.
pub async fn burden(site: &Site, runs: u64, seen: impl Fn(u64)) -> Result<(), Error> {
    let inputs = vec![(); usize::try_from(runs).unwrap_or_default()];
    crowd::start::<Slow>(site, inputs, seen).await?;
    let begun = tokio::time::Instant::now();
    while held(&site.pool).await? < runs {
        if begun.elapsed() > PATIENCE {
            let what = format!("the worker to hold {runs} runs");
            return Err(Error::Stalled { what, patience: PATIENCE });
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Runs whose call is recorded as intended, and which somebody holds.
async fn held(pool: &PgPool) -> Result<u64, Error> {
    let held: i64 = sqlx::query_scalar(
        "select count(*)
         from tasks k
         join steps s on s.run_id = k.run_id and s.kind = 'intent'
         where k.owner is not null",
    )
    .fetch_one(pool)
    .await?;
    Ok(held.cast_unsigned())
}

impl Scene {
    /// Call it right before the worker is killed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set(site: &Site, runs: u64) -> Result<Self, Error> {
        let meter = Meter::begin(site).await?;
        Ok(Self { runs, meter, died_at: crowd::now(&site.pool).await? })
    }

    /// Waits until the other worker has carried every run to its end. `seen` hears how many.
    ///
    /// # Errors
    /// When one is lost, or the database does not answer.
    pub async fn measure(
        self,
        site: &Site,
        lease: Duration,
        seen: impl Fn(u64),
    ) -> Result<Measured, Error> {
        let Self { runs, meter, died_at } = self;
        crowd::ended::<Slow>(&site.pool, |left| seen(runs.saturating_sub(left))).await?;
        let (waits, early) = crowd::lateness(&site.pool, Slow::NAME, died_at).await?;
        let moved = u64::try_from(waits.len()).unwrap_or_default();
        if early > 0 || moved != runs {
            return Err(Error::Wrong(format!("of {runs} orphans {moved} moved, {early} too soon")));
        }
        let mut costs = meter.end(site).await?;
        costs.elapsed = waits.iter().max().copied().unwrap_or_default();
        let waits = Percentiles::of(waits);
        let lease_ms = ms_each(lease, 1);
        Ok(Measured {
            work: "recovery",
            runs,
            runs_in_all: runs,
            steps_per_run: 1,
            latency: Some(waits),
            costs,
            particular: [
                ("lease_s", lease.as_secs().into()),
                ("p50_leases", times(waits.p50, lease_ms).into()),
                ("p99_leases", times(waits.p99, lease_ms).into()),
                ("max_leases", times(waits.max, lease_ms).into()),
            ]
            .into(),
        })
    }
}
