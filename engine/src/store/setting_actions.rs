//! Who did what to a queue or a schedule and why, written in the transaction that carries it out.
//! Only ever added.

use sqlx::PgConnection;
use uuid::Uuid;

/// An action about to be written down.
pub(crate) struct NewSettingAction<'a> {
    pub(crate) action_id: Uuid,
    /// `queue` or `schedule`.
    pub(crate) subject: &'a str,
    /// Which one.
    pub(crate) name: &'a str,
    pub(crate) verb: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) reason: &'a str,
    /// It as it stood, as JSON.
    pub(crate) before: &'a str,
    /// It as it stands now, as JSON.
    pub(crate) after: &'a str,
    /// The request that asked for it.
    pub(crate) request_id: Option<&'a str>,
}

/// Writes an action down.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    action: &NewSettingAction<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into setting_actions (action_id, subject, name, verb, actor, reason, before, after,
           request_id)
         values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9)",
    )
    .bind(action.action_id)
    .bind(action.subject)
    .bind(action.name)
    .bind(action.verb)
    .bind(action.actor)
    .bind(action.reason)
    .bind(action.before)
    .bind(action.after)
    .bind(action.request_id)
    .execute(conn)
    .await
    .map(|_| ())
}

/// The last action on a queue or schedule, if there was any.
pub(crate) async fn last(
    conn: &mut PgConnection,
    subject: &str,
    name: &str,
) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select action_id
         from setting_actions
         where subject = $1 and name = $2
         order by at desc, action_id desc
         limit 1",
    )
    .bind(subject)
    .bind(name)
    .fetch_optional(conn)
    .await
}
