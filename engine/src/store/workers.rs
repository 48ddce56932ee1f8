//! The workers' incarnations: who is alive, and whose runs must be taken over.
//!
//! A flush holds its incarnation's row by `for key share`; a takeover takes it `for update` before
//! it marks it dead. So a takeover waits for flushes under way, a later flush finds nothing, and a
//! renewal, which changes no key, hinders neither.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::millis;

/// What a worker says of itself when it begins.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) name: String,
    pub(crate) host: String,
    /// As JSON, for people: its version, how many runs it takes, its queues.
    pub(crate) about: String,
}

/// Registers a new incarnation and returns the database's time.
pub(crate) async fn register(
    conn: &mut PgConnection,
    incarnation: Uuid,
    who: &Newcomer,
    lease: Duration,
) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar(
        "insert into workers (incarnation, name, host, pid, about, lease_until)
         values ($1, $2, $3, $4, $5::jsonb, now() + $6 * interval '1 ms')
         returning now()",
    )
    .bind(incarnation)
    .bind(&who.name)
    .bind(&who.host)
    .bind(i32::try_from(std::process::id()).unwrap_or_default())
    .bind(&who.about)
    .bind(millis(lease))
    .fetch_one(conn)
    .await
}

/// Renews a lease and returns the database's time; `None` when the incarnation is dead. `notes` is
/// what its process says of itself, as JSON.
pub(crate) async fn renew(
    pool: &PgPool,
    incarnation: Uuid,
    lease: Duration,
    notes: Option<String>,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar(
        "update workers
         set lease_until = now() + $2 * interval '1 ms', notes = $3::jsonb
         where incarnation = $1 and alive
         returning now()",
    )
    .bind(incarnation)
    .bind(millis(lease))
    .bind(notes)
    .fetch_optional(pool)
    .await
}

/// Whether this incarnation may write, holding it alive until the transaction ends.
pub(crate) async fn fence(conn: &mut PgConnection, incarnation: Uuid) -> Result<bool, sqlx::Error> {
    let alive: Option<Uuid> = sqlx::query_scalar(
        "select incarnation
         from workers
         where incarnation = $1 and alive
         for key share",
    )
    .bind(incarnation)
    .fetch_optional(conn)
    .await?;
    Ok(alive.is_some())
}

/// Whether a living incarnation's lease has run out, or a dead one still owns a run.
pub(crate) async fn any_to_take_over(pool: &PgPool) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (select 1 from workers where alive and lease_until < now())
           or exists (
             select 1
             from tasks
             where owner = any(array(select incarnation from workers where not alive))
           )",
    )
    .fetch_one(pool)
    .await
}

/// Locks the living incarnations whose lease has run out, without waiting for another reaper.
pub(crate) async fn lock_expired(conn: &mut PgConnection) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select incarnation
         from workers
         where alive and lease_until < now()
         order by incarnation
         for update skip locked",
    )
    .fetch_all(conn)
    .await
}

/// Locks one incarnation, waiting for its flushes under way.
pub(crate) async fn lock(conn: &mut PgConnection, incarnation: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("select incarnation from workers where incarnation = $1 for update")
        .bind(incarnation)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Marks locked incarnations dead. Their runs are freed by a later statement of the transaction.
pub(crate) async fn bury(conn: &mut PgConnection, dead: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query("update workers set alive = false, ended_at = now() where incarnation = any($1)")
        .bind(dead)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Forgets incarnations that have been dead for a day and own nothing.
pub(crate) async fn forget_old(pool: &PgPool) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "delete from workers w
         where not w.alive
           and w.ended_at < now() - interval '1 day'
           and not exists (select 1 from tasks k where k.owner = w.incarnation)",
    )
    .execute(pool)
    .await
    .map(|done| done.rows_affected())
}
