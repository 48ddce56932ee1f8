//! Bulk actions, and what became of their runs afterwards. Changes nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::bulk::BulkView;

/// How the runs fare on which a bulk action was carried out.
///
/// ```
/// use makegood::inspect::Aftermath;
///
/// let now = Aftermath { ended: 380, again: 12, on_their_way: 20 };
/// assert_eq!(now.ended + now.again + now.on_their_way, 412);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, FromRow)]
pub struct Aftermath {
    /// They have ended since.
    pub ended: i64,
    /// They need a person again: an incident was opened since.
    pub again: i64,
    /// They live.
    pub on_their_way: i64,
}

/// How the runs fare on which a bulk action was carried out, as of now.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// let now = makegood::inspect::aftermath(conn, id).await?;
/// println!("{} ended, {} failed again", now.ended, now.again);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The database does not answer.
pub async fn aftermath(conn: &mut PgConnection, bulk_id: Uuid) -> Result<Aftermath, sqlx::Error> {
    sqlx::query_as(
        "select count(*) filter (where k.run_id is null) as ended,
           count(*) filter (where n.run_id is not null) as again,
           count(*) filter (where k.run_id is not null and n.run_id is null) as on_their_way
         from bulk_items i
         left join tasks k on k.run_id = i.run_id
         left join incidents n on n.run_id = i.run_id and n.resolved_at is null
           and n.opened_at > i.at and n.class <> 'paused'
         where i.bulk_id = $1 and i.outcome in ('done', 'ordered')",
    )
    .bind(bulk_id)
    .fetch_one(conn)
    .await
}

/// Bulk actions, the newest first, those before a time if one is given.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// for bulk in makegood::inspect::bulks(conn, None, 20).await? {
///     println!("{} {} {}", bulk.bulk_id, bulk.state, bulk.total);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The database does not answer.
pub async fn bulks(
    conn: &mut PgConnection,
    before: Option<DateTime<Utc>>,
    limit: i64,
) -> Result<Vec<BulkView>, sqlx::Error> {
    sqlx::query_as(
        "select b.bulk_id, b.verb, b.selection, b.actor, b.reason, b.per_second, b.state,
           b.created_at, b.ended_at, b.cancelled_by, b.cancelled_why, n.total, n.done, n.ordered,
           n.refused, n.failed
         from bulk_actions b
         cross join lateral (
           select count(*) as total,
             count(*) filter (where i.outcome = 'done') as done,
             count(*) filter (where i.outcome = 'ordered') as ordered,
             count(*) filter (where i.outcome = 'refused') as refused,
             count(*) filter (where i.outcome = 'failed') as failed
           from bulk_items i
           where i.bulk_id = b.bulk_id
         ) n
         where $1::timestamptz is null or b.created_at < $1
         order by b.created_at desc
         limit $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Bulk actions that `keeper` was to see to their end, and of which nothing was heard for `secs`
/// seconds: the process is gone. [`Client::bulk_run`](crate::Client::bulk_run) goes on with them.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// let abandoned = makegood::inspect::abandoned_bulks(conn, "console", 30).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The database does not answer.
pub async fn abandoned_bulks(
    conn: &mut PgConnection,
    keeper: &str,
    secs: i32,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select b.bulk_id
         from bulk_actions b
         where b.state = 'RUNNING' and b.keeper = $1
           and b.begun_at < now() - $2 * interval '1 second'
           and not exists (
             select 1
             from bulk_items i
             where i.bulk_id = b.bulk_id and i.at > now() - $2 * interval '1 second'
           )
         order by b.created_at",
    )
    .bind(keeper)
    .bind(secs)
    .fetch_all(conn)
    .await
}
