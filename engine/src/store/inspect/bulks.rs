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
        "select *
         from bulk_standings
         where $1::timestamptz is null or created_at < $1
         order by created_at desc
         limit $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Bulk actions that `keeper` is to see to their end, and that nobody carries out: they were just
/// begun, or the process that had them is gone.
/// [`Client::bulk_run_guarded`](crate::Client::bulk_run_guarded) goes on with them.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// let abandoned = makegood::inspect::abandoned_bulks(conn, "console").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The database does not answer.
pub async fn abandoned_bulks(
    conn: &mut PgConnection,
    keeper: &str,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select bulk_id
         from bulk_actions
         where state = 'RUNNING' and keeper = $1 and (driver is null or driven_until <= now())
         order by created_at",
    )
    .bind(keeper)
    .fetch_all(conn)
    .await
}
