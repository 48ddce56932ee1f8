//! Waits until every saga has ended and every webhook has arrived, for as long as things move.

use std::time::{Duration, Instant};

use makegood::{RunFilter, inspect};
use sqlx::PgPool;
use tokio::time::sleep;

use super::{customer::Web, gateway_books::GatewayBooks, progress::Step};

const LOOK: Duration = Duration::from_millis(200);
/// Without any run ending for this long, plus a second for fifty checkouts, nothing will.
const STILLNESS: Duration = Duration::from_mins(2);
/// However much goes on by the clock, such as comparisons of the books, it takes no longer than this.
const LONGEST: Duration = Duration::from_mins(15);
/// Stored webhooks that match nothing yet may hold things up no longer than this.
const STRAGGLERS: Duration = Duration::from_secs(15);
const LISTED: i64 = 50;

/// How the sagas stood when the waiting was over.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Runs in all.
    pub(crate) started: u64,
    /// Runs parked with an open incident.
    pub(crate) stuck: u64,
    /// Runs neither ended nor parked.
    pub(crate) open: u64,
    /// The first of both, in words.
    pub(crate) listed: Vec<String>,
}

/// Waits until all runs have ended or are parked, and `is_calm` says that nobody will move one.
pub(crate) async fn settle(
    pool: &PgPool,
    web: &Web,
    checkouts: u32,
    step: &Step,
    is_calm: impl Fn(&Settled) -> bool,
) -> anyhow::Result<Settled> {
    let patience = STILLNESS.saturating_add(Duration::from_secs(u64::from(checkouts / 50)));
    let begun = Instant::now();
    let mut moved = (0, Instant::now());
    let mut calm_since: Option<Instant> = None;
    let mut quiet_looks = 0_u32;
    loop {
        let settled = look(pool).await?;
        let ended = settled.started.saturating_sub(settled.open).saturating_sub(settled.stuck);
        step.set_parts(settled.started);
        step.reach(ended);
        if ended != moved.0 {
            moved = (ended, Instant::now());
        }
        if moved.1.elapsed() > patience || begun.elapsed() > LONGEST {
            return list(pool, settled).await;
        }
        let calm = settled.open == 0 && is_calm(&settled);
        let since = *calm_since.get_or_insert_with(Instant::now);
        if !calm {
            (calm_since, quiet_looks) = (None, 0);
        } else if nothing_under_way(pool, web).await? || since.elapsed() > STRAGGLERS {
            // A webhook's signal is stored before its run begins: look once more after the last.
            quiet_looks = quiet_looks.saturating_add(1);
            if quiet_looks > 2 {
                return list(pool, settled).await;
            }
        } else {
            quiet_looks = 0;
        }
        sleep(LOOK).await;
    }
}

async fn look(pool: &PgPool) -> anyhow::Result<Settled> {
    let mut settled = Settled::default();
    let mut conn = pool.acquire().await?;
    for (state, count) in inspect::counts(&mut conn).await? {
        let count = u64::try_from(count)?;
        settled.started = settled.started.saturating_add(count);
        match state.as_str() {
            "COMPLETED" | "COMPENSATED" | "CLOSED" => {}
            "STUCK" => settled.stuck = settled.stuck.saturating_add(count),
            _ => settled.open = settled.open.saturating_add(count),
        }
    }
    Ok(settled)
}

async fn nothing_under_way(pool: &PgPool, web: &Web) -> anyhow::Result<bool> {
    let mut conn = pool.acquire().await?;
    if !store::webhooks::unmatched(&mut conn, 1).await?.is_empty() {
        return Ok(false);
    }
    let books: GatewayBooks = web.gateway_books().await?;
    Ok(!books.has_webhooks_under_way())
}

async fn list(pool: &PgPool, settled: Settled) -> anyhow::Result<Settled> {
    let mut listed = Vec::new();
    let mut conn = pool.acquire().await?;
    for state in ["RUNNING", "WAITING", "COMPENSATING", "PAUSED", "STUCK"] {
        let filter: RunFilter = format!("state={state}&limit={LISTED}").parse()?;
        for run in inspect::list(&mut conn, &filter).await?.runs {
            let why = run.class.unwrap_or_else(|| "no incident".to_owned());
            listed.push(format!("{} is {state} ({why})", run.workflow_id));
        }
    }
    Ok(Settled { listed, ..settled })
}
