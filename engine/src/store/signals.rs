//! Messages to runs, and the mailbox counter that keeps a park from losing one.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::action::StoredSignal;
use crate::journal::Payload;

/// Stores a signal; `false` when the run has one with this id already.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    run_id: Uuid,
    signal_id: &str,
    kind: &str,
    payload: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "insert into signals (run_id, signal_id, kind, payload)
         values ($1, $2, $3, $4::jsonb)
         on conflict (run_id, signal_id) do nothing",
    )
    .bind(run_id)
    .bind(signal_id)
    .bind(kind)
    .bind(payload)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Counts a stored signal into the run's mailbox and wakes the run if it waits; `false` when the
/// run has ended. A run that pauses between two attempts is woken only by what is `urgent`.
pub(crate) async fn ring(
    conn: &mut PgConnection,
    run_id: Uuid,
    urgent: bool,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "update tasks
         set mailbox = mailbox + 1,
             due_at = case
               when owner is null and incident_id is null and (state = 'WAITING' or $2)
               then least(due_at, now())
               else due_at
             end
         where run_id = $1",
    )
    .bind(run_id)
    .bind(urgent)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Locks a live run's row; `false` when the run has ended.
pub(crate) async fn lock_addressee(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<bool, sqlx::Error> {
    let found = sqlx::query("select run_id from tasks where run_id = $1 for update")
        .bind(run_id)
        .fetch_optional(conn)
        .await?;
    Ok(found.is_some())
}

/// Removes a signal that was stored for a run which had been archived meanwhile.
pub(crate) async fn remove(
    conn: &mut PgConnection,
    run_id: Uuid,
    signal_id: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("delete from signals where run_id = $1 and signal_id = $2")
        .bind(run_id)
        .bind(signal_id)
        .execute(conn)
        .await
        .map(|_| ())
}

/// The run of a workflow id, archived or not, with its input.
pub(crate) async fn addressee(
    conn: &mut PgConnection,
    workflow: &str,
    workflow_id: &str,
) -> Result<Option<(Uuid, String)>, sqlx::Error> {
    let row = sqlx::query(
        "select run_id, input::text as input
         from runs
         where workflow = $1 and workflow_id = $2
         union all
         select run_id, input::text
         from archived_runs
         where workflow = $1 and workflow_id = $2
         limit 1",
    )
    .bind(workflow)
    .bind(workflow_id)
    .fetch_optional(conn)
    .await?;
    row.map(|row| Ok((row.try_get("run_id")?, row.try_get("input")?))).transpose()
}

/// Reads signals from the JSON that claims and parks return.
pub(crate) fn read(json: Option<&str>) -> Result<Vec<StoredSignal>, serde_json::Error> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let rows: Vec<(String, String, Payload)> = serde_json::from_str(json)?;
    Ok(rows.into_iter().map(|(id, kind, payload)| StoredSignal { id, kind, payload }).collect())
}

/// Makes orders, or a cancel, void: the run takes them no more, and their ids are free again.
pub(crate) async fn void(
    conn: &mut PgConnection,
    run_id: Uuid,
    kinds: &[&str],
    voided: &str,
    action_id: Uuid,
) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "update signals
         set kind = $3, signal_id = $3 || ':' || $4 || ':' || signal_id
         where run_id = $1 and kind = any($2)",
    )
    .bind(run_id)
    .bind(kinds)
    .bind(voided)
    .bind(action_id.to_string())
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
}

/// The signals of a run that its record has not taken, as `kind id`.
pub(crate) async fn untaken(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select g.kind || ' ' || g.signal_id
         from signals g
         where g.run_id = $1
           and g.kind not like '$%'
           and not exists (
             select 1
             from steps s
             where s.run_id = $1 and s.kind = 'signal' and s.result ->> 'id' = g.signal_id
               and s.seq > coalesce((
                 select max(f.seq) from steps f where f.run_id = $1 and f.kind = 'forked'
               ), -1)
           )
         order by g.received_at, g.signal_id",
    )
    .bind(run_id)
    .fetch_all(conn)
    .await
}
