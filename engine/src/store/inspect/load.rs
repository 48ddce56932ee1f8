//! What the cell is doing: work by workflow, pace, workers and queues. Each read is bounded.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::COUNT_LIMIT;

/// How many of the newest runs a pace is taken from.
pub const PACE_RUNS: i64 = 10_000;
/// A pace is that of the last so many minutes.
pub const PACE_MINUTES: i64 = 5;
/// Timers are counted up to so many.
pub const TIMER_LIMIT: i64 = 10_000;

/// The live runs of a workflow, of up to [`COUNT_LIMIT`] live runs in all.
///
/// ```
/// use makegood::inspect::WorkflowLoad;
///
/// fn total(load: &WorkflowLoad) -> i64 {
///     load.running + load.waiting + load.compensating + load.stuck + load.paused
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, FromRow)]
#[expect(missing_docs, reason = "the states, and `retrying` among them")]
pub struct WorkflowLoad {
    pub workflow: String,
    pub running: i64,
    pub waiting: i64,
    pub retrying: i64,
    pub compensating: i64,
    pub stuck: i64,
    pub paused: i64,
}

/// The live runs by workflow and state.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for load in inspect::loads(conn).await? {
///     println!("{}: {} waiting, {} retrying", load.workflow, load.waiting, load.retrying);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn loads(conn: &mut PgConnection) -> Result<Vec<WorkflowLoad>, sqlx::Error> {
    sqlx::query_as(
        "select l.workflow,
           coalesce(sum(k.runs) filter (where k.state = 'RUNNING'), 0)::bigint as running,
           coalesce(sum(k.runs) filter (where k.state = 'WAITING'), 0)::bigint as waiting,
           coalesce(sum(k.runs) filter (where k.tried and k.state not in ('STUCK', 'PAUSED')), 0)
             ::bigint as retrying,
           coalesce(sum(k.runs) filter (where k.state = 'COMPENSATING'), 0)::bigint as compensating,
           coalesce(sum(k.runs) filter (where k.state = 'STUCK'), 0)::bigint as stuck,
           coalesce(sum(k.runs) filter (where k.state = 'PAUSED'), 0)::bigint as paused
         from (
           select k.lane, k.state, k.tried, count(*) as runs
           from (select lane, state, tries is not null as tried from tasks limit $1) k
           group by k.lane, k.state, k.tried
         ) k
         join lanes l on l.lane = k.lane
         group by l.workflow
         order by l.workflow",
    )
    .bind(COUNT_LIMIT)
    .fetch_all(conn)
    .await
}

/// How fast runs of a workflow start and end, by the newest [`PACE_RUNS`] runs.
///
/// ```
/// use makegood::inspect::Pace;
///
/// fn undone(pace: &Pace) -> Option<i64> {
///     (100 * pace.compensated).checked_div(pace.completed + pace.compensated)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Pace {
    /// The workflow.
    pub workflow: String,
    /// Runs started in the last [`PACE_MINUTES`].
    pub started: i64,
    /// Runs completed in that time.
    pub completed: i64,
    /// Runs made good in that time.
    pub compensated: i64,
    /// Half of those that ended took at most so long.
    pub half_ms: Option<i64>,
    /// All but one in twenty took at most so long.
    pub most_ms: Option<i64>,
}

/// The pace of each workflow that has one.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for pace in inspect::paces(conn).await? {
///     println!("{}: {} completed", pace.workflow, pace.completed);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn paces(conn: &mut PgConnection) -> Result<Vec<Pace>, sqlx::Error> {
    sqlx::query_as(
        "select r.workflow,
           count(*) filter (where r.started_at >= r.since) as started,
           count(*) filter (where r.ended_state = 'COMPLETED' and r.ended_at >= r.since)
             as completed,
           count(*) filter (where r.ended_state = 'COMPENSATED' and r.ended_at >= r.since)
             as compensated,
           (percentile_cont(0.5) within group (order by r.took_ms)
             filter (where r.ended_at >= r.since))::bigint as half_ms,
           (percentile_cont(0.95) within group (order by r.took_ms)
             filter (where r.ended_at >= r.since))::bigint as most_ms
         from (
           select workflow, started_at, ended_state, ended_at,
             now() - $2 * interval '1 minute' as since,
             1000 * extract(epoch from ended_at - started_at)::float8 as took_ms
           from runs
           order by run_id desc
           limit $1
         ) r
         where r.started_at >= r.since or r.ended_at >= r.since
         group by r.workflow
         order by r.workflow",
    )
    .bind(PACE_RUNS)
    .bind(PACE_MINUTES)
    .fetch_all(conn)
    .await
}

