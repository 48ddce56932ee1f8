//! How often somebody tried to sign in: under a name, or from an address.
//! Never decides how long they have to wait: the console does.

use crate::{Conn, Result, row};

/// What is known of a name or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// How many attempts failed, or are under way.
    pub attempts: i64,
    /// How long ago the last one was, in milliseconds.
    pub ago_ms: i64,
}

/// The attempts of a subject, whose row is locked until the transaction ends.
pub async fn lock(conn: &mut Conn, subject: &str) -> Result<Attempts> {
    let row = sqlx::query(
        "insert into sign_in_attempts (subject)
         values ($1)
         on conflict (subject) do update set attempts = sign_in_attempts.attempts
         returning attempts, (extract(epoch from now() - last_at) * 1000)::bigint as ago_ms",
    )
    .bind(subject)
    .fetch_one(conn)
    .await?;
    Ok(Attempts { attempts: row::get(&row, "attempts")?, ago_ms: row::get(&row, "ago_ms")? })
}

/// Counts an attempt, before it is known whether it succeeds: of many at once, none is free. After
/// `forget_secs` without one, it is the first.
pub async fn count(conn: &mut Conn, subject: &str, forget_secs: i64) -> Result<()> {
    sqlx::query(
        "update sign_in_attempts
         set attempts = 1 + case
               when last_at < now() - $2 * interval '1 second' then 0
               else attempts
             end,
             last_at = now()
         where subject = $1",
    )
    .bind(subject)
    .bind(forget_secs)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes half of the attempts back: one has succeeded.
pub async fn take_back(conn: &mut Conn, subject: &str) -> Result<()> {
    sqlx::query("update sign_in_attempts set attempts = attempts / 2 where subject = $1")
        .bind(subject)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets a subject.
pub async fn forget(conn: &mut Conn, subject: &str) -> Result<()> {
    sqlx::query("delete from sign_in_attempts where subject = $1")
        .bind(subject)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets what is older than `secs` seconds.
pub async fn forget_old(conn: &mut Conn, secs: i64) -> Result<u64> {
    let done = sqlx::query(
        "delete from sign_in_attempts where last_at < now() - $1 * interval '1 second'",
    )
    .bind(secs)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
