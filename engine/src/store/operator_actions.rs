//! Who did what to a run and why, written in the transaction that carries it out. Only ever added.

use sqlx::PgConnection;
use uuid::Uuid;

/// An action about to be written down.
pub(crate) struct NewAction<'a> {
    pub(crate) action_id: Uuid,
    pub(crate) run_id: Uuid,
    pub(crate) verb: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) reason: &'a str,
    /// The run as it stood, as JSON.
    pub(crate) before: &'a str,
    /// What the verb did, as JSON.
    pub(crate) after: &'a str,
    /// The bulk action that it is a part of.
    pub(crate) bulk_id: Option<Uuid>,
    pub(crate) request_id: Option<&'a str>,
}

/// Writes an action down.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    action: &NewAction<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into operator_actions (action_id, run_id, verb, actor, reason, before, after,
           bulk_id, request_id)
         values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8, $9)",
    )
    .bind(action.action_id)
    .bind(action.run_id)
    .bind(action.verb)
    .bind(action.actor)
    .bind(action.reason)
    .bind(action.before)
    .bind(action.after)
    .bind(action.bulk_id)
    .bind(action.request_id)
    .execute(conn)
    .await
    .map(|_| ())
}
