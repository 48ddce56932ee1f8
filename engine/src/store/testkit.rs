//! What the test kit asks of a cell, and how it moves the cell's time. No part of a release build.

use std::time::Duration;

use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::action::StoredSignal;
use crate::store::signals;

/// How far the runs of a cell are.
#[derive(Debug, Clone, Copy, FromRow)]
pub(crate) struct Rest {
    /// Runs that have not ended.
    pub(crate) live: i64,
    /// Those that a worker holds, or could claim now.
    pub(crate) moving: i64,
    /// Those that need a person.
    pub(crate) stuck: i64,
    /// Milliseconds until the next of the others is due.
    pub(crate) next_ms: Option<i64>,
}

/// How far the runs of the cell are.
pub(crate) async fn rest(conn: &mut PgConnection) -> Result<Rest, sqlx::Error> {
    sqlx::query_as(
        "select count(*) as live,
           count(*) filter (where owner is not null or due_at <= now()) as moving,
           count(incident_id) as stuck,
           ceil(extract(epoch from min(due_at) - now()) * 1000)::bigint as next_ms
         from tasks",
    )
    .fetch_one(conn)
    .await
}

/// Moves every timer and every wait of the cell nearer; how many there were.
pub(crate) async fn advance(conn: &mut PgConnection, by: Duration) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "with nearer as materialized (
           select run_id,
             due_at - $1 * interval '1 ms' as due,
             (
               select jsonb_object_agg(w.key, w.value::timestamptz - $1 * interval '1 ms')
               from jsonb_each_text(waits) w
             ) as waits,
             (
               select jsonb_object_agg(t.key, jsonb_set(t.value, '{not_before}', to_jsonb(
                 (t.value ->> 'not_before')::timestamptz - $1 * interval '1 ms')))
               from jsonb_each(tries) t
             ) as tries
           from tasks
           where due_at > now()
           order by run_id
           for update
         )
         update tasks k
         set due_at = n.due, waits = n.waits, tries = n.tries
         from nearer n
         where k.run_id = any(array(select run_id from nearer)) and k.run_id = n.run_id",
    )
    .bind(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
}

/// Lets the lease of a worker that is known to be dead run out now.
pub(crate) async fn expire(conn: &mut PgConnection, worker: &str) -> Result<(), sqlx::Error> {
    sqlx::query("update workers set lease_until = now() where name = $1 and alive")
        .bind(worker)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Whether a worker of this name holds a lease.
pub(crate) async fn holds_lease(
    conn: &mut PgConnection,
    worker: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (
           select 1 from workers where name = $1 and alive and lease_until > now()
         )",
    )
    .bind(worker)
    .fetch_one(conn)
    .await
}

/// An open incident of any run of the cell, as a sentence.
pub(crate) async fn incident(conn: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select r.workflow || ' is stuck at ' || coalesce(i.step, 'no step') || ': ' || i.class
           || ': ' || i.message
         from incidents i
         join runs r on r.run_id = i.run_id
         where i.resolved_at is null
         order by i.opened_at
         limit 1",
    )
    .fetch_optional(conn)
    .await
}

/// A row of a run's record.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Recorded {
    pub(crate) run_id: Uuid,
    pub(crate) seq: i32,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) occurrence: i32,
    pub(crate) pivot: bool,
    pub(crate) result: Option<String>,
}

/// The records of every run of the cell.
pub(crate) async fn records(conn: &mut PgConnection) -> Result<Vec<Recorded>, sqlx::Error> {
    sqlx::query_as(
        "select run_id, seq, kind, name, occurrence, pivot, result::text as result
         from steps
         order by run_id, seq",
    )
    .fetch_all(conn)
    .await
}

/// Whether the run has recorded a result of this step.
pub(crate) async fn has_done(
    conn: &mut PgConnection,
    run_id: Uuid,
    step: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (
           select 1 from steps where run_id = $1 and name = $2 and kind = 'done'
         )",
    )
    .bind(run_id)
    .bind(step)
    .fetch_one(conn)
    .await
}

/// The signals of a run in the order in which they came, but for those of the engine itself.
pub(crate) async fn signals_of(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Vec<StoredSignal>, sqlx::Error> {
    let json: Option<String> = sqlx::query_scalar(
        "select json_agg(json_build_array(signal_id, kind, payload)
           order by received_at, signal_id)::text
         from signals
         where run_id = $1 and signal_id not like '$%'",
    )
    .bind(run_id)
    .fetch_one(conn)
    .await?;
    signals::read(json.as_deref()).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
