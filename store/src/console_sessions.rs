//! Browsers that are signed in to the console.
//! Never a token: only its hash, so that whoever reads the table cannot sign in with it.

use chrono::{DateTime, Utc};
use domain::Rank;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::users::PasswordHash;
use crate::{Conn, Result, row};

/// A session to be begun.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// SHA-256 of the token that the browser has.
    pub token_hash: Vec<u8>,
    /// How people name it.
    pub session_id: Uuid,
    /// Whose it is.
    pub operator: String,
    /// Goes with each of its forms.
    pub csrf: String,
    /// Where it was begun from.
    pub address: String,
    /// What the browser says it is.
    pub agent: String,
}

/// Whose session a token is of.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The session.
    pub session_id: Uuid,
    /// Whose it is.
    pub operator: String,
    /// What they may do now.
    pub rank: Rank,
    /// Goes with each form.
    pub csrf: String,
    /// It has not been seen for a minute.
    pub unseen: bool,
}

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct Session {
    /// How people name it.
    pub session_id: Uuid,
    /// Whose it is.
    pub operator: String,
    /// Where it was begun from.
    pub address: String,
    /// What the browser says it is.
    pub agent: String,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub seen_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
}

/// Begins a session that ends after `secs` seconds at the latest; `false` when the operator has
/// another password by now than the one that was checked, or may not sign in any more.
pub async fn insert(
    conn: &mut Conn,
    new: &NewSession,
    checked: &PasswordHash,
    secs: i64,
) -> Result<bool> {
    let is_still = sqlx::query(
        "select name
         from operators
         where name = $1 and password_hash = $2 and disabled_at is null
         for share",
    )
    .bind(&new.operator)
    .bind(&checked.0)
    .fetch_optional(&mut *conn)
    .await?;
    if is_still.is_none() {
        return Ok(false);
    }
    sqlx::query(
        "insert into console_sessions (token_hash, session_id, operator, csrf, address, agent,
           expires_at)
         values ($1, $2, $3, $4, $5, $6, now() + $7 * interval '1 second')",
    )
    .bind(&new.token_hash)
    .bind(new.session_id)
    .bind(&new.operator)
    .bind(&new.csrf)
    .bind(&new.address)
    .bind(&new.agent)
    .bind(secs)
    .execute(conn)
    .await?;
    Ok(true)
}

/// Whose session this is, if it has neither ended nor been idle for `idle_secs`, and its operator may
/// sign in.
pub async fn holder(conn: &mut Conn, token_hash: &[u8], idle_secs: i64) -> Result<Option<Holder>> {
    let found = sqlx::query(
        "select s.session_id, s.operator, o.rank, s.csrf,
           s.seen_at < now() - interval '1 minute' as unseen
         from console_sessions s
         join operators o on o.name = s.operator and o.disabled_at is null
         where s.token_hash = $1 and s.expires_at > now()
           and s.seen_at > now() - $2 * interval '1 second'",
    )
    .bind(token_hash)
    .bind(idle_secs)
    .fetch_optional(conn)
    .await?;
    let holder = |row: &PgRow| {
        Ok(Holder {
            session_id: row::get(row, "session_id")?,
            operator: row::get(row, "operator")?,
            rank: row::word(row, "rank")?,
            csrf: row::get(row, "csrf")?,
            unseen: row::get(row, "unseen")?,
        })
    };
    found.as_ref().map(holder).transpose()
}

/// Notes that a session was used.
pub async fn seen(conn: &mut Conn, token_hash: &[u8]) -> Result<()> {
    sqlx::query("update console_sessions set seen_at = now() where token_hash = $1")
        .bind(token_hash)
        .execute(conn)
        .await?;
    Ok(())
}

/// The sessions of one operator, or of everybody, the last used first; at most 500.
pub async fn list(conn: &mut Conn, operator: Option<&str>) -> Result<Vec<Session>> {
    let rows = sqlx::query(
        "select session_id, operator, address, agent, created_at, seen_at, expires_at
         from console_sessions
         where ($1::text is null or operator = $1) and expires_at > now()
         order by seen_at desc, session_id
         limit 500",
    )
    .bind(operator)
    .fetch_all(conn)
    .await?;
    let session = |row: &PgRow| {
        Ok(Session {
            session_id: row::get(row, "session_id")?,
            operator: row::get(row, "operator")?,
            address: row::get(row, "address")?,
            agent: row::get(row, "agent")?,
            created_at: row::get(row, "created_at")?,
            seen_at: row::get(row, "seen_at")?,
            expires_at: row::get(row, "expires_at")?,
        })
    };
    rows.iter().map(session).collect()
}

/// Ends a session, of one operator or of whomever it is; whose it was, if there was one.
pub async fn end(
    conn: &mut Conn,
    session_id: Uuid,
    operator: Option<&str>,
) -> Result<Option<String>> {
    let ended = sqlx::query_scalar(
        "delete from console_sessions
         where session_id = $1 and ($2::text is null or operator = $2)
         returning operator",
    )
    .bind(session_id)
    .bind(operator)
    .fetch_optional(conn)
    .await?;
    Ok(ended)
}

/// Gives a session another token, and its forms another; `false` when it has ended.
pub async fn rotate(
    conn: &mut Conn,
    session_id: Uuid,
    token_hash: &[u8],
    csrf: &str,
) -> Result<bool> {
    let done = sqlx::query(
        "update console_sessions
         set token_hash = $2, csrf = $3
         where session_id = $1",
    )
    .bind(session_id)
    .bind(token_hash)
    .bind(csrf)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends the session of a token, if there is one.
pub async fn end_of_token(conn: &mut Conn, token_hash: &[u8]) -> Result<()> {
    sqlx::query("delete from console_sessions where token_hash = $1")
        .bind(token_hash)
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends every session of an operator, but one if it is named; how many.
pub async fn end_all(conn: &mut Conn, operator: &str, but: Option<Uuid>) -> Result<u64> {
    let done = sqlx::query(
        "delete from console_sessions
         where operator = $1 and session_id is distinct from $2",
    )
    .bind(operator)
    .bind(but)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Forgets sessions that have ended by the clock, or were idle for `idle_secs`.
pub async fn forget_ended(conn: &mut Conn, idle_secs: i64) -> Result<u64> {
    let done = sqlx::query(
        "delete from console_sessions
         where expires_at <= now() or seen_at <= now() - $1 * interval '1 second'",
    )
    .bind(idle_secs)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
