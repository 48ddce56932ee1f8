//! Personal tokens of those who may sign in to the console: for commands, where there is no browser.
//! Never a token: only its hash, so that whoever reads the table cannot use it.

use chrono::{DateTime, Utc};
use domain::Rank;
use sqlx::postgres::PgRow;

use crate::{Conn, Result, row};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// SHA-256 of the token.
    pub token_hash: Vec<u8>,
    /// Whose it is.
    pub operator: String,
    /// What its owner calls it, spelled like an operator's name.
    pub name: String,
    /// What it may do at most.
    pub rank: Rank,
}

/// Whose token it is, or was.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Whose.
    pub operator: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do now: never more than its owner.
    pub rank: Rank,
    /// Why it does not work any more.
    pub ended: Option<Ended>,
    /// It has not been used for a minute.
    pub unused: bool,
}

/// Why a token does not work any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its time was over then.
    Expired(DateTime<Utc>),
    /// It was revoked then.
    Revoked(DateTime<Utc>),
    /// Its owner may not sign in any more.
    Disabled,
}

/// A token as its owner sees it.
#[derive(Clone, Debug)]
pub struct Token {
    /// Whose it is.
    pub operator: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do at most.
    pub rank: Rank,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub used_at: Option<DateTime<Utc>>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// Makes a token that ends after `secs` seconds; `Conflict` when its owner has one of this name that
/// works. `false` when nobody of this name may sign in, or none with so high a rank.
pub async fn insert(conn: &mut Conn, new: &NewToken, secs: i64) -> Result<bool> {
    // Against a disabling or another rank meanwhile.
    let rank = sqlx::query(
        "select rank
         from operators
         where name = $1 and disabled_at is null
         for share",
    )
    .bind(&new.operator)
    .fetch_optional(&mut *conn)
    .await?;
    let rank: Option<Rank> = rank.as_ref().map(|found| row::word(found, "rank")).transpose()?;
    if rank.is_none_or(|rank| rank < new.rank) {
        return Ok(false);
    }
    sqlx::query(
        "update console_tokens
         set revoked_at = expires_at
         where operator = $1 and name = $2 and revoked_at is null and expires_at <= now()",
    )
    .bind(&new.operator)
    .bind(&new.name)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into console_tokens (token_hash, operator, name, rank, expires_at)
         values ($1, $2, $3, $4, now() + $5 * interval '1 second')",
    )
    .bind(&new.token_hash)
    .bind(&new.operator)
    .bind(&new.name)
    .bind(new.rank.as_str())
    .bind(secs)
    .execute(conn)
    .await?;
    Ok(true)
}

/// Whose token this is, whether or not it still works.
pub async fn holder(conn: &mut Conn, token_hash: &[u8]) -> Result<Option<Holder>> {
    let found = sqlx::query(
        "select t.operator, t.name, t.rank, o.rank as rank_of_owner, t.expires_at, t.revoked_at,
           t.expires_at <= now() as expired, o.disabled_at is not null as disabled,
           coalesce(t.used_at < now() - interval '1 minute', true) as unused
         from console_tokens t
         join operators o on o.name = t.operator
         where t.token_hash = $1",
    )
    .bind(token_hash)
    .fetch_optional(conn)
    .await?;
    let holder = |found: &PgRow| {
        let revoked_at: Option<DateTime<Utc>> = row::get(found, "revoked_at")?;
        let expires_at = row::get(found, "expires_at")?;
        let ended = match (row::get(found, "expired")?, revoked_at, row::get(found, "disabled")?) {
            (true, _, _) => Some(Ended::Expired(expires_at)),
            (false, Some(at), _) => Some(Ended::Revoked(at)),
            (false, None, true) => Some(Ended::Disabled),
            (false, None, false) => None,
        };
        let (rank, of_owner): (Rank, Rank) =
            (row::word(found, "rank")?, row::word(found, "rank_of_owner")?);
        Ok(Holder {
            operator: row::get(found, "operator")?,
            name: row::get(found, "name")?,
            rank: rank.min(of_owner),
            ended,
            unused: row::get(found, "unused")?,
        })
    };
    found.as_ref().map(holder).transpose()
}

/// Notes that a token was used.
pub async fn used(conn: &mut Conn, token_hash: &[u8]) -> Result<()> {
    sqlx::query("update console_tokens set used_at = now() where token_hash = $1")
        .bind(token_hash)
        .execute(conn)
        .await?;
    Ok(())
}

/// The tokens of one operator, or of everybody, that work or would if their owner might sign in;
/// by owner and name, at most 500.
pub async fn list(conn: &mut Conn, operator: Option<&str>) -> Result<Vec<Token>> {
    let rows = sqlx::query(
        "select operator, name, rank, created_at, used_at, expires_at
         from console_tokens
         where ($1::text is null or operator = $1) and revoked_at is null and expires_at > now()
         order by operator, name
         limit 500",
    )
    .bind(operator)
    .fetch_all(conn)
    .await?;
    let token = |found: &PgRow| {
        Ok(Token {
            operator: row::get(found, "operator")?,
            name: row::get(found, "name")?,
            rank: row::word(found, "rank")?,
            created_at: row::get(found, "created_at")?,
            used_at: row::get(found, "used_at")?,
            expires_at: row::get(found, "expires_at")?,
        })
    };
    rows.iter().map(token).collect()
}

/// Ends a token for good; `false` when its owner has none of this name that works.
pub async fn revoke(conn: &mut Conn, operator: &str, name: &str) -> Result<bool> {
    let done = sqlx::query(
        "update console_tokens
         set revoked_at = now()
         where operator = $1 and name = $2 and revoked_at is null and expires_at > now()",
    )
    .bind(operator)
    .bind(name)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends every token of an operator for good; how many.
pub async fn revoke_all(conn: &mut Conn, operator: &str) -> Result<u64> {
    let done = sqlx::query(
        "update console_tokens
         set revoked_at = now()
         where operator = $1 and revoked_at is null and expires_at > now()",
    )
    .bind(operator)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Forgets tokens that ended at least `secs` seconds ago.
pub async fn forget_ended(conn: &mut Conn, secs: i64) -> Result<u64> {
    let done = sqlx::query(
        "delete from console_tokens
         where least(expires_at, revoked_at) <= now() - $1 * interval '1 second'",
    )
    .bind(secs)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
