//! Where a measurement takes place: a migrated cell of its own, and workers that drive its runs.
//! It starts and ends no process; whoever does tells it their ids.

use makegood::Database;
use sqlx::{PgPool, Row};

use crate::{Error, processes};

/// A cell with workers.
#[derive(Debug)]
pub struct Site {
    /// The cell.
    pub database: Database,
    /// Connections to look at it with.
    pub pool: PgPool,
    /// The process ids of its workers; none while there are none.
    pub workers: Vec<u32>,
    /// The server's first process, if the server is on this machine.
    pub(crate) postmaster: Option<u32>,
    /// The schema of `pg_stat_statements`, if the server counts statements.
    pub(crate) statements_in: Option<String>,
    /// The server's version, such as 15.18.
    pub(crate) server_version: String,
}

impl Site {
    /// Looks at a cell that is migrated, and has no workers yet, through connections to it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn survey(database: Database, pool: PgPool) -> Result<Self, Error> {
        let row = sqlx::query(
            "select pg_backend_pid() as pid,
               coalesce(inet_server_addr() <<= '127.0.0.0/8' or inet_server_addr() = '::1', true)
                 as is_here,
               split_part(current_setting('server_version'), ' ', 1) as version",
        )
        .fetch_one(&pool)
        .await?;
        let backend = u32::try_from(row.try_get::<i32, _>("pid")?).ok();
        let is_here: bool = row.try_get("is_here")?;
        let postmaster = backend.filter(|_| is_here).and_then(processes::postmaster_of);
        let statements_in = counter(&pool).await?;
        let server_version = row.try_get("version")?;
        let workers = Vec::new();
        Ok(Self { database, pool, workers, postmaster, statements_in, server_version })
    }
}

/// The schema in which the server's counts of statements can be read.
async fn counter(pool: &PgPool) -> Result<Option<String>, Error> {
    let schema: Option<String> = sqlx::query_scalar(
        "select quote_ident(n.nspname)
         from pg_extension e
         join pg_namespace n on n.oid = e.extnamespace
         where e.extname = 'pg_stat_statements'
           and current_setting('shared_preload_libraries') ~ 'pg_stat_statements'",
    )
    .fetch_optional(pool)
    .await?;
    Ok(schema)
}
