//! How the cell stands, in one bounded read: for the worker's gauges and for a person's questions.
//! It decides nothing and changes nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// The most rows of one kind that are counted; a count that reads this means "or more".
pub const COUNT_LIMIT: i64 = 100_000;

/// The states of live runs, in the order in which they are shown.
pub const LIVE_STATES: [&str; 5] = ["RUNNING", "WAITING", "COMPENSATING", "STUCK", "PAUSED"];

/// How the cell stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Live runs by state; states without a run are missing. `STUCK` is complete even where the
    /// others stop at [`COUNT_LIMIT`].
    pub runs: Vec<(String, i64)>,
    /// Open incidents by class.
    pub incidents: Vec<(String, i64)>,
    /// For how many seconds the oldest due run has been waiting for a worker; 0 when none is due.
    pub oldest_due_secs: i64,
    /// Workers whose lease is valid.
    pub live_workers: i64,
}

#[derive(FromRow)]
struct Line {
    kind: String,
    name: String,
    number: i64,
}

/// Reads how the cell stands, at the cost of at most [`COUNT_LIMIT`] rows a kind.
///
/// # Errors
/// A database that does not answer, or a cell without its tables.
pub async fn read(conn: &mut PgConnection) -> Result<Status, sqlx::Error> {
    let lines: Vec<Line> = sqlx::query_as(
        "select 'runs' as kind, k.state as name, count(*) as number
         from (select state from tasks where state <> 'STUCK' limit $1) k
         group by k.state
         union all
         select 'runs', 'STUCK', count(*)
         from (
           select k.run_id
           from incidents i
           join tasks k on k.run_id = i.run_id and k.state = 'STUCK'
           where i.resolved_at is null
           limit $1
         ) stuck
         having count(*) > 0
         union all
         select 'incidents', i.class, count(*)
         from (select class from incidents where resolved_at is null limit $1) i
         group by i.class
         union all
         select 'due', '', greatest(0, extract(epoch from now() - d.due_at))::bigint
         from (
           select due_at from tasks where due_at is not null order by due_at limit 1
         ) d
         union all
         select 'workers', '', count(*)
         from workers
         where alive and lease_until > now()",
    )
    .bind(COUNT_LIMIT)
    .fetch_all(conn)
    .await?;
    let mut status = Status::default();
    for Line { kind, name, number } in lines {
        match kind.as_str() {
            "runs" => status.runs.push((name, number)),
            "incidents" => status.incidents.push((name, number)),
            "due" => status.oldest_due_secs = number,
            _ => status.live_workers = number,
        }
    }
    Ok(status)
}

/// What a stuck run needs a person for.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct OpenIncident {
    /// What kind of need it is.
    pub class: String,
    /// The step at which it came up.
    pub step: Option<String>,
    /// What happened.
    pub message: String,
    /// Alike incidents share it.
    pub fingerprint: String,
    /// Since when.
    pub opened_at: DateTime<Utc>,
}

/// The open incident of a run, if it has one.
///
/// # Errors
/// A database that does not answer, or a cell without its tables.
pub async fn open_incident(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Option<OpenIncident>, sqlx::Error> {
    sqlx::query_as(
        "select class, step, message, fingerprint, opened_at
         from incidents
         where run_id = $1 and resolved_at is null",
    )
    .bind(run_id)
    .fetch_optional(conn)
    .await
}
