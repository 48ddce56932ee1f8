//! Messages of runs to other runs: sent with a turn, delivered right after it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use crate::action::Letter;

/// Letters as columns, for one statement.
#[derive(Default)]
pub(crate) struct Columns {
    mail_ids: Vec<Uuid>,
    run_ids: Vec<Uuid>,
    signal_ids: Vec<String>,
    kinds: Vec<&'static str>,
    payloads: Vec<String>,
}

impl Columns {
    pub(crate) fn push(&mut self, letter: &Letter) {
        self.mail_ids.push(Uuid::now_v7());
        self.run_ids.push(letter.run_id);
        self.signal_ids.push(letter.signal_id.clone());
        self.kinds.push(letter.kind);
        self.payloads.push(letter.payload.get().to_owned());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.mail_ids.is_empty()
    }
}

/// Sends letters in the transaction of the turns that wrote them.
pub(crate) async fn send(
    conn: &mut PgConnection,
    incarnation: Uuid,
    letters: &Columns,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into mail (mail_id, run_id, signal_id, kind, payload)
         select x.mail_id, x.run_id, x.signal_id, x.kind, x.payload::jsonb
         from (
             select incarnation from workers where incarnation = $1 and alive for key share
           ) fence,
           unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[])
             x(mail_id, run_id, signal_id, kind, payload)",
    )
    .bind(incarnation)
    .bind(&letters.mail_ids)
    .bind(&letters.run_ids)
    .bind(&letters.signal_ids)
    .bind(&letters.kinds)
    .bind(&letters.payloads)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Sends one letter, in a transaction of the caller's.
pub(crate) async fn send_one(conn: &mut PgConnection, letter: &Letter) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into mail (mail_id, run_id, signal_id, kind, payload)
         values ($1, $2, $3, $4, $5::jsonb)",
    )
    .bind(Uuid::now_v7())
    .bind(letter.run_id)
    .bind(&letter.signal_id)
    .bind(letter.kind)
    .bind(letter.payload.get())
    .execute(conn)
    .await
    .map(|_| ())
}

/// Whether any letter behind this one waits to be delivered.
pub(crate) async fn any(pool: &PgPool, behind: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select 1 from mail where mail_id > $1)")
        .bind(behind)
        .fetch_one(pool)
        .await
}

/// Locks up to `limit` letters behind this one, in their order, for the transaction that delivers
/// them.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    behind: Uuid,
    limit: i64,
) -> Result<Vec<(Uuid, Delivered)>, sqlx::Error> {
    let rows = sqlx::query(
        "select mail_id, run_id, signal_id, kind, payload::text as payload
         from mail
         where mail_id > $1
         order by mail_id
         limit $2
         for update skip locked",
    )
    .bind(behind)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let letter = |row: &PgRow| {
        let delivered = Delivered {
            run_id: row.try_get("run_id")?,
            signal_id: row.try_get("signal_id")?,
            kind: row.try_get("kind")?,
            payload: row.try_get("payload")?,
        };
        Ok((row.try_get("mail_id")?, delivered))
    };
    rows.iter().map(letter).collect()
}

/// Locks those of these runs that nobody has locked, in the order of their ids, and answers with
/// the others. A run that is gone is not among them.
pub(crate) async fn lock_idle(
    conn: &mut PgConnection,
    run_ids: &[Uuid],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let locked: Vec<Uuid> = sqlx::query_scalar(
        "select run_id from tasks where run_id = any($1) order by run_id for update skip locked",
    )
    .bind(run_ids)
    .fetch_all(&mut *conn)
    .await?;
    let live: Vec<Uuid> = sqlx::query_scalar("select run_id from tasks where run_id = any($1)")
        .bind(run_ids)
        .fetch_all(conn)
        .await?;
    let mut busy: HashSet<Uuid> = live.into_iter().collect();
    for run_id in locked {
        busy.remove(&run_id);
    }
    Ok(busy)
}

