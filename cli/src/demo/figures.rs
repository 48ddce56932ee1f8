//! Two figures that no other crate has a use for: what a process holds, and what the server
//! committed. Reads only.

use makegood::{Workflow, inspect};
use sqlx::PgPool;
use workflows::Checkout;

/// How many runs the worker process `pid` holds by the database's word, dead or alive.
pub(crate) async fn runs_held(pool: &PgPool, pid: u32) -> anyhow::Result<u64> {
    let mut conn = pool.acquire().await?;
    let held = inspect::held_by_process(&mut conn, i32::try_from(pid)?).await?;
    Ok(u64::try_from(held)?)
}

/// The commits that carried the checkouts on: starts, signals and turns.
pub(crate) async fn carrying_commits(pool: &PgPool) -> anyhow::Result<u64> {
    let mut conn = pool.acquire().await?;
    Ok(u64::try_from(inspect::carrying_commits(&mut conn, Checkout::NAME).await?)?)
}

/// Transactions that the database has committed so far: of every process, reads and polls
/// included. The server's own counter, which lags by up to a second.
pub(crate) async fn server_commits(pool: &PgPool) -> anyhow::Result<u64> {
    let commits: i64 = sqlx::query_scalar(
        "select xact_commit
         from pg_stat_database
         where datname = current_database()",
    )
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(commits)?)
}
