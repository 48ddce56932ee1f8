//! What was done in the console besides verbs on runs, and what was refused there. Only ever added.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::{Conn, Result, row};

/// Something that was done, or refused.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its id, made by whoever writes it down.
    pub action_id: Uuid,
    /// Who.
    pub actor: String,
    /// What, such as `pause_queue`.
    pub verb: String,
    /// To what.
    pub target: String,
    /// Whether it was done; otherwise it was refused.
    pub done: bool,
    /// Why, in the words of the actor or of the refusal.
    pub reason: String,
    /// What there was before.
    pub before: Option<Value>,
    /// What there is since.
    pub after: Option<Value>,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// Where that came from.
    pub address: Option<String>,
}

/// Which actions are wanted. Everything that is said narrows it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this actor.
    pub actor: Option<String>,
    /// Of this kind.
    pub verb: Option<String>,
    /// To this.
    pub target: Option<String>,
    /// Before this one.
    pub before: Option<(DateTime<Utc>, Uuid)>,
}

/// Writes an action down.
pub async fn insert(conn: &mut Conn, action: &Action) -> Result<()> {
    sqlx::query(
        "insert into console_actions (action_id, actor, verb, target, outcome, reason, before, after,
           request_id, address)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(action.action_id)
    .bind(&action.actor)
    .bind(&action.verb)
    .bind(&action.target)
    .bind(if action.done { "done" } else { "refused" })
    .bind(&action.reason)
    .bind(&action.before)
    .bind(&action.after)
    .bind(&action.request_id)
    .bind(&action.address)
    .execute(conn)
    .await?;
    Ok(())
}

/// The newest action, which is another one once something else was done or refused.
pub async fn newest(conn: &mut Conn) -> Result<Option<Uuid>> {
    let newest = sqlx::query_scalar(
        "select action_id
         from console_actions
         order by at desc, action_id desc
         limit 1",
    );
    Ok(newest.fetch_optional(conn).await?)
}

/// A page of actions with their times, the newest first.
pub async fn page(
    conn: &mut Conn,
    wanted: &Wanted,
    limit: i64,
) -> Result<Vec<(DateTime<Utc>, Action)>> {
    let (before_at, before_id) = wanted.before.unzip();
    let rows = sqlx::query(
        "select action_id, at, actor, verb, target, outcome, reason, before, after, request_id,
           address
         from console_actions
         where ($1::text is null or actor = $1)
           and ($2::text is null or verb = $2)
           and ($3::text is null or target = $3)
           and ($4::timestamptz is null or (at, action_id) < ($4, $5::uuid))
         order by at desc, action_id desc
         limit $6",
    )
    .bind(&wanted.actor)
    .bind(&wanted.verb)
    .bind(&wanted.target)
    .bind(before_at)
    .bind(before_id)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok((row::get(row, "at")?, read(row)?))).collect()
}

fn read(row: &PgRow) -> Result<Action> {
    Ok(Action {
        action_id: row::get(row, "action_id")?,
        actor: row::get(row, "actor")?,
        verb: row::get(row, "verb")?,
        target: row::get(row, "target")?,
        done: row::get::<&str>(row, "outcome")? == "done",
        reason: row::get(row, "reason")?,
        before: row::get(row, "before")?,
        after: row::get(row, "after")?,
        request_id: row::get(row, "request_id")?,
        address: row::get(row, "address")?,
    })
}
