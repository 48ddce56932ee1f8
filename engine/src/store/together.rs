//! Starts, signals and ends of many runs, each as one set of statements.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::runs::NewRun;

/// Runs about to be started as columns, in the order of their ids: whoever starts some of the
/// same ones waits for them in the same order.
#[derive(Default)]
pub(crate) struct Starts {
    run_ids: Vec<Uuid>,
    workflows: Vec<String>,
    versions: Vec<i32>,
    workflow_ids: Vec<String>,
    inputs: Vec<String>,
    lanes: Vec<i64>,
    attributes: Vec<Option<String>>,
}

impl Starts {
    pub(crate) fn push(&mut self, run: &NewRun<'_>) {
        self.run_ids.push(run.run_id);
        self.workflows.push(run.workflow.to_owned());
        self.versions.push(run.version);
        self.workflow_ids.push(run.workflow_id.to_owned());
        self.inputs.push(run.input.to_owned());
        self.lanes.push(run.lane);
        self.attributes.push(run.attributes.map(ToOwned::to_owned));
    }
}

/// The database's time, for what follows in this transaction.
pub(crate) async fn time(conn: &mut PgConnection) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar("select now()").fetch_one(conn).await
}

/// Writes runs and their tasks, and answers with those whose workflow id was free. The second
/// statement sees what the first may have waited for.
pub(crate) async fn start(
    conn: &mut PgConnection,
    starts: &Starts,
    at: DateTime<Utc>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let written: Vec<Uuid> = sqlx::query_scalar(
        "insert into runs (run_id, workflow, version, workflow_id, input, attributes, started_at)
         select x.run_id, x.workflow, x.version, x.workflow_id, x.input::jsonb,
           x.attributes::jsonb, $8
         from unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $5::text[], $6::bigint[],
             $7::text[]) x(run_id, workflow, version, workflow_id, input, lane, attributes)
           join lanes l on l.lane = x.lane
         order by x.workflow, x.workflow_id
         on conflict (workflow, workflow_id) do nothing
         returning run_id",
    )
    .bind(&starts.run_ids)
    .bind(&starts.workflows)
    .bind(&starts.versions)
    .bind(&starts.workflow_ids)
    .bind(&starts.inputs)
    .bind(&starts.lanes)
    .bind(&starts.attributes)
    .bind(at)
    .fetch_all(&mut *conn)
    .await?;
    let queued: Vec<Uuid> = sqlx::query_scalar(
        "insert into tasks (run_id, lane, due_at)
         select r.run_id, x.lane, $4
         from runs r
         join unnest($1::uuid[], $2::bigint[]) x(run_id, lane) on x.run_id = r.run_id
         left join (
           select workflow, workflow_id from archived_runs where workflow_id = any($5)
         ) a on a.workflow = r.workflow and a.workflow_id = r.workflow_id
         where r.run_id = any($3) and a.workflow is null
         returning run_id",
    )
    .bind(&starts.run_ids)
    .bind(&starts.lanes)
    .bind(&written)
    .bind(at)
    .bind(&starts.workflow_ids)
    .fetch_all(&mut *conn)
    .await?;
    if queued.len() < written.len() {
        let archived: Vec<Uuid> = written.into_iter().filter(|id| !queued.contains(id)).collect();
        sqlx::query("delete from runs where run_id = any($1)")
            .bind(&archived)
            .execute(conn)
            .await?;
    }
    Ok(queued)
}

/// A run as those who address it name it.
pub(crate) struct Address {
    pub(crate) run_id: Uuid,
    pub(crate) workflow: String,
    pub(crate) workflow_id: String,
}

/// The runs of workflow ids, without those that are archived.
pub(crate) async fn addresses(
    conn: &mut PgConnection,
    workflows: &[&str],
    workflow_ids: &[&str],
) -> Result<Vec<Address>, sqlx::Error> {
    let rows = sqlx::query(
        "select run_id, workflow, workflow_id
         from runs
         where workflow = any($1) and workflow_id = any($2)",
    )
    .bind(workflows)
    .bind(workflow_ids)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Address {
                run_id: row.try_get("run_id")?,
                workflow: row.try_get("workflow")?,
                workflow_id: row.try_get("workflow_id")?,
            })
        })
        .collect()
}

/// How a run ended: its state, its output and why it was made good, as JSON.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) run_id: Uuid,
    pub(crate) state: String,
    pub(crate) output: Option<String>,
    pub(crate) cause: Option<String>,
}

/// Those of some runs that have ended, archived or not.
pub(crate) async fn ended(pool: &PgPool, run_ids: &[Uuid]) -> Result<Vec<Ended>, sqlx::Error> {
    let rows = sqlx::query(
        "select run_id, ended_state, output::text as output, cause::text as cause
         from runs
         where run_id = any($1) and ended_state is not null
         union all
         select run_id, ended_state, output::text, cause::text
         from archived_runs
         where run_id = any($1)",
    )
    .bind(run_ids)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Ended {
                run_id: row.try_get("run_id")?,
                state: row.try_get("ended_state")?,
                output: row.try_get("output")?,
                cause: row.try_get("cause")?,
            })
        })
        .collect()
}
