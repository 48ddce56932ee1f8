//! The archive: runs that ended long ago, a row each. Nothing in it is ever live again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::action::StoredSignal;
use crate::journal::Payload;

/// A run that was looked at: one that may be archived, or the last of the page.
#[derive(Debug, Clone, Copy, FromRow)]
pub(crate) struct Seen {
    pub(crate) run_id: Uuid,
    /// It ended long enough ago.
    pub(crate) ripe: bool,
    /// It was started long enough ago that one after it may be ripe.
    pub(crate) old: bool,
    pub(crate) steps: i64,
    /// How many runs the page had.
    pub(crate) looked_at: i64,
}

/// Looks at the next runs after `cursor` in the order of their ids, which is that of their starts.
/// It locks none.
pub(crate) async fn look(
    conn: &mut PgConnection,
    cursor: Uuid,
    page: i64,
    ended_before: DateTime<Utc>,
) -> Result<Vec<Seen>, sqlx::Error> {
    sqlx::query_as(
        "with page as materialized (
           select run_id, started_at, ended_at
           from runs
           where run_id > $1
           order by run_id
           limit $2
         ),
         last as materialized (
           select run_id from page order by run_id desc limit 1
         ),
         seen as materialized (
           select p.run_id, coalesce(p.ended_at <= $3, false) as ripe, p.started_at <= $3 as old
           from page p
         )
         select s.run_id, s.ripe, s.old,
           case when s.ripe then (
             select count(*) from steps t where t.run_id = s.run_id
           ) else 0 end as steps,
           (select count(*) from page) as looked_at
         from seen s
         where s.ripe or s.run_id = (select run_id from last)
         order by s.run_id",
    )
    .bind(cursor)
    .bind(page)
    .bind(ended_before)
    .fetch_all(conn)
    .await
}

/// Locks ended runs, leaving out those that somebody else has locked: a late signal, for one.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    run_ids: &[Uuid],
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select run_id
         from runs
         where run_id = any($1) and ended_state is not null
         order by run_id
         for update skip locked",
    )
    .bind(run_ids)
    .fetch_all(conn)
    .await
}

/// Copies locked runs into the archive, with all that was recorded of them. A value that is JSON's
/// `null` and one that is not there are told apart by `has_input` and `has_result`.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    run_ids: &[Uuid],
    at: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "insert into archived_runs (run_id, workflow, workflow_id, version, input, ended_state,
           output, cause, attributes, started_at, ended_at, archived_at, document)
         select r.run_id, r.workflow, r.workflow_id, r.version, r.input, r.ended_state,
           r.output, r.cause, r.attributes, r.started_at, r.ended_at, $2, row_to_json(d)::jsonb
         from runs r
         cross join lateral (
           select
             row_to_json(r)::jsonb - '{input,output,cause}'::text[] as run,
             coalesce((
               select jsonb_agg(x order by x.seq)
               from (
                 select s.*, s.input is not null as has_input, s.result is not null as has_result
                 from steps s
                 where s.run_id = r.run_id
               ) x
             ), '[]') as steps,
             coalesce((
               select jsonb_agg(g order by g.received_at, g.signal_id)
               from signals g
               where g.run_id = r.run_id
             ), '[]') as signals,
             coalesce((
               select jsonb_agg(i order by i.opened_at, i.incident_id)
               from incidents i
               where i.run_id = r.run_id
             ), '[]') as incidents,
             coalesce((
               select jsonb_agg(a order by a.at, a.action_id)
               from operator_actions a
               where a.run_id = r.run_id
             ), '[]') as actions,
             coalesce((
               select jsonb_object_agg(p.key, p.value)
               from published p
               where p.run_id = r.run_id
             ), '{}') as published
         ) d
         where r.run_id = any($1)",
    )
    .bind(run_ids)
    .bind(at)
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
}

