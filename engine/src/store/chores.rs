//! Work that one worker of all does at a time: a row each, locked while it is done.

use std::time::Duration;

use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

/// How long until a chore is due; nothing or less when it is.
pub(crate) async fn due_in_ms(pool: &PgPool, chore: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select ceil(extract(epoch from (due_at - now())) * 1000)::bigint
         from chores
         where chore = $1",
    )
    .bind(chore)
    .fetch_one(pool)
    .await
}

/// A chore that is due, locked.
#[derive(Debug, FromRow)]
pub(crate) struct Chore {
    /// How far the one before has come.
    pub(crate) cursor: Uuid,
    /// The database's time.
    pub(crate) now: chrono::DateTime<chrono::Utc>,
}

/// Locks a chore; `None` when it is not due, or another worker is at it.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    chore: &str,
) -> Result<Option<Chore>, sqlx::Error> {
    sqlx::query_as(
        "select cursor, now() as now
         from chores
         where chore = $1 and due_at <= now()
         for update skip locked",
    )
    .bind(chore)
    .fetch_optional(conn)
    .await
}

/// Notes how far a locked chore has come, and when it goes on.
pub(crate) async fn advance(
    conn: &mut PgConnection,
    chore: &str,
    cursor: Uuid,
    pause: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update chores
         set cursor = $2,
             due_at = now() + $3 * interval '1 ms'
         where chore = $1",
    )
    .bind(chore)
    .bind(cursor)
    .bind(super::millis(pause))
    .execute(conn)
    .await
    .map(|_| ())
}
