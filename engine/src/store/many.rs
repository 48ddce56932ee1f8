//! Many runs of one caller at once: their starts, their signals and their ends, set-wise.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::runs::Ended;
use crate::action::StoredSignal;
use crate::journal::Payload;

/// The time of the caller's transaction: times of an INSERT .. SELECT are parameters.
async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar("select now()").fetch_one(conn).await
}

/// Starts runs, given by run id, workflow id and input, in a lane and with attributes as JSON.
/// Answers which were: the workflow ids of the others are taken, by runs that may be archived.
/// The second statement sees what the first may have waited for.
pub(crate) async fn start<'a>(
    conn: &mut PgConnection,
    lane: i64,
    attributes: Option<&str>,
    new: impl Iterator<Item = (Uuid, &'a str, &'a Payload)>,
) -> Result<BTreeSet<Uuid>, sqlx::Error> {
    let (mut run_ids, mut workflow_ids, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
    for (run_id, workflow_id, input) in new {
        run_ids.push(run_id);
        workflow_ids.push(workflow_id);
        inputs.push(input.get());
    }
    let at = now(&mut *conn).await?;
    let written: Vec<Uuid> = sqlx::query_scalar(
        "insert into runs (run_id, workflow, version, workflow_id, input, attributes, started_at)
         select x.run_id, l.workflow, l.version, x.workflow_id, x.input::jsonb, $5::jsonb, $6
         from lanes l, unnest($2::uuid[], $3::text[], $4::text[]) x(run_id, workflow_id, input)
         where l.lane = $1
         on conflict (workflow, workflow_id) do nothing
         returning run_id",
    )
    .bind(lane)
    .bind(run_ids)
    .bind(workflow_ids)
    .bind(inputs)
    .bind(attributes)
    .bind(at)
    .fetch_all(&mut *conn)
    .await?;
    let queued: Vec<Uuid> = sqlx::query_scalar(
        "insert into tasks (run_id, lane, due_at)
         select r.run_id, $2, r.started_at
         from runs r
         where r.run_id = any($1)
           and not exists (
             select 1
             from archived_runs a
             where a.workflow_id = r.workflow_id and a.workflow = r.workflow
           )
         returning run_id",
    )
    .bind(&written)
    .bind(lane)
    .fetch_all(&mut *conn)
    .await?;
    let queued = BTreeSet::from_iter(queued);
    let archived: Vec<Uuid> = written.into_iter().filter(|id| !queued.contains(id)).collect();
    if !archived.is_empty() {
        sqlx::query("delete from runs where run_id = any($1)").bind(archived).execute(conn).await?;
    }
    Ok(queued)
}

/// Those of a workflow's runs that live, by workflow id.
pub(crate) async fn live(
    conn: &mut PgConnection,
    workflow: &str,
    workflow_ids: &[&str],
) -> Result<BTreeMap<String, Uuid>, sqlx::Error> {
    sqlx::query_as(
        "select workflow_id, run_id
         from runs
         where workflow = $1 and workflow_id = any($2) and ended_state is null",
    )
    .bind(workflow)
    .bind(workflow_ids)
    .fetch_all(conn)
    .await
    .map(|rows: Vec<(String, Uuid)>| rows.into_iter().collect())
}

/// Stores a signal for each of some runs. Answers for which: the others have one with its id.
pub(crate) async fn store<'a>(
    conn: &mut PgConnection,
    sent: impl Iterator<Item = (Uuid, &'a StoredSignal)>,
) -> Result<BTreeSet<Uuid>, sqlx::Error> {
    let (mut run_ids, mut signal_ids) = (Vec::new(), Vec::new());
    let (mut kinds, mut payloads) = (Vec::new(), Vec::new());
    for (run_id, signal) in sent {
        run_ids.push(run_id);
        signal_ids.push(signal.id.as_str());
        kinds.push(signal.kind.as_str());
        payloads.push(signal.payload.get());
    }
    let at = now(&mut *conn).await?;
    sqlx::query_scalar(
        "insert into signals (run_id, signal_id, kind, payload, received_at)
         select r.run_id, x.signal_id, x.kind, x.payload::jsonb, $5
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
             x(run_id, signal_id, kind, payload)
         join runs r on r.run_id = x.run_id
         where r.run_id = any($1)
         order by r.run_id
         on conflict (run_id, signal_id) do nothing
         returning run_id",
    )
    .bind(run_ids)
    .bind(signal_ids)
    .bind(kinds)
    .bind(payloads)
    .bind(at)
    .fetch_all(conn)
    .await
    .map(|stored: Vec<Uuid>| stored.into_iter().collect())
}

/// Counts a stored signal into the mailbox of each of some runs, and wakes those that wait. Answers
/// which live: the others have ended.
pub(crate) async fn ring(
    conn: &mut PgConnection,
    run_ids: &BTreeSet<Uuid>,
) -> Result<BTreeSet<Uuid>, sqlx::Error> {
    let run_ids: Vec<Uuid> = run_ids.iter().copied().collect();
    sqlx::query_scalar(
        "with live as (
           select run_id from tasks where run_id = any($1) order by run_id for update
         )
         update tasks k
         set mailbox = k.mailbox + 1,
             due_at = case
               when k.owner is null and k.incident_id is null and k.state = 'WAITING'
               then least(k.due_at, now())
               else k.due_at
             end
         from live
         where k.run_id = any($1) and k.run_id = live.run_id
         returning k.run_id",
    )
    .bind(run_ids)
    .fetch_all(conn)
    .await
    .map(|rung: Vec<Uuid>| rung.into_iter().collect())
}

/// How those of some runs ended that have ended.
pub(crate) async fn endings(
    pool: &PgPool,
    run_ids: &[Uuid],
) -> Result<Vec<(Uuid, Ended)>, sqlx::Error> {
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
    rows.iter().map(|row| Ok((row.try_get("run_id")?, Ended::read(row)?))).collect()
}
