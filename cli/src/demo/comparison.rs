//! The end of chaos: our books are compared with the gateway, and what was lost on the way is put
//! right, until a comparison finds nothing. No webhook is needed for it.

use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use makegood::{Client, Scheduled};
use serde::Serialize;
use sqlx::PgPool;
use store::reconciliation;
use workflows::{Reconcile, ReconcileRule, RefundSweep};

const LIMIT: Duration = Duration::from_mins(2);

/// Whoever is told of a loss puts it right before the next one; so many are plenty.
const MOST: u32 = 5;

const REPORTS: i64 = 10_000;

/// What the comparisons came to.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Compared {
    /// Whether the last one found nothing.
    pub(crate) is_clean: bool,
    /// How often all of it was compared by hand; the last time finds nothing.
    pub(crate) comparisons: u32,
    /// Comparisons of the payments in all, those by the clock included.
    pub(crate) reports: usize,
    /// Payments that our books did not have as the gateway has them.
    pub(crate) payments_found: i64,
    /// What the last comparison left to a person.
    pub(crate) flagged: i64,
    /// Refunds that nobody saw to.
    pub(crate) refunds_unwatched: usize,
    /// Refunds that our books did not have as the gateway has them.
    pub(crate) refunds_differing: usize,
}

impl Compared {
    /// Whether another comparison is worth its while.
    pub(crate) fn may_go_on(&self) -> bool {
        !self.is_clean && self.comparisons < MOST
    }

    /// Compares all of it once more.
    pub(crate) async fn once_more(&mut self, client: &Client, pool: &PgPool) -> anyhow::Result<()> {
        self.comparisons = self.comparisons.saturating_add(1);
        let mut conn = pool.acquire().await?;
        let fired = client.fire_schedule(&mut conn, "refunds of late").await?;
        let name = format!("demo comparison {}", self.comparisons);
        let at: DateTime<Utc> = sqlx::query_scalar("select now()").fetch_one(&mut *conn).await?;
        let input = ReconcileRule { age_secs: 0, deep_every_secs: 0 };
        let started = client.start::<Reconcile>(&mut conn, &name, &Scheduled { at, input }).await?;
        drop(conn);
        client.wake();
        let swept = client.ending::<RefundSweep>(fired.run_id, LIMIT).await?;
        let swept = swept.and_then(|ending| ending.output).context("no sweep of refunds ended")?;
        let tally = client.ending::<Reconcile>(started.run_id, LIMIT).await?;
        let tally = tally.and_then(|ending| ending.output).context("no comparison ended")?;
        self.flagged = tally.flagged;
        self.refunds_unwatched = self.refunds_unwatched.saturating_add(swept.unwatched);
        self.refunds_differing = self.refunds_differing.saturating_add(swept.differing);
        let is_clean = tally.found == 0 && swept.unwatched == 0 && swept.differing == 0;
        self.is_clean = is_clean && !tally.was_busy;
        let reports = reconciliation::reports(&mut *pool.acquire().await?, REPORTS).await?;
        self.reports = reports.len();
        self.payments_found = reports.iter().map(|report| report.found).sum();
        Ok(())
    }
}
