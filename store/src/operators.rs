//! Those who may sign in to the console.
//! Never deletes one: what they did names them.

use chrono::{DateTime, Utc};
use domain::Rank;
use sqlx::postgres::PgRow;

use crate::users::PasswordHash;
use crate::{Conn, Error, Result, row};

/// Somebody who may sign in, or might once.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Under which name.
    pub name: String,
    /// The hash of the password.
    pub password_hash: PasswordHash,
    /// What they may do.
    pub rank: Rank,
    /// Since when they may not sign in any more.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Since when they are known.
    pub created_at: DateTime<Utc>,
    /// When the password was set.
    pub password_set_at: DateTime<Utc>,
}

/// Whether a name is 1 to 63 of lower-case letters, digits, `.`, `_`, `@` and `-`, and begins with a
/// letter or digit.
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let first = name.bytes().next();
    first.is_some_and(plain)
        && name.len() <= 63
        && name.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'@' | b'-'))
}

/// Adds somebody; `Conflict` when the name is taken.
pub async fn insert(conn: &mut Conn, name: &str, hash: &PasswordHash, rank: Rank) -> Result<()> {
    sqlx::query("insert into operators (name, password_hash, rank) values ($1, $2, $3)")
        .bind(name)
        .bind(&hash.0)
        .bind(rank.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Everybody, by name.
pub async fn list(conn: &mut Conn) -> Result<Vec<Operator>> {
    let rows = sqlx::query(
        "select name, password_hash, rank, disabled_at, created_at, password_set_at
         from operators
         order by name",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// The one of this name, or `NotFound`.
pub async fn by_name(conn: &mut Conn, name: &str) -> Result<Operator> {
    let found = sqlx::query(
        "select name, password_hash, rank, disabled_at, created_at, password_set_at
         from operators
         where name = $1",
    )
    .bind(name)
    .fetch_optional(conn)
    .await?;
    read(&found.ok_or(Error::NotFound)?)
}

/// Gives a new password; `false` when nobody has this name. Their sessions are the caller's to end.
pub async fn set_password(conn: &mut Conn, name: &str, hash: &PasswordHash) -> Result<bool> {
    let done = sqlx::query(
        "update operators
         set password_hash = $2, password_set_at = now()
         where name = $1",
    )
    .bind(name)
    .bind(&hash.0)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a new password to whoever still has the one that was `checked`; `false` when it is another by
/// now, or they may not sign in any more.
pub async fn replace_password(
    conn: &mut Conn,
    name: &str,
    checked: &PasswordHash,
    new: &PasswordHash,
) -> Result<bool> {
    let done = sqlx::query(
        "update operators
         set password_hash = $3, password_set_at = now()
         where name = $1 and password_hash = $2 and disabled_at is null",
    )
    .bind(name)
    .bind(&checked.0)
    .bind(&new.0)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What they may do, which stays so until the transaction ends; `None` when they may not sign in.
pub async fn hold_rank(conn: &mut Conn, name: &str) -> Result<Option<Rank>> {
    let found = sqlx::query(
        "select rank
         from operators
         where name = $1 and disabled_at is null
         for share",
    )
    .bind(name)
    .fetch_optional(conn)
    .await?;
    found.as_ref().map(|row| row::word(row, "rank")).transpose()
}

/// Says what they may do; `false` when nobody has this name. It counts from their next request.
pub async fn set_rank(conn: &mut Conn, name: &str, rank: Rank) -> Result<bool> {
    let done = sqlx::query("update operators set rank = $2 where name = $1")
        .bind(name)
        .bind(rank.as_str())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps them out from their next request on, or lets them in again; `false` when nobody has this
/// name.
pub async fn set_disabled(conn: &mut Conn, name: &str, disabled: bool) -> Result<bool> {
    let done = sqlx::query(
        "update operators
         set disabled_at = case when $2 then coalesce(disabled_at, now()) end
         where name = $1",
    )
    .bind(name)
    .bind(disabled)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn read(row: &PgRow) -> Result<Operator> {
    Ok(Operator {
        name: row::get(row, "name")?,
        password_hash: PasswordHash(row::get(row, "password_hash")?),
        rank: row::word(row, "rank")?,
        disabled_at: row::get(row, "disabled_at")?,
        created_at: row::get(row, "created_at")?,
        password_set_at: row::get(row, "password_set_at")?,
    })
}
