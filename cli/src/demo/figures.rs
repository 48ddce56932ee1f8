//! Two figures that no other crate has a use for: what a process holds, and what the server
//! committed. Reads only.

use sqlx::PgPool;

/// How many runs the worker process `pid` holds by the database's word, dead or alive.
pub(crate) async fn runs_held(pool: &PgPool, pid: u32) -> anyhow::Result<u64> {
    let held: i64 = sqlx::query_scalar(
        "select count(*)
         from tasks t
         join workers w on w.incarnation = t.owner
         where w.pid = $1",
    )
    .bind(i32::try_from(pid)?)
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(held)?)
}

/// Transactions that the database has committed so far: of every process, reads and polls
/// included. The server's own counter, which lags by up to a second.
pub(crate) async fn commits(pool: &PgPool) -> anyhow::Result<u64> {
    let commits: i64 = sqlx::query_scalar(
        "select xact_commit
         from pg_stat_database
         where datname = current_database()",
    )
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(commits)?)
}
