//! Fires the schedules: one transaction starts the runs and moves the schedules on. It drives none.
//!
//! Every worker has a ticker. A schedule's row, locked, is fired by one of them; a crash before the
//! commit leaves it due, and the id of the firing keeps a run from being started twice.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Acquire, PgConnection, PgPool};
use tokio::sync::{Notify, watch};

use super::stored::start;
use crate::error::outcome_unknown;
use crate::lane::Lanes;
use crate::lease::Lease;
use crate::store::firings::{self, Made};
use crate::store::schedules::{Locked, Next};
use crate::store::workers;

/// The longest pause between two looks at the schedules.
const LONGEST: Duration = Duration::from_secs(5);

/// What is due is being fired by another worker, or cannot be fired: look again after this.
const BUSY: Duration = Duration::from_millis(200);

/// Schedules fired in one transaction.
const BATCH: i64 = 20;

/// Fires the schedules of the workflows that its worker knows.
pub(crate) struct Ticker {
    pub(crate) pool: PgPool,
    pub(crate) lease: Arc<Lease>,
    pub(crate) lanes: Lanes,
    pub(crate) workflows: Vec<String>,
    /// Told when runs were started, so that they are claimed at once.
    pub(crate) due: Arc<Notify>,
}

impl Ticker {
    /// Fires until the worker ends. Ends only between two looks, so that none of its transactions
    /// is dropped half-way.
    pub(crate) async fn work(self, mut over: watch::Receiver<bool>) {
        loop {
            let pause = self.look().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the schedules could not be fired; trying again");
                Duration::from_secs(1)
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = over.wait_for(|over| *over) => return,
            }
        }
    }

    /// Fires what is due, and says how long to pause.
    async fn look(&self) -> Result<Duration, sqlx::Error> {
        let due_in_ms = firings::due_in_ms(&self.pool, &self.workflows).await?;
        match due_in_ms.map_or(Ok(LONGEST), |ms| u64::try_from(ms).map(Duration::from_millis)) {
            Ok(until_due) if !until_due.is_zero() => Ok(until_due.min(LONGEST)),
            Ok(_) | Err(_) => {
                let fired = self.fire().await?;
                Ok(if fired { Duration::ZERO } else { BUSY })
            }
        }
    }

    /// Fires a batch in one transaction; `false` when there was none for this worker, or not all of
    /// it could be fired: those stay due, and hold up no other.
    async fn fire(&self) -> Result<bool, sqlx::Error> {
        let Some(incarnation) = self.lease.current() else { return Ok(false) };
        let mut tx = self.pool.begin().await?;
        if !workers::fence(&mut tx, incarnation).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        let locked = firings::lock_due(&mut tx, &self.workflows, BATCH).await?;
        let mut all = !locked.is_empty();
        for schedule in &locked {
            let mut savepoint = tx.begin().await?;
            match fire(&mut savepoint, &self.lanes, schedule).await {
                Ok(()) => savepoint.commit().await?,
                Err(error) if outcome_unknown(&error) => return Err(error),
                Err(error) => {
                    let name = &schedule.name;
                    tracing::warn!(schedule.name = name, %error, "it could not be fired; trying again");
                    savepoint.rollback().await?;
                    all = false;
                }
            }
        }
        // Should the commit's answer be lost, the next look shows whether it happened.
        tx.commit().await?;
        self.due.notify_one();
        Ok(all)
    }
}

/// Makes what is due of one schedule.
async fn fire(
    conn: &mut PgConnection,
    lanes: &Lanes,
    schedule: &Locked,
) -> Result<(), sqlx::Error> {
    let Locked { schedule_id, name, definition, next_at, now, .. } = schedule;
    let mut made = Made::default();
    let rule = match definition.rule() {
        Ok(rule) => rule,
        Err(error) => {
            tracing::error!(schedule.name = name, %error, "a schedule cannot be read");
            let next = next_at.map(|at| Next { at, due_at: at });
            let fault = error.to_string();
            return firings::advance(conn, *schedule_id, &made, next, Some(&fault)).await;
        }
    };
    let due = rule.due(name, next_at.unwrap_or(*now), *now);
    let mut started = schedule.started();
    for at in due.fire {
        if definition.skips_overlaps() && firings::any_lives(&mut *conn, &started).await? {
            made.overlapped += 1;
            continue;
        }
        let run_id = start(&mut *conn, lanes, schedule, at).await?.run_id;
        made.fired += 1;
        made.last = Some((at, run_id));
        started.push(run_id);
    }
    if due.dropped {
        tracing::warn!(schedule.name = name, "firings were missed and are not made up for");
    }
    count("started", made.fired);
    count("overlapped", made.overlapped);
    count("missed", due.dropped.into());
    let fault = due.next.is_none().then_some("it will never fire again");
    firings::advance(conn, *schedule_id, &made, due.next.map(Into::into), fault).await
}

fn count(outcome: &'static str, number: i64) {
    if let Some(number) = u64::try_from(number).ok().filter(|number| *number > 0) {
        metrics::counter!("makegood_firings_total", "outcome" => outcome).increment(number);
    }
}
