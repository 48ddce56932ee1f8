//! Runs: their start, and how they ended.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::action::ChildStart;

/// A run about to be started.
pub(crate) struct NewRun<'a> {
    pub(crate) run_id: Uuid,
    pub(crate) workflow: &'a str,
    pub(crate) version: i32,
    pub(crate) workflow_id: &'a str,
    pub(crate) input: &'a str,
    pub(crate) lane: i64,
    /// As JSON.
    pub(crate) attributes: Option<&'a str>,
}

/// Writes a run and its task; `false` when the workflow id is taken, by a run that may be archived.
/// The second statement sees what the first may have waited for.
pub(crate) async fn insert(conn: &mut PgConnection, run: &NewRun<'_>) -> Result<bool, sqlx::Error> {
    let started = sqlx::query(
        "insert into runs (run_id, workflow, version, workflow_id, input, attributes)
         values ($1, $2, $3, $4, $5::jsonb, $6::jsonb)
         on conflict (workflow, workflow_id) do nothing",
    )
    .bind(run.run_id)
    .bind(run.workflow)
    .bind(run.version)
    .bind(run.workflow_id)
    .bind(run.input)
    .bind(run.attributes)
    .execute(&mut *conn)
    .await?;
    if started.rows_affected() == 0 {
        return Ok(false);
    }
    let queued = sqlx::query(
        "insert into tasks (run_id, lane, due_at)
         select r.run_id, $4, r.started_at
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
    .bind(run.lane)
    .execute(&mut *conn)
    .await?;
    if queued.rows_affected() == 1 {
        return Ok(true);
    }
    sqlx::query("delete from runs where run_id = $1").bind(run.run_id).execute(conn).await?;
    Ok(false)
}

/// Children as columns, for one statement a table.
#[derive(Default)]
pub(crate) struct Children {
    parent_run_ids: Vec<Uuid>,
    run_ids: Vec<Uuid>,
    workflows: Vec<String>,
    versions: Vec<i32>,
    workflow_ids: Vec<String>,
    inputs: Vec<String>,
    /// Whether it has a parent that hears of its end.
    awaited: Vec<bool>,
    lanes: Vec<i64>,
}

impl Children {
    pub(crate) fn push(&mut self, parent_run_id: Uuid, start: &ChildStart, lane: i64) {
        self.parent_run_ids.push(parent_run_id);
        self.run_ids.push(start.child.run_id);
        self.workflows.push(start.workflow.clone());
        self.versions.push(start.child.version);
        self.workflow_ids.push(start.workflow_id.clone());
        self.inputs.push(start.child.input.get().to_owned());
        self.awaited.push(!start.child.detached);
        self.lanes.push(lane);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.run_ids.is_empty()
    }
}

/// Starts children in the transaction of their parents' turns. Their ids are made of their
/// parents', so nobody else has started them.
pub(crate) async fn insert_children(
    conn: &mut PgConnection,
    incarnation: Uuid,
    children: &Children,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into runs (run_id, workflow, version, workflow_id, input, parent_run_id, started_at)
         select x.run_id, x.workflow, x.version, x.workflow_id, x.input::jsonb,
           case when x.awaited then x.parent_run_id end, $9
         from (
             select incarnation from workers where incarnation = $1 and alive for key share
           ) fence,
           unnest($2::uuid[], $3::text[], $4::int[], $5::text[], $6::text[], $7::uuid[],
             $8::boolean[]) x(run_id, workflow, version, workflow_id, input, parent_run_id, awaited)",
    )
    .bind(incarnation)
    .bind(&children.run_ids)
    .bind(&children.workflows)
    .bind(&children.versions)
    .bind(&children.workflow_ids)
    .bind(&children.inputs)
    .bind(&children.parent_run_ids)
    .bind(&children.awaited)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into tasks (run_id, lane, due_at)
         select x.run_id, x.lane, $4
         from (
             select incarnation from workers where incarnation = $1 and alive for key share
           ) fence,
           unnest($2::uuid[], $3::bigint[]) x(run_id, lane)",
    )
    .bind(incarnation)
    .bind(&children.run_ids)
    .bind(&children.lanes)
    .bind(at)
    .execute(conn)
    .await
    .map(|_| ())
}

/// The state in which a run ended, `gone` for one that is not kept any more; `None` while it lives.
pub(crate) async fn ended_state(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Option<String>, sqlx::Error> {
    let found: Option<Option<String>> =
        sqlx::query_scalar("select ended_state from runs where run_id = $1")
            .bind(run_id)
            .fetch_optional(conn)
            .await?;
    Ok(found.unwrap_or_else(|| Some("gone".to_owned())))
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

/// Ends a run as it stands, before its row leaves the queue.
pub(crate) async fn close(
    conn: &mut PgConnection,
    run_id: Uuid,
    cause: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update runs
         set ended_state = 'CLOSED',
             lane = (select k.lane from tasks k where k.run_id = $1),
             cause = $2::jsonb,
             ended_at = now()
         where run_id = $1 and ended_state is null",
    )
    .bind(run_id)
    .bind(cause)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Says which run hears of this one's end.
pub(crate) async fn set_parent(
    conn: &mut PgConnection,
    run_id: Uuid,
    parent: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query("update runs set parent_run_id = $2 where run_id = $1")
        .bind(run_id)
        .bind(parent)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Says which run this one was forked from, and gives it the attributes of that.
pub(crate) async fn set_origin(
    conn: &mut PgConnection,
    run_id: Uuid,
    origin: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update runs r
         set forked_from = $2, attributes = o.attributes
         from runs o
         where r.run_id = $1 and o.run_id = $2",
    )
    .bind(run_id)
    .bind(origin)
    .execute(conn)
    .await
    .map(|_| ())
}
