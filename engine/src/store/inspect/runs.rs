//! Runs as people see them: lists, one run whole, its record, its open incident.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// Among so many runs a part of a workflow id is looked for.
const NEWEST: i64 = 10_000;

/// A run in a list.
///
/// ```
/// use makegood::inspect::RunSummary;
///
/// fn words(run: &RunSummary) -> String {
///     match &run.incident {
///         Some(class) => format!("{} {} needs a person: {class}", run.workflow, run.workflow_id),
///         None => format!("{} {} is {}", run.workflow, run.workflow_id, run.state),
///     }
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
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
    /// The attributes that it was started with, as an object.
    #[sqlx(default)]
    pub attributes: Option<Value>,
}

/// A record of a run.
///
/// ```
/// use makegood::inspect::StepView;
///
/// fn words(step: &StepView) -> String {
///     format!("{:>3} {} {}#{}", step.seq, step.kind, step.name, step.occurrence)
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
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

/// The runs, archived or not, that an id names: the run of which it is the id, or else those that
/// were started with it, of which there is one for each workflow.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// match inspect::named(conn, "booking-1").await?.as_slice() {
///     [run] => println!("{} is {}", run.run_id, run.state),
///     [] => println!("there is none"),
///     several => println!("{} workflows have one of that id", several.len()),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn named(conn: &mut PgConnection, id: &str) -> Result<Vec<RunSummary>, sqlx::Error> {
    let run_id = Uuid::parse_str(id).ok();
    let mut found: Vec<RunSummary> = sqlx::query_as(
        "select *
         from (
           select s.run_id, s.workflow, s.workflow_id, s.state, s.started_at, s.ended_at,
             s.due_at, i.class as incident, s.attributes
           from run_states s
           left join incidents i on i.run_id = s.run_id and i.resolved_at is null
           where s.run_id = $2 or s.workflow_id = $1
           union all
           select a.run_id, a.workflow, a.workflow_id, a.ended_state, a.started_at, a.ended_at,
             null, null, a.attributes
           from archived_runs a
           where a.run_id = $2 or a.workflow_id = $1
         ) x
         order by x.started_at, x.run_id",
    )
    .bind(id)
    .bind(run_id)
    .fetch_all(conn)
    .await?;
    if let Some(at) = found.iter().position(|run| Some(run.run_id) == run_id) {
        return Ok(vec![found.swap_remove(at)]);
    }
    Ok(found)
}

/// One run to look at, archived or not: the first that the id names as in [`named`], or else the
/// oldest, of the newest 10,000 live or ended and the newest 10,000 archived runs, with a workflow id
/// of which it is a part between colons. That part may be another run's as well: what acts on a run
/// goes by [`named`].
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// if let Some(run) = inspect::run(conn, "booking-1").await? {
///     println!("{} is {}", run.run_id, run.state);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn run(conn: &mut PgConnection, id: &str) -> Result<Option<RunSummary>, sqlx::Error> {
    if let Some(named) = named(&mut *conn, id).await?.into_iter().next() {
        return Ok(Some(named));
    }
    sqlx::query_as(
        "select *
         from (
           select s.run_id, s.workflow, s.workflow_id, s.state, s.started_at, s.ended_at,
             s.due_at, i.class as incident, s.attributes
           from (select run_id, workflow_id from runs order by run_id desc limit $2) r
           join run_states s on s.run_id = r.run_id
           left join incidents i on i.run_id = s.run_id and i.resolved_at is null
           where $1 = any(string_to_array(r.workflow_id, ':'))
           union all
           select a.run_id, a.workflow, a.workflow_id, a.ended_state, a.started_at, a.ended_at,
             null, null, a.attributes
           from (select run_id, workflow_id from archived_runs order by run_id desc limit $2) r
           join archived_runs a on a.run_id = r.run_id
           where $1 = any(string_to_array(r.workflow_id, ':'))
         ) x
         order by x.started_at, x.run_id
         limit 1",
    )
    .bind(id)
    .bind(NEWEST)
    .fetch_optional(conn)
    .await
}

/// The record of a run, archived or not.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for step in inspect::steps(conn, run_id).await? {
///     println!("{} {} {}", step.at, step.kind, step.name);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn steps(conn: &mut PgConnection, run_id: Uuid) -> Result<Vec<StepView>, sqlx::Error> {
    sqlx::query_as(
        "select seq, kind, name, occurrence, input, result, undo, attempts, next, at
         from steps
         where run_id = $1
         union all
         select s.seq, s.kind, s.name, s.occurrence,
           case when s.has_input then coalesce(s.input, 'null') end,
           case when s.has_result then coalesce(s.result, 'null') end,
           s.undo, s.attempts, s.next, s.at
         from archived_runs a
         cross join lateral jsonb_to_recordset(a.document -> 'steps') s(seq int, kind text,
           name text, occurrence int, input jsonb, result jsonb, undo text, attempts int,
           next jsonb, at timestamptz, has_input boolean, has_result boolean)
         where a.run_id = $1
         order by seq",
    )
    .bind(run_id)
    .fetch_all(conn)
    .await
}

/// How many runs there are in each state, archived ones among them.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for (state, runs) in inspect::counts(conn).await? {
///     println!("{runs} are {state}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn counts(conn: &mut PgConnection) -> Result<Vec<(String, i64)>, sqlx::Error> {
    sqlx::query_as(
        "select state, count(*)
         from (
           select state from run_states
           union all
           select ended_state from archived_runs
         ) x
         group by state
         order by state",
    )
    .fetch_all(conn)
    .await
}

/// What a stuck run needs a person for.
///
/// ```
/// use makegood::inspect::OpenIncident;
///
/// fn words(incident: &OpenIncident) -> String {
///     let step = incident.step.as_deref().unwrap_or("no step");
///     format!("{} at {step} since {}: {}", incident.class, incident.opened_at, incident.message)
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
pub struct OpenIncident {
    /// What kind of need it is.
    pub class: String,
    /// The step at which it came up.
    pub step: Option<String>,
    /// Which call of that name.
    pub occurrence: Option<i32>,
    /// The call: its input, the activity that undoes it, and whether it is the pivot.
    pub call: Option<Value>,
    /// What happened.
    pub message: String,
    /// Alike incidents share it.
    pub fingerprint: String,
    /// Since when.
    pub opened_at: DateTime<Utc>,
}

/// The open incident of a run, if it has one.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// if let Some(incident) = inspect::open_incident(conn, run_id).await? {
///     println!("{}: {}", incident.class, incident.message);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn open_incident(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Option<OpenIncident>, sqlx::Error> {
    sqlx::query_as(
        "select class, step, occurrence, call, message, fingerprint, opened_at
         from incidents
         where run_id = $1 and resolved_at is null",
    )
    .bind(run_id)
    .fetch_optional(conn)
    .await
}
