//! Runs: their start, and how they ended.

use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

/// A run about to be started.
pub(crate) struct NewRun<'a> {
    pub(crate) run_id: Uuid,
    pub(crate) workflow: &'a str,
    pub(crate) version: i32,
    pub(crate) workflow_id: &'a str,
    pub(crate) input: &'a str,
}

/// Writes a run and its task; `false` when the workflow id is taken, by a run that may be archived.
/// The second statement sees what the first may have waited for.
pub(crate) async fn insert(conn: &mut PgConnection, run: &NewRun<'_>) -> Result<bool, sqlx::Error> {
    let started = sqlx::query(
        "insert into runs (run_id, workflow, version, workflow_id, input)
         values ($1, $2, $3, $4, $5::jsonb)
         on conflict (workflow, workflow_id) do nothing",
    )
    .bind(run.run_id)
    .bind(run.workflow)
    .bind(run.version)
    .bind(run.workflow_id)
    .bind(run.input)
    .execute(&mut *conn)
    .await?;
    if started.rows_affected() == 0 {
        return Ok(false);
    }
    let queued = sqlx::query(
        "insert into tasks (run_id, workflow, due_at)
         select r.run_id, r.workflow, r.started_at
         from runs r
         where r.run_id = $1
           and not exists (
             select 1
             from archived_runs a
             where a.workflow_id = $2 and a.workflow = $3
           )",
    )
    .bind(run.run_id)
    .bind(run.workflow_id)
    .bind(run.workflow)
    .execute(&mut *conn)
    .await?;
    if queued.rows_affected() == 1 {
        return Ok(true);
    }
    sqlx::query("delete from runs where run_id = $1").bind(run.run_id).execute(conn).await?;
    Ok(false)
}

/// The run that holds a workflow id, and whether it was started with this input.
pub(crate) async fn holder(
    conn: &mut PgConnection,
    run: &NewRun<'_>,
) -> Result<(Uuid, bool), sqlx::Error> {
    let row = sqlx::query(
        "select run_id, input = $3::jsonb as same
         from runs
         where workflow = $1 and workflow_id = $2
         union all
         select run_id, input = $3::jsonb
         from archived_runs
         where workflow = $1 and workflow_id = $2
         limit 1",
    )
    .bind(run.workflow)
    .bind(run.workflow_id)
    .bind(run.input)
    .fetch_one(conn)
    .await?;
    Ok((row.try_get("run_id")?, row.try_get("same")?))
}

/// What a completed run ended with, keeping the run from being archived until the transaction
/// ends; `None` when it is archived.
pub(crate) async fn output(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Option<Option<String>>, sqlx::Error> {
    sqlx::query_scalar(
        "select output::text
         from runs
         where run_id = $1
         for key share",
    )
    .bind(run_id)
    .fetch_optional(conn)
    .await
}

/// A run's end: its state, its output and why it was made good; `None` while it lives.
pub(crate) async fn ending(
    pool: &PgPool,
    run_id: Uuid,
) -> Result<Option<(String, Option<String>, Option<String>)>, sqlx::Error> {
    let row = sqlx::query(
        "select ended_state, output::text as output, cause::text as cause
         from runs
         where run_id = $1 and ended_state is not null
         union all
         select ended_state, output::text, cause::text
         from archived_runs
         where run_id = $1
         limit 1",
    )
    .bind(run_id)
    .fetch_optional(pool)
    .await?;
    row.map(|row| Ok((row.try_get("ended_state")?, row.try_get("output")?, row.try_get("cause")?)))
        .transpose()
}
