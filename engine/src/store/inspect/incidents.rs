//! Incidents as people see them: alike ones together, and how earlier ones were resolved.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::COUNT_LIMIT;

/// Open incidents that are alike.
///
/// ```
/// use makegood::inspect::IncidentGroup;
///
/// fn words(group: &IncidentGroup) -> String {
///     format!("{} times {}: {}", group.count, group.class, group.message)
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
pub struct IncidentGroup {
    /// What they share; a selection by it acts on all of them.
    pub fingerprint: String,
    /// What kind of need it is.
    pub class: String,
    /// The step at which it came up.
    pub step: Option<String>,
    /// How many there are; together at most [`COUNT_LIMIT`] are looked at.
    pub count: i64,
    /// When the first was opened.
    pub first_at: DateTime<Utc>,
    /// When the last was opened.
    pub last_at: DateTime<Utc>,
    /// The run of the last one.
    pub run_id: Uuid,
    /// What happened to it.
    pub message: String,
}

/// Open incidents, the alike ones together, the most frequent first.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for group in inspect::incident_groups(conn, 20).await? {
///     println!("{} times {}: {}", group.count, group.class, group.message);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn incident_groups(
    conn: &mut PgConnection,
    limit: i64,
) -> Result<Vec<IncidentGroup>, sqlx::Error> {
    sqlx::query_as(
        "select g.fingerprint, g.class, g.step, g.count, g.first_at, g.last_at, last.run_id,
           last.message
         from (
           select i.fingerprint, i.class, i.step, count(*) as count, min(i.opened_at) as first_at,
             max(i.opened_at) as last_at
           from (
             select fingerprint, class, step, opened_at
             from incidents
             where resolved_at is null
             limit $1
           ) i
           group by i.fingerprint, i.class, i.step
           order by count(*) desc, max(i.opened_at) desc
           limit $2
         ) g
         cross join lateral (
           select i.run_id, i.message
           from incidents i
           where i.fingerprint = g.fingerprint and i.resolved_at is null
           order by i.opened_at desc
           limit 1
         ) last
         order by g.count desc, g.last_at desc",
    )
    .bind(COUNT_LIMIT)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// The open incidents of one group, if there are any.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, group: &str) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let left = inspect::incident_group(conn, group).await?.map_or(0, |group| group.count);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn incident_group(
    conn: &mut PgConnection,
    fingerprint: &str,
) -> Result<Option<IncidentGroup>, sqlx::Error> {
    sqlx::query_as(
        "select last.fingerprint, last.class, last.step, g.count, g.first_at, g.last_at,
           last.run_id, last.message
         from (
           select i.fingerprint, i.class, i.step, i.run_id, i.message
           from incidents i
           where i.fingerprint = $1 and i.resolved_at is null
           order by i.opened_at desc
           limit 1
         ) last
         cross join (
           select count(*) as count, min(i.opened_at) as first_at, max(i.opened_at) as last_at
           from (
             select opened_at
             from incidents
             where fingerprint = $1 and resolved_at is null
             limit $2
           ) i
         ) g",
    )
    .bind(fingerprint)
    .bind(COUNT_LIMIT)
    .fetch_optional(conn)
    .await
}

/// An incident that was resolved, and by whom.
///
/// ```
/// use makegood::inspect::PastIncident;
///
/// fn words(past: &PastIncident) -> String {
///     let who = past.actor.as_deref().unwrap_or("the engine");
///     format!("{}: {} by {who}", past.workflow_id, past.resolution)
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
pub struct PastIncident {
    /// The run.
    pub run_id: Uuid,
    /// Its workflow.
    pub workflow: String,
    /// The id that its starter chose.
    pub workflow_id: String,
    /// What kind of need it was.
    pub class: String,
    /// The step at which it came up.
    pub step: Option<String>,
    /// What happened.
    pub message: String,
    /// When it came up.
    pub opened_at: DateTime<Utc>,
    /// When it was resolved.
    pub resolved_at: DateTime<Utc>,
    /// How.
    pub resolution: String,
    /// By whom, when it was a person.
    pub actor: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// The last incidents of a group that were resolved, the newest first.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, group: &str) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for past in inspect::past_incidents(conn, group, 20).await? {
///     println!("{} {}", past.workflow_id, past.resolution);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn past_incidents(
    conn: &mut PgConnection,
    fingerprint: &str,
    limit: i64,
) -> Result<Vec<PastIncident>, sqlx::Error> {
    // An action and what it resolves are written in one transaction, so at one time.
    sqlx::query_as(
        "select i.run_id, r.workflow, r.workflow_id, i.class, i.step, i.message, i.opened_at,
           i.resolved_at, i.resolution, a.actor, a.reason
         from (
           select *
           from incidents
           where fingerprint = $1 and resolved_at is not null
           order by opened_at desc
           limit $2
         ) i
         join runs r on r.run_id = i.run_id
         left join lateral (
           select a.actor, a.reason
           from operator_actions a
           where a.run_id = i.run_id and a.at = i.resolved_at
           limit 1
         ) a on true
         order by i.opened_at desc",
    )
    .bind(fingerprint)
    .bind(limit)
    .fetch_all(conn)
    .await
}