/// Removes letters that were delivered, or whose run is gone.
pub(crate) async fn remove(conn: &mut PgConnection, mail_ids: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query("delete from mail where mail_id = any($1)")
        .bind(mail_ids)
        .execute(conn)
        .await
        .map(|_| ())
}

/// A letter on its way.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) run_id: Uuid,
    pub(crate) signal_id: String,
    pub(crate) kind: String,
    pub(crate) payload: String,
}

/// Puts letters among the signals of the runs that live, and answers with the runs that got one.
pub(crate) async fn deliver(
    conn: &mut PgConnection,
    letters: &[Delivered],
    at: DateTime<Utc>,
) -> Result<Vec<Reached>, sqlx::Error> {
    let run_ids: Vec<Uuid> = letters.iter().map(|letter| letter.run_id).collect();
    // Locked before they get mail, in the order of their ids: a run that is gone needs none, and
    // one that somebody else holds gets it later.
    let live: Vec<Uuid> = sqlx::query_scalar(
        "select run_id from tasks where run_id = any($1) order by run_id for update skip locked",
    )
    .bind(&run_ids)
    .fetch_all(&mut *conn)
    .await?;
    let to_live = || letters.iter().filter(|letter| live.contains(&letter.run_id));
    let rows = sqlx::query(
        "insert into signals (run_id, signal_id, kind, payload, received_at)
         select k.run_id, x.signal_id, x.kind, x.payload::jsonb, now.at
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
             x(run_id, signal_id, kind, payload)
           join tasks k on k.run_id = x.run_id and k.run_id = any($1),
           (select $5::timestamptz as at) now
         on conflict (run_id, signal_id) do nothing
         returning run_id, signal_id, kind = '$cancel' as urgent",
    )
    .bind(to_live().map(|letter| letter.run_id).collect::<Vec<_>>())
    .bind(to_live().map(|letter| letter.signal_id.clone()).collect::<Vec<_>>())
    .bind(to_live().map(|letter| letter.kind.clone()).collect::<Vec<_>>())
    .bind(to_live().map(|letter| letter.payload.clone()).collect::<Vec<_>>())
    .bind(at)
    .fetch_all(conn)
    .await?;
    let reached = |row: &PgRow| {
        Ok(Reached {
            run_id: row.try_get("run_id")?,
            signal_id: row.try_get("signal_id")?,
            urgent: row.try_get("urgent")?,
        })
    };
    rows.iter().map(reached).collect()
}

/// A run that got a letter, and whether that must wake it from a pause between two attempts.
pub(crate) struct Reached {
    pub(crate) run_id: Uuid,
    pub(crate) signal_id: String,
    urgent: bool,
}

/// Counts delivered letters into the mailboxes of runs that [`deliver`] locked, and wakes those
/// that wait. A run before its pivot that is cancelled can be undone without its old code.
pub(crate) async fn ring(conn: &mut PgConnection, reached: &[Reached]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update tasks k
         set mailbox = k.mailbox + x.letters,
             state = case
               when x.urgent and k.owner is null and k.incident_id is null
                 and exists (select 1 from turning_back b where b.run_id = k.run_id)
               then 'COMPENSATING'
               else k.state
             end,
             due_at = case
               when k.owner is null and k.incident_id is null and (k.state = 'WAITING' or x.urgent)
               then least(k.due_at, now())
               else k.due_at
             end
         from (
           select w.run_id, count(*)::int as letters, bool_or(w.urgent) as urgent
           from unnest($1::uuid[], $2::boolean[]) w(run_id, urgent)
           group by w.run_id
         ) x
         where k.run_id = any($1) and k.run_id = x.run_id",
    )
    .bind(reached.iter().map(|reached| reached.run_id).collect::<Vec<_>>())
    .bind(reached.iter().map(|reached| reached.urgent).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map(|_| ())
}