/// Removes archived runs from the tables of live ones, in statements of their own: each uses the
/// index of its table.
pub(crate) async fn clear(conn: &mut PgConnection, run_ids: &[Uuid]) -> Result<(), sqlx::Error> {
    for sql in [
        "delete from steps where run_id = any($1)",
        "delete from signals where run_id = any($1)",
        "delete from published where run_id = any($1)",
        "delete from incidents where run_id = any($1)",
        "delete from operator_actions where run_id = any($1)",
        "delete from runs where run_id = any($1)",
    ] {
        sqlx::query(sql).bind(run_ids).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Locks archived runs that have been kept long enough.
pub(crate) async fn lock_expired(
    conn: &mut PgConnection,
    ended_before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select run_id
         from archived_runs
         where ended_at <= $1
         order by ended_at
         limit $2
         for update skip locked",
    )
    .bind(ended_before)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Keeps what operators did to archived runs that are about to be deleted.
pub(crate) async fn keep_actions(
    conn: &mut PgConnection,
    run_ids: &[Uuid],
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into kept_actions (action_id, run_id, workflow, workflow_id, action, deleted_at)
         select (x.value ->> 'action_id')::uuid, a.run_id, a.workflow, a.workflow_id, x.value, $2
         from archived_runs a
         cross join lateral jsonb_array_elements(a.document -> 'actions') x
         where a.run_id = any($1)",
    )
    .bind(run_ids)
    .bind(at)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Deletes archived runs for good.
pub(crate) async fn delete(conn: &mut PgConnection, run_ids: &[Uuid]) -> Result<u64, sqlx::Error> {
    sqlx::query("delete from archived_runs where run_id = any($1)")
        .bind(run_ids)
        .execute(conn)
        .await
        .map(|done| done.rows_affected())
}

/// An archived run that a signal has come to, locked.
#[derive(Debug, FromRow)]
pub(crate) struct Addressee {
    pub(crate) output: Option<String>,
    /// It has a signal with this id already.
    pub(crate) repeated: bool,
    now: DateTime<Utc>,
}

/// Locks the archived run that a signal has come to; `None` when it is not archived.
pub(crate) async fn lock_addressee(
    conn: &mut PgConnection,
    run_id: Uuid,
    signal_id: &str,
) -> Result<Option<Addressee>, sqlx::Error> {
    sqlx::query_as(
        "select output::text as output, now() as now,
           exists (
             select 1
             from jsonb_array_elements(document -> 'signals') s
             where s.value ->> 'signal_id' = $2
           ) as repeated
         from archived_runs
         where run_id = $1
         for update",
    )
    .bind(run_id)
    .bind(signal_id)
    .fetch_optional(conn)
    .await
}

/// A signal as its row would be.
#[derive(Serialize)]
struct SignalRow<'a> {
    run_id: Uuid,
    signal_id: &'a str,
    kind: &'a str,
    payload: &'a Payload,
    received_at: DateTime<Utc>,
}

/// Adds a signal to a locked archived run.
pub(crate) async fn add_signal(
    conn: &mut PgConnection,
    run_id: Uuid,
    signal: &StoredSignal,
    addressee: &Addressee,
) -> Result<(), sqlx::Error> {
    let StoredSignal { id, kind, payload } = signal;
    let received_at = addressee.now;
    let row = SignalRow { run_id, signal_id: id, kind, payload, received_at };
    let row = serde_json::to_string(&row).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    sqlx::query(
        "update archived_runs
         set document = jsonb_insert(document, '{signals,-1}', $2::jsonb, true)
         where run_id = $1",
    )
    .bind(run_id)
    .bind(row)
    .execute(conn)
    .await
    .map(|_| ())
}

/// The time a duration before `now`; the beginning of time when there is none.
pub(crate) fn before(now: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    let duration = chrono::TimeDelta::from_std(duration).ok();
    duration.and_then(|it| now.checked_sub_signed(it)).unwrap_or(DateTime::UNIX_EPOCH)
}
