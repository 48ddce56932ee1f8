//! Operators' actions as people see them: of one run, in bulk, and what they may be needed for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::runs::RunSummary;

/// What an operator did to a run.
///
/// ```
/// use makegood::inspect::OperatorAction;
///
/// fn words(action: &OperatorAction) -> String {
///     format!("{}: {} by {}, because {}", action.at, action.verb, action.actor, action.reason)
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
pub struct OperatorAction {
    /// The action's id.
    pub action_id: Uuid,
    /// What was done, such as `retry`.
    pub verb: String,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// The run as it stood.
    pub before: Value,
    /// What the verb did: the state it led to, or the order that it sent.
    pub after: Value,
    /// The bulk action that it was a part of.
    pub bulk_id: Option<Uuid>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What operators did to a run, archived or not, the oldest first.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for action in inspect::actions(conn, run_id).await? {
///     println!("{} {}: {}", action.at, action.actor, action.verb);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn actions(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Vec<OperatorAction>, sqlx::Error> {
    sqlx::query_as(
        "select action_id, verb, actor, reason, before, after, bulk_id, at
         from operator_actions
         where run_id = $1
         union all
         select x.action_id, x.verb, x.actor, x.reason, x.before, x.after, x.bulk_id, x.at
         from archived_runs a
         cross join lateral jsonb_to_recordset(a.document -> 'actions') x(action_id uuid, verb text,
           actor text, reason text, before jsonb, after jsonb, bulk_id uuid, at timestamptz)
         where a.run_id = $1
         order by at, action_id",
    )
    .bind(run_id)
    .fetch_all(conn)
    .await
}

/// A bulk action and how far it has come.
///
/// ```
/// use makegood::inspect::BulkView;
///
/// fn left(bulk: &BulkView) -> i64 {
///     bulk.total - bulk.done - bulk.ordered - bulk.refused - bulk.changed - bulk.failed
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
pub struct BulkView {
    /// Its id.
    pub bulk_id: Uuid,
    /// The verb with what it needs.
    pub verb: Value,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// How many runs a second.
    pub per_second: i32,
    /// `FROZEN`, `EXPIRED` when it was frozen too long ago to be begun, `RUNNING`, `DONE` or `CANCELLED`.
    pub state: String,
    /// When it was frozen.
    pub created_at: DateTime<Utc>,
    /// Until when it can be begun.
    pub expires_at: DateTime<Utc>,
    /// When it was done or cancelled.
    pub ended_at: Option<DateTime<Utc>>,
    /// Who cancelled it.
    pub cancelled_by: Option<String>,
    /// Why it was cancelled.
    pub cancelled_why: Option<String>,
    /// How many runs were selected.
    pub total: i64,
    /// On how many it was carried out.
    pub done: i64,
    /// To how many the order was sent.
    pub ordered: i64,
    /// How many refused.
    pub refused: i64,
    /// How many had changed since they were frozen, and were left alone.
    pub changed: i64,
    /// On how many it failed.
    pub failed: i64,
}

/// One bulk action.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, bulk_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// if let Some(bulk) = inspect::bulk(conn, bulk_id).await? {
///     println!("{} by {}: {} of {} done", bulk.state, bulk.actor, bulk.done, bulk.total);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn bulk(conn: &mut PgConnection, bulk_id: Uuid) -> Result<Option<BulkView>, sqlx::Error> {
    sqlx::query_as("select * from bulk_standings where bulk_id = $1")
        .bind(bulk_id)
        .fetch_optional(conn)
        .await
}

/// What became of one run of a bulk action.
///
/// ```
/// use makegood::inspect::BulkItem;
///
/// /// Whether it was acted on and still needs a person.
/// fn helped_nothing(item: &BulkItem) -> bool {
///     item.outcome.as_deref() == Some("done") && item.incident.is_some()
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
pub struct BulkItem {
    /// The run.
    pub run_id: Uuid,
    /// `done`, `ordered`, `refused`, `changed` or `failed`; `None` when its turn has not come.
    pub outcome: Option<String>,
    /// Why it was refused, left alone or failed.
    pub why: Option<String>,
    /// When its turn came.
    pub at: Option<DateTime<Utc>>,
    /// The run's state now, which tells whether it helped.
    pub state: Option<String>,
    /// The class of the incident that it has open now.
    pub incident: Option<String>,
}

/// The runs of a bulk action, optionally those of one outcome.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, bulk_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for item in inspect::bulk_items(conn, bulk_id, Some("refused"), 100).await? {
///     println!("{}: {}", item.run_id, item.why.unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn bulk_items(
    conn: &mut PgConnection,
    bulk_id: Uuid,
    outcome: Option<&str>,
    limit: i64,
) -> Result<Vec<BulkItem>, sqlx::Error> {
    sqlx::query_as(
        "select i.run_id, i.outcome, i.why, i.at, s.state, n.class as incident
         from bulk_items i
         left join run_states s on s.run_id = i.run_id
         left join incidents n on n.run_id = i.run_id and n.resolved_at is null
         where i.bulk_id = $1 and ($2::text is null or i.outcome = $2)
         order by i.run_id
         limit $3",
    )
    .bind(bulk_id)
    .bind(outcome)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// In which states the runs of a bulk action are now: whether it helped.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, bulk_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for (state, runs) in inspect::bulk_states(conn, bulk_id).await? {
///     println!("{runs} are {state}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn bulk_states(
    conn: &mut PgConnection,
    bulk_id: Uuid,
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    sqlx::query_as(
        "select s.state, count(*)
         from bulk_items i
         join run_states s on s.run_id = i.run_id
         where i.bulk_id = $1
         group by s.state
         order by s.state",
    )
    .bind(bulk_id)
    .fetch_all(conn)
    .await
}

/// Some of the runs of a bulk action, the oldest first.
pub(crate) async fn bulk_sample(
    conn: &mut PgConnection,
    bulk_id: Uuid,
    limit: i64,
) -> Result<Vec<RunSummary>, sqlx::Error> {
    sqlx::query_as(
        "select s.run_id, s.workflow, s.workflow_id, s.state, s.started_at, s.ended_at, s.due_at,
           n.class as incident, s.attributes
         from bulk_items i
         join run_states s on s.run_id = i.run_id
         left join incidents n on n.run_id = i.run_id and n.resolved_at is null
         where i.bulk_id = $1
         order by s.started_at
         limit $2",
    )
    .bind(bulk_id)
    .bind(limit)
    .fetch_all(conn)
    .await
}