/// A worker, or what is left of one.
///
/// ```
/// use makegood::inspect::WorkerView;
///
/// fn words(worker: &WorkerView) -> String {
///     format!("{} on {} holds {} runs", worker.name, worker.host, worker.held)
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
pub struct WorkerView {
    /// Its life under one id.
    pub incarnation: Uuid,
    /// Its name.
    pub name: String,
    /// The machine it runs on.
    pub host: String,
    /// Its process.
    pub pid: i32,
    /// Whether it may write.
    pub alive: bool,
    /// Until when it may, unless it renews.
    pub lease_until: DateTime<Utc>,
    /// Whether that is over: others take its runs over.
    pub overdue: bool,
    /// Whether it takes nothing new, and ends once what it holds is done or handed back.
    pub draining: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended, or was found dead.
    pub ended_at: Option<DateTime<Utc>>,
    /// Runs that it holds.
    pub held: i64,
    /// What it said of itself when it began: its version, the runs that it takes (`in_flight`),
    /// and its queues.
    pub about: Option<Value>,
    /// What its process says of itself: see [`crate::note`].
    pub notes: Option<Value>,
}

/// The workers that live, and the last 50 that ended, with what they hold.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let held: i64 = inspect::workers(conn).await?.iter().map(|worker| worker.held).sum();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn workers(conn: &mut PgConnection) -> Result<Vec<WorkerView>, sqlx::Error> {
    sqlx::query_as(
        "select w.incarnation, w.name, w.host, w.pid, w.alive, w.lease_until,
           w.alive and w.lease_until <= now() as overdue,
           w.alive and coalesce(w.notes ? 'draining', false) as draining, w.started_at, w.ended_at, h.held,
           w.about, w.notes
         from (
           (select * from workers where alive)
           union all
           (select * from workers where not alive order by ended_at desc limit 50)
         ) w
         cross join lateral (
           select count(*) as held
           from (select 1 from tasks k where k.owner = w.incarnation limit $1) x
         ) h
         order by w.alive desc, w.name, w.started_at desc",
    )
    .bind(COUNT_LIMIT)
    .fetch_all(conn)
    .await
}

/// What waits in a queue for a worker, and what will soon.
///
/// ```
/// use makegood::inspect::Backlog;
///
/// fn is_late(backlog: &Backlog) -> bool {
///     backlog.oldest_secs > 60
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Backlog {
    /// The queue.
    pub queue: String,
    /// Runs that are due, up to [`TIMER_LIMIT`] a part of a lane.
    pub due: i64,
    /// For how many seconds its oldest due run has waited; 0 when none is due.
    pub oldest_secs: i64,
    /// Runs that become due in the next [`PACE_MINUTES`], up to [`TIMER_LIMIT`] a part of a lane.
    pub soon: i64,
}

/// The backlog of every queue in use.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let oldest = inspect::backlogs(conn).await?.iter().map(|b| b.oldest_secs).max();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn backlogs(conn: &mut PgConnection) -> Result<Vec<Backlog>, sqlx::Error> {
    sqlx::query_as(
        "select l.queue,
           coalesce(greatest(0, extract(epoch from now() - min(d.due_at))), 0)::bigint
             as oldest_secs,
           sum(d.due)::bigint as due,
           sum(d.soon)::bigint as soon
         from lanes l
         cross join lateral (
           select
             (
               select k.due_at
               from tasks k
               where k.lane = l.lane and k.part = p.part and k.due_at is not null
               order by k.due_at
               limit 1
             ) as due_at,
             (
               select count(*)
               from (
                 select 1
                 from tasks k
                 where k.lane = l.lane and k.part = p.part and k.due_at <= now()
                 limit $2
               ) x
             ) as due,
             (
               select count(*)
               from (
                 select 1
                 from tasks k
                 where k.lane = l.lane and k.part = p.part and k.due_at > now()
                   and k.due_at <= now() + $1 * interval '1 minute'
                 limit $2
               ) x
             ) as soon
           from (values (0), (1), (2)) p(part)
           offset 0
         ) d
         group by l.queue
         order by l.queue",
    )
    .bind(PACE_MINUTES)
    .bind(TIMER_LIMIT)
    .fetch_all(conn)
    .await
}

/// The states of some runs; those that are archived or unknown are missing.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, ids: &[uuid::Uuid]) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let stuck = inspect::states(conn, ids).await?.into_iter().filter(|(_, state)| state == "STUCK");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn states(
    conn: &mut PgConnection,
    runs: &[Uuid],
) -> Result<Vec<(Uuid, String)>, sqlx::Error> {
    sqlx::query_as("select run_id, state from run_states where run_id = any($1)")
        .bind(runs)
        .fetch_all(conn)
        .await
}
