//! Long records a part at a time, so that nobody has to hold one whole. Changes nothing.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Published, StepView};

/// Rows of a part at most.
const ROWS: i64 = 64;
/// Bytes of a part, unless its first row alone is longer.
const BYTES: i64 = 2 * 1024 * 1024;

/// The record of a run, live, ended or archived, from a row on: as many as make a handy part, at
/// least one. None are left when it is empty.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let mut from = 0;
/// while let Some(last) = inspect::steps_from(conn, run_id, from).await?.last() {
///     from = last.seq + 1;
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn steps_from(
    conn: &mut PgConnection,
    run_id: Uuid,
    from: i32,
) -> Result<Vec<StepView>, sqlx::Error> {
    sqlx::query_as(
        "select p.seq, p.kind, p.name, p.occurrence, p.input, p.result, p.undo, p.attempts, p.next,
           p.at
         from (
           select x.*,
             sum(octet_length(concat(x.input, x.result, x.next))) over (order by x.seq) as bytes,
             row_number() over (order by x.seq) as number
           from (
             (
               select seq, kind, name, occurrence, input, result, undo, attempts, next, at
               from steps
               where run_id = $1 and seq >= $2
               order by seq
               limit $3
             )
             union all
             (
               select d.seq, d.kind, d.name, d.occurrence,
                 case when d.has_input then coalesce(d.input, 'null') end,
                 case when d.has_result then coalesce(d.result, 'null') end,
                 d.undo, d.attempts, d.next, d.at
               from archived_runs a
               cross join lateral jsonb_to_recordset(a.document -> 'steps') d(seq int, kind text,
                 name text, occurrence int, input jsonb, result jsonb, undo text, attempts int,
                 next jsonb, at timestamptz, has_input boolean, has_result boolean)
               where a.run_id = $1 and d.seq >= $2
             )
           ) x
         ) p
         where p.bytes <= $4 or p.number = 1
         order by p.seq",
    )
    .bind(run_id)
    .bind(from)
    .bind(ROWS)
    .bind(BYTES)
    .fetch_all(conn)
    .await
}

/// The payloads of some signals of a run, archived or not, by their ids.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let ids = ["pay-1".to_owned()];
/// for (signal_id, payload) in inspect::payloads(conn, run_id, &ids).await? {
///     println!("{signal_id}: {payload}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn payloads(
    conn: &mut PgConnection,
    run_id: Uuid,
    signal_ids: &[String],
) -> Result<Vec<(String, Value)>, sqlx::Error> {
    sqlx::query_as(
        "select signal_id, payload
         from signals
         where run_id = $1 and signal_id = any($2)
         union all
         select d.signal_id, d.payload
         from archived_runs a
         cross join lateral jsonb_to_recordset(a.document -> 'signals') d(signal_id text,
           payload jsonb)
         where a.run_id = $1 and d.signal_id = any($2)",
    )
    .bind(run_id)
    .bind(signal_ids)
    .fetch_all(conn)
    .await
}

/// What a run, archived or not, shows of itself, by name, behind a name: a handy part of it.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let mut behind = String::new();
/// while let Some(last) = inspect::published_behind(conn, run_id, &behind).await?.pop() {
///     behind = last.key;
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn published_behind(
    conn: &mut PgConnection,
    run_id: Uuid,
    behind: &str,
) -> Result<Vec<Published>, sqlx::Error> {
    // One is 256 KiB long at most.
    sqlx::query_as(
        "select *
         from (
           select key, value, at
           from published
           where run_id = $1 and key > $2
           union all
           select d.key, d.value, null
           from archived_runs a
           cross join lateral jsonb_each(a.document -> 'published') d
           where a.run_id = $1 and d.key > $2
         ) x
         order by x.key
         limit 8",
    )
    .bind(run_id)
    .bind(behind)
    .fetch_all(conn)
    .await
}
