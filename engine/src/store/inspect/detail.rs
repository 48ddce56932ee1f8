//! What a run began with and came to, and several runs by their ids. Changes nothing.

use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::RunSummary;

/// What a run began with and came to.
///
/// ```
/// use makegood::inspect::RunDetail;
///
/// fn words(run: &RunDetail) -> String {
///     match (&run.output, &run.cause) {
///         (Some(output), _) => format!("it answered {output}"),
///         (None, Some(cause)) => format!("it was made good: {cause}"),
///         (None, None) => "it has not ended, or was closed".to_owned(),
///     }
/// }
/// ```
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct RunDetail {
    /// The version of the workflow with which it was started.
    pub version: i32,
    /// What it was started with.
    pub input: Value,
    /// What it completed with.
    pub output: Option<Value>,
    /// Why it was made good.
    pub cause: Option<Value>,
    /// The run that started it.
    pub parent_run_id: Option<Uuid>,
    /// The run whose record it goes on from.
    pub forked_from: Option<Uuid>,
}

/// What a run began with and came to, archived or not; `None` when there is no such run.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// if let Some(run) = inspect::detail(conn, run_id).await? {
///     println!("version {}, started with {}", run.version, run.input);
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
        "select version, input, output, cause, parent_run_id, forked_from
         from runs
         where run_id = $1
         union all
         select version, input, output, cause,
           (document #>> '{run,parent_run_id}')::uuid,
           (document #>> '{run,forked_from}')::uuid
         from archived_runs
         where run_id = $1
         limit 1",
    )
    .bind(run_id)
    .fetch_optional(conn)
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
