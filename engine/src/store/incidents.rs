//! Incidents and the operator actions that resolve them.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::incident::NewIncident;

/// Opens an incident in the transaction that parks its run.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    run_id: Uuid,
    incident: &NewIncident,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into incidents (incident_id, run_id, class, step, message, fingerprint)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(incident.incident_id)
    .bind(run_id)
    .bind(incident.class.as_str())
    .bind(&incident.step)
    .bind(&incident.message)
    .bind(incident.fingerprint())
    .execute(conn)
    .await
    .map(|_| ())
}

/// Resolves a run's open incident; `false` when it has none.
pub(crate) async fn resolve(
    conn: &mut PgConnection,
    run_id: Uuid,
    resolution: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "update incidents
         set resolved_at = now(), resolution = $2
         where run_id = $1 and resolved_at is null",
    )
    .bind(run_id)
    .bind(resolution)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// A run's open incident as JSON, locked; `None` when it has none.
pub(crate) async fn open(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select json_build_object('class', class, 'step', step, 'message', message)::text
         from incidents
         where run_id = $1 and resolved_at is null
         for update",
    )
    .bind(run_id)
    .fetch_optional(conn)
    .await
}

/// Puts a stuck run back into the queue with a fresh count of attempts.
pub(crate) async fn requeue(conn: &mut PgConnection, run_id: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "update tasks
         set incident_id = null,
             due_at = now(),
             tries = null,
             crashes = 0,
             step_count = -1,
             state = case
               when exists (
                 select 1 from steps s where s.run_id = $1 and s.kind = 'compensating'
               )
               then 'COMPENSATING'
               else 'RUNNING'
             end
         where run_id = $1 and incident_id is not null",
    )
    .bind(run_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Writes down who did what to a run and why, with the incident as it was.
pub(crate) async fn audit(
    conn: &mut PgConnection,
    run_id: Uuid,
    verb: &str,
    actor: &str,
    reason: &str,
    before: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into operator_actions (action_id, run_id, verb, actor, reason, before)
         values ($1, $2, $3, $4, $5, $6::jsonb)",
    )
    .bind(Uuid::now_v7())
    .bind(run_id)
    .bind(verb)
    .bind(actor)
    .bind(reason)
    .bind(before)
    .execute(conn)
    .await
    .map(|_| ())
}
