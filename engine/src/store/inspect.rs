//! Reads for people: lists, one run whole, counts, and the engine's invariants. Changes nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A run in a list.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct RunSummary {
    /// The run's id.
    pub run_id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// The id that its starter chose.
    pub workflow_id: String,
    /// One of the eight run states.
    pub state: String,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// When it is looked at next.
    pub due_at: Option<DateTime<Utc>>,
    /// The class of its open incident.
    pub incident: Option<String>,
}

/// A record of a run.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct StepView {
    /// Its place in the record.
    pub seq: i32,
    /// What it records.
    pub kind: String,
    /// The step's name.
    pub name: String,
    /// Which call of that name.
    pub occurrence: i32,
    /// The step's input, where it is kept.
    pub input: Option<Value>,
    /// Its result.
    pub result: Option<Value>,
    /// The activity that undoes it.
    pub undo: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// The outside step that was about to be tried.
    pub next: Option<Value>,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

/// A fault found by the audit: what was promised, and where it does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Fault {
    /// The invariant's name.
    pub invariant: String,
    /// The run or worker.
    pub subject: String,
    /// What was found.
    pub detail: String,
}

/// The newest runs, optionally of one state or workflow.
pub async fn list(
    conn: &mut PgConnection,
    state: Option<&str>,
    workflow: Option<&str>,
    limit: i64,
) -> Result<Vec<RunSummary>, sqlx::Error> {
    sqlx::query_as(
        "select s.run_id, s.workflow, s.workflow_id, s.state, s.started_at, s.ended_at, s.due_at,
           i.class as incident
         from run_states s
         left join incidents i on i.run_id = s.run_id and i.resolved_at is null
         where ($1::text is null or s.state = $1) and ($2::text is null or s.workflow = $2)
         order by s.started_at desc
         limit $3",
    )
    .bind(state)
    .bind(workflow)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// One run, by its id or by the id that its starter chose.
pub async fn run(conn: &mut PgConnection, id: &str) -> Result<Option<RunSummary>, sqlx::Error> {
    sqlx::query_as(
        "select s.run_id, s.workflow, s.workflow_id, s.state, s.started_at, s.ended_at, s.due_at,
           i.class as incident
         from run_states s
         left join incidents i on i.run_id = s.run_id and i.resolved_at is null
         where s.run_id::text = $1 or s.workflow_id = $1
         order by s.started_at
         limit 1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
}

/// The record of a run.
pub async fn steps(conn: &mut PgConnection, run_id: Uuid) -> Result<Vec<StepView>, sqlx::Error> {
    sqlx::query_as(
        "select seq, kind, name, occurrence, input, result, undo, attempts, next, at
         from steps
         where run_id = $1
         order by seq",
    )
    .bind(run_id)
    .fetch_all(conn)
    .await
}

/// How many runs there are in each state.
pub async fn counts(conn: &mut PgConnection) -> Result<Vec<(String, i64)>, sqlx::Error> {
    sqlx::query_as("select state, count(*) from run_states group by state order by state")
        .fetch_all(conn)
        .await
}

/// Where the engine's promises do not hold.
pub async fn faults(conn: &mut PgConnection) -> Result<Vec<Fault>, sqlx::Error> {
    sqlx::query_as(
        "select 'a live run has a task' as invariant, r.run_id::text as subject,
           'no task' as detail
         from runs r
         where r.ended_state is null and not exists (
           select 1 from tasks k where k.run_id = r.run_id)
         union all
         select 'an ended run has no task', k.run_id::text, 'still queued as ' || k.state
         from tasks k
         join runs r on r.run_id = k.run_id
         where r.ended_state is not null
         union all
         select 'a live run has a lease, a due time, a dated wait or an incident',
           k.run_id::text, 'owner ' || coalesce(k.owner::text, 'none')
         from tasks k
         where (k.owner is not null)::int + (k.due_at is not null)::int
           + (k.incident_id is not null)::int <> 1
         union all
         select 'a run is held by a living worker', k.run_id::text,
           'held by the dead ' || k.owner::text
         from tasks k
         left join workers w on w.incarnation = k.owner
         where k.owner is not null and (w.incarnation is null or not w.alive)
         union all
         select 'an open incident belongs to a stuck run', i.run_id::text, i.class
         from incidents i
         left join tasks k on k.run_id = i.run_id
         where i.resolved_at is null and k.incident_id is distinct from i.incident_id
         union all
         select 'a record has no gap', s.run_id::text,
           count(*)::text || ' rows, the last is ' || max(s.seq)::text
         from steps s
         group by s.run_id
         having count(*) <> max(s.seq) + 1
         union all
         select 'a step is recorded once', s.run_id::text, s.name || '#' || s.occurrence::text
         from steps s
         where s.kind in ('done', 'rejected', 'signal', 'timeout', 'slept', 'undone', 'closed')
         group by s.run_id, s.name, s.occurrence, s.kind = 'undone'
         having count(*) > 1
         union all
         select 'a compensated run has undone every step', s.run_id::text,
           s.name || '#' || s.occurrence::text
         from steps s
         join runs r on r.run_id = s.run_id and r.ended_state = 'COMPENSATED'
         where s.kind = 'done' and s.undo is not null and not exists (
           select 1
           from steps u
           where u.run_id = s.run_id and u.kind = 'undone' and u.name = s.name
             and u.occurrence = s.occurrence)",
    )
    .fetch_all(conn)
    .await
}
