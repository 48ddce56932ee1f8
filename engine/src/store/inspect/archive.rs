//! Archived runs, whole. Changes nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A run in the archive.
///
/// ```
/// use makegood::inspect::ArchivedRun;
///
/// fn words(run: &ArchivedRun) -> String {
///     format!("{} {} ended as {} at {}", run.workflow, run.workflow_id, run.state, run.ended_at)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, FromRow)]
pub struct ArchivedRun {
    /// The run's id.
    pub run_id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// The id that its starter chose.
    pub workflow_id: String,
    /// What it was started with.
    pub input: Value,
    /// `COMPLETED`, `COMPENSATED` or `CLOSED`.
    pub state: String,
    /// What it completed with.
    pub output: Option<Value>,
    /// Why it was made good.
    pub cause: Option<Value>,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// When it was archived.
    pub archived_at: DateTime<Utc>,
    /// Whatever else was recorded: `run`, `steps`, `signals`, `incidents` and `actions`, each row
    /// an object, and `published`.
    pub document: Value,
}

/// A run of the archive with all that was recorded of it; `None` when it is not archived.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// if let Some(run) = inspect::archived(conn, run_id).await? {
///     println!("what operators did to {}: {}", run.workflow_id, run.document["actions"]);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn archived(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Option<ArchivedRun>, sqlx::Error> {
    sqlx::query_as(
        "select run_id, workflow, workflow_id, input, ended_state as state, output, cause,
           started_at, ended_at, archived_at, document
         from archived_runs
         where run_id = $1",
    )
    .bind(run_id)
    .fetch_optional(conn)
    .await
}
