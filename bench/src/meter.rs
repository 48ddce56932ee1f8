//! What a stretch of work costs: statements, log, processor time and memory, read before and after.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, PgPool, Row};

use crate::{Error, Site, processes};

/// Statements that a reading itself sends, which the next reading finds counted.
const OWN_STATEMENTS: u64 = 2;

/// A stretch under way.
pub(crate) struct Meter {
    before: Reading,
}

/// What a stretch cost; `None` is what could not be read here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    pub(crate) elapsed: Duration,
    /// As `pg_stat_statements` counts them: `begin` and `commit` included.
    pub(crate) statements: Option<u64>,
    pub(crate) wal_bytes: Option<u64>,
    pub(crate) worker_cpu: Option<Duration>,
    pub(crate) starter_cpu: Option<Duration>,
    pub(crate) database_cpu: Option<Duration>,
    pub(crate) worker_peak_kib: Option<u64>,
}

struct Reading {
    at: Instant,
    statements: Option<u64>,
    wal_bytes: Option<u64>,
    worker_cpu: Option<Duration>,
    starter_cpu: Option<Duration>,
    database_cpu: Option<Duration>,
}

impl Meter {
    /// Begins, right after a checkpoint if we may have one: so the log holds as many whole pages in
    /// one measurement as in another.
    pub(crate) async fn begin(site: &Site) -> Result<Self, Error> {
        if let Err(error) = sqlx::query("checkpoint").execute(&site.pool).await {
            tracing::debug!(%error, "measuring without a checkpoint before");
        }
        Ok(Self { before: Reading::take(site).await? })
    }

    /// Ends: the work has ended just now.
    pub(crate) async fn end(self, site: &Site) -> Result<Costs, Error> {
        let Self { before } = self;
        let elapsed = before.at.elapsed();
        let after = Reading::take(site).await?;
        let statements = difference(before.statements, after.statements);
        Ok(Costs {
            elapsed,
            statements: statements.map(|count| count.saturating_sub(OWN_STATEMENTS)),
            wal_bytes: difference(before.wal_bytes, after.wal_bytes),
            worker_cpu: spent(before.worker_cpu, after.worker_cpu),
            starter_cpu: spent(before.starter_cpu, after.starter_cpu),
            database_cpu: spent(before.database_cpu, after.database_cpu),
            worker_peak_kib: processes::peak_kib(&site.workers),
        })
    }
}

impl Reading {
    async fn take(site: &Site) -> Result<Self, Error> {
        let statements = match &site.statements_in {
            Some(schema) => Some(statements(&site.pool, schema).await?),
            None => None,
        };
        let wal_bytes = wal_bytes(&site.pool).await?;
        let database_cpu = site.postmaster.and_then(processes::server_cpu);
        let worker_cpu = processes::cpu(&site.workers);
        let starter_cpu = processes::own_cpu();
        let at = Instant::now();
        Ok(Self { at, statements, wal_bytes, worker_cpu, starter_cpu, database_cpu })
    }
}

/// Statements that this database has been sent so far.
async fn statements(pool: &PgPool, schema: &str) -> Result<u64, Error> {
    // The schema's name comes quoted from the server.
    let sql = format!(
        "select coalesce(sum(s.calls), 0)::bigint as calls
         from {schema}.pg_stat_statements s
         join pg_database d on d.oid = s.dbid
         where d.datname = current_database()"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(pool).await?;
    Ok(u64::try_from(row.try_get::<i64, _>("calls")?).unwrap_or_default())
}

/// Bytes of log that the server has written so far; `None` on a server that only follows another.
async fn wal_bytes(pool: &PgPool) -> Result<Option<u64>, Error> {
    let bytes: Option<i64> = sqlx::query_scalar(
        "select case when not pg_is_in_recovery()
           then (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint end",
    )
    .fetch_one(pool)
    .await?;
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()))
}

fn difference(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    Some(after?.saturating_sub(before?))
}

fn spent(before: Option<Duration>, after: Option<Duration>) -> Option<Duration> {
    Some(after?.saturating_sub(before?))
}

/// Transactions that this database has committed so far. Sessions hand their counts in with a
/// delay, at the latest when they end: read this before they begin and after they have ended.
pub(crate) async fn commits(pool: &PgPool) -> Result<u64, Error> {
    let commits: i64 = sqlx::query_scalar(
        "select xact_commit
         from pg_stat_database
         where datname = current_database()",
    )
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(commits).unwrap_or_default())
}
