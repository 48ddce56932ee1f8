//! What operators did, over all runs. Changes nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{FromRow, PgConnection, Postgres};
use uuid::Uuid;

/// An operator's action, and the run that it was about.
///
/// ```
/// use makegood::inspect::ActionOnRun;
///
/// fn words(action: &ActionOnRun) -> String {
///     format!("{}: {} {} {}", action.actor, action.verb, action.workflow_id, action.reason)
/// }
/// ```
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct ActionOnRun {
    /// The action's id.
    pub action_id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// The verb, such as `retry`.
    pub verb: String,
    /// Why.
    pub reason: String,
    /// The run as it was.
    pub before: Value,
    /// What was made of it.
    pub after: Value,
    /// The bulk action that it was a part of.
    pub bulk_id: Option<Uuid>,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// The run.
    pub run_id: Uuid,
    /// Its workflow.
    pub workflow: String,
    /// The id that its starter chose.
    pub workflow_id: String,
}

/// Which actions are wanted. Everything that is said narrows it.
///
/// ```
/// use makegood::inspect::WantedActions;
///
/// let of_ada = WantedActions { actor: Some("ada".to_owned()), ..WantedActions::default() };
/// ```
#[derive(Debug, Clone, Default)]
pub struct WantedActions {
    /// Of this actor.
    pub actor: Option<String>,
    /// Of this verb.
    pub verb: Option<String>,
    /// On this run.
    pub run_id: Option<Uuid>,
    /// Older than this one.
    pub before: Option<(DateTime<Utc>, Uuid)>,
}

/// What operators did to runs, the newest first. Of a run that moved into the archive, its own
/// record of actions has it: [`actions`](super::actions).
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect::{self, WantedActions};
///
/// for action in inspect::actions_on_runs(conn, &WantedActions::default(), 50).await? {
///     println!("{} {} {}", action.at, action.actor, action.verb);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The database does not answer.
pub async fn actions_on_runs(
    conn: &mut PgConnection,
    wanted: &WantedActions,
    limit: i64,
) -> Result<Vec<ActionOnRun>, sqlx::Error> {
    let query = sqlx::query_as(
        "select a.action_id, a.at, a.actor, a.verb, a.reason, a.before, a.after, a.bulk_id,
           a.request_id, a.run_id, r.workflow, r.workflow_id
         from operator_actions a
         join runs r on r.run_id = a.run_id
         where ($1::text is null or a.actor = $1)
           and ($2::text is null or a.verb = $2)
           and ($3::uuid is null or a.run_id = $3)
           and ($4::timestamptz is null or (a.at, a.action_id) < ($4, $5::uuid))
         order by a.at desc, a.action_id desc
         limit $6",
    );
    narrowed(query, wanted, limit).fetch_all(conn).await
}

/// The statement with what is wanted as its six parameters.
pub(super) fn narrowed<'q, T>(
    query: QueryAs<'q, Postgres, T, PgArguments>,
    wanted: &'q WantedActions,
    limit: i64,
) -> QueryAs<'q, Postgres, T, PgArguments> {
    let (before_at, before_id) = wanted.before.unzip();
    query
        .bind(&wanted.actor)
        .bind(&wanted.verb)
        .bind(wanted.run_id)
        .bind(before_at)
        .bind(before_id)
        .bind(limit)
}
