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

/// Writes a run and its task; `false` when the workflow id is taken.
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
    sqlx::query("insert into tasks (run_id, workflow) values ($1, $2)")
        .bind(run.run_id)
        .bind(run.workflow)
        .execute(conn)
        .await?;
    Ok(true)
}

/// The run that holds a workflow id, and whether it was started with this input.
pub(crate) async fn holder(
    conn: &mut PgConnection,
    run: &NewRun<'_>,
) -> Result<(Uuid, bool), sqlx::Error> {
    let row = sqlx::query(
        "select run_id, input = $3::jsonb as same
         from runs
         where workflow = $1 and workflow_id = $2",
    )
    .bind(run.workflow)
    .bind(run.workflow_id)
    .bind(run.input)
    .fetch_one(conn)
    .await?;
    Ok((row.try_get("run_id")?, row.try_get("same")?))
}

/// What a completed run ended with.
pub(crate) async fn output(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select output::text
         from runs
         where run_id = $1",
    )
    .bind(run_id)
    .fetch_one(conn)
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
         where run_id = $1 and ended_state is not null",
    )
    .bind(run_id)
    .fetch_optional(pool)
    .await?;
    row.map(|row| Ok((row.try_get("ended_state")?, row.try_get("output")?, row.try_get("cause")?)))
        .transpose()
}

/// Ends a run as it stands.
pub(crate) async fn close(
    conn: &mut PgConnection,
    run_id: Uuid,
    cause: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update runs
         set ended_state = 'CLOSED', cause = $2::jsonb, ended_at = now()
         where run_id = $1 and ended_state is null",
    )
    .bind(run_id)
    .bind(cause)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Says which run this one was forked from.
pub(crate) async fn set_origin(
    conn: &mut PgConnection,
    run_id: Uuid,
    origin: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query("update runs set forked_from = $2 where run_id = $1")
        .bind(run_id)
        .bind(origin)
        .execute(conn)
        .await
        .map(|_| ())
}
