//! What operators did to queues and schedules. Changes nothing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::WantedActions;
use super::actions::narrowed;

/// What an operator did to a queue or a schedule.
///
/// ```
/// use makegood::inspect::SettingAction;
///
/// fn words(action: &SettingAction) -> String {
///     format!("{}: {} by {}, because {}", action.name, action.verb, action.actor, action.reason)
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
pub struct SettingAction {
    /// The action's id.
    pub action_id: Uuid,
    /// `queue` or `schedule`.
    pub subject: String,
    /// Which one.
    pub name: String,
    /// What was done, such as `pause_queue`.
    pub verb: String,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// It as it stood.
    pub before: Value,
    /// It as it stood afterwards.
    pub after: Value,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What operators did to queues and schedules, or to the one of a name, the newest first.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for action in inspect::setting_actions(conn, "queue", Some("mail"), 20).await? {
///     println!("{} {}: {}", action.at, action.actor, action.verb);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn setting_actions(
    conn: &mut PgConnection,
    subject: &str,
    name: Option<&str>,
    limit: i64,
) -> Result<Vec<SettingAction>, sqlx::Error> {
    sqlx::query_as(
        "select action_id, subject, name, verb, actor, reason, before, after, request_id, at
         from setting_actions
         where subject = $1 and ($2::text is null or name = $2)
         order by at desc, action_id desc
         limit $3",
    )
    .bind(subject)
    .bind(name)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// What operators did to queues and schedules, the newest first; of a run there is nothing here.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect::{self, WantedActions};
///
/// let of_ada = WantedActions { actor: Some("ada".to_owned()), ..WantedActions::default() };
/// for action in inspect::actions_on_settings(conn, &of_ada, 50).await? {
///     println!("{} {} {}", action.at, action.verb, action.name);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn actions_on_settings(
    conn: &mut PgConnection,
    wanted: &WantedActions,
    limit: i64,
) -> Result<Vec<SettingAction>, sqlx::Error> {
    let query = sqlx::query_as(
        "select action_id, subject, name, verb, actor, reason, before, after, request_id, at
         from setting_actions
         where ($1::text is null or actor = $1)
           and ($2::text is null or verb = $2)
           and $3::uuid is null
           and ($4::timestamptz is null or (at, action_id) < ($4, $5::uuid))
         order by at desc, action_id desc
         limit $6",
    );
    narrowed(query, wanted, limit).fetch_all(conn).await
}
