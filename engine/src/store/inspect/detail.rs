//! One run, whole: how it stands, and by what it can be seen to have moved; several by their ids.
//! Changes nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::RunSummary;

pub use crate::next::{FailedTries, Next};

/// How a run stands, live, ended or archived.
///
/// ```
/// use makegood::inspect::RunDetail;
///
/// fn words(run: &RunDetail) -> String {
///     let tries: u32 = run.tries.values().map(|tries| tries.failed).sum();
///     format!("{} {} is {}, {tries} failed attempts", run.workflow, run.workflow_id, run.state)
/// }
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize, FromRow)]
pub struct RunDetail {
    /// The run's id.
    pub run_id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// The id that its starter chose.
    pub workflow_id: String,
    /// The version with which it was started.
    pub version: i32,
    /// One of the eight run states.
    pub state: String,
    /// What it was started with.
    pub input: Value,
    /// What it completed with.
    pub output: Option<Value>,
    /// Why it was made good or closed, once it has ended so.
    pub cause: Option<Value>,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// When it was archived.
    pub archived_at: Option<DateTime<Utc>>,
    /// When something was recorded last.
    pub recorded_at: Option<DateTime<Utc>>,
    /// How many rows its record has.
    pub rows: i32,
    /// When it is looked at next.
    pub due_at: Option<DateTime<Utc>>,
    /// The name and host of the worker that holds it.
    pub worker: Option<String>,
    /// The deadline of each open wait.
    #[sqlx(json)]
    pub waits: BTreeMap<String, DateTime<Utc>>,
    /// The failed attempts of each open call.
    #[sqlx(json)]
    pub tries: BTreeMap<String, FailedTries>,
    /// How many workers it has outlived since it last went on.
    pub crashes: i32,
    /// How often it was claimed.
    pub claims: i32,
    /// The run that started it as its child.
    pub parent_run_id: Option<Uuid>,
    /// The run whose record it was forked from.
    pub forked_from: Option<Uuid>,
    /// Its queue.
    pub queue: Option<String>,
    /// On whose account it takes its turns.
    pub share: Option<String>,
    /// The attributes that it was started with, as an object.
    pub attributes: Option<Value>,
    /// How many workers hold a valid lease.
    pub live_workers: i64,
    /// The database's time of this look.
    pub read_at: DateTime<Utc>,
}

/// How the run of this id stands; `None` when there is none, live or archived.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// if let Some(run) = inspect::detail(conn, run_id).await? {
///     println!("{}", run.next());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn detail(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Option<RunDetail>, sqlx::Error> {
    sqlx::query_as(
        "select r.run_id, r.workflow, r.workflow_id, r.version,
           coalesce(r.ended_state, k.state, '') as state, r.input, r.output, r.cause,
           r.started_at, r.ended_at, null::timestamptz as archived_at, s.at as recorded_at,
           coalesce(s.seq + 1, 0) as rows, k.due_at, w.name || ' on ' || w.host as worker,
           coalesce(k.waits, '{}') as waits, coalesce(k.tries, '{}') as tries,
           coalesce(k.crashes, 0) as crashes, coalesce(k.epoch, 0) as claims, r.parent_run_id,
           r.forked_from, l.queue, l.share, r.attributes, n.live_workers, now() as read_at
         from runs r
         cross join lateral (
           select count(*) as live_workers from workers where alive and lease_until > now()
         ) n
         left join tasks k on k.run_id = r.run_id
         left join workers w on w.incarnation = k.owner
         left join lanes l on l.lane = coalesce(k.lane, r.lane)
         left join lateral (
           select seq, at from steps where run_id = r.run_id order by seq desc limit 1
         ) s on true
         where r.run_id = $1
         union all
         select a.run_id, a.workflow, a.workflow_id, a.version, a.ended_state, a.input, a.output,
           a.cause, a.started_at, a.ended_at, a.archived_at,
           (a.document #>> '{steps,-1,at}')::timestamptz,
           jsonb_array_length(a.document -> 'steps'), null, null, '{}', '{}', 0, 0,
           (a.document #>> '{run,parent_run_id}')::uuid,
           (a.document #>> '{run,forked_from}')::uuid, l.queue, l.share, a.attributes, 0, now()
         from archived_runs a
         left join lanes l on l.lane = (a.document #>> '{run,lane}')::bigint
         where a.run_id = $1",
    )
    .bind(run_id)
    .fetch_optional(conn)
    .await
}

/// A text that is another one once the run has moved: it was claimed, has recorded something, got
/// mail, was parked, acted on, or has ended. `None` when there is no such run. It costs a few index
/// probes, whatever the run has recorded.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let before = inspect::pulse(conn, run_id).await?;
/// // later
/// if inspect::pulse(conn, run_id).await? != before {
///     println!("look again");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn pulse(conn: &mut PgConnection, run_id: Uuid) -> Result<Option<String>, sqlx::Error> {
    Ok(super::pulses(conn, &[run_id]).await?.pop().map(|(_, pulse)| pulse))
}

/// A text that is another one once anything was written in the database: the position of its
/// log. Constant in cost; it moves with every lease that is renewed, so it says that a look may
/// be worth its price, and no more.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// let before = makegood::inspect::tide(conn).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn tide(conn: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar(
        "select case
           when pg_is_in_recovery() then pg_last_wal_replay_lsn()
           else pg_current_wal_insert_lsn()
         end::text",
    )
    .fetch_one(conn)
    .await
}

/// The runs of these ids, archived or not, the oldest first; an id that is none is left out.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, ids: &[uuid::Uuid]) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for run in inspect::runs_of(conn, ids).await? {
///     println!("{} is {}", run.workflow_id, run.state);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn runs_of(
    conn: &mut PgConnection,
    run_ids: &[Uuid],
) -> Result<Vec<RunSummary>, sqlx::Error> {
    sqlx::query_as(
        "select *
         from (
           select s.run_id, s.workflow, s.workflow_id, s.state, s.started_at, s.ended_at,
             s.due_at, i.class as incident, s.attributes
           from run_states s
           left join incidents i on i.run_id = s.run_id and i.resolved_at is null
           where s.run_id = any($1)
           union all
           select a.run_id, a.workflow, a.workflow_id, a.ended_state, a.started_at, a.ended_at,
             null, null, a.attributes
           from archived_runs a
           where a.run_id = any($1)
         ) x
         order by x.started_at, x.run_id",
    )
    .bind(run_ids)
    .fetch_all(conn)
    .await
}
