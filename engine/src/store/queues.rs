//! Queues: their limits, and what a claim from a limited one may take.

use serde_json::Value;
use sqlx::{PgConnection, PgPool, Row};

/// A queue's limits as stored: concurrency, rate, and the rate's period.
pub(crate) type StoredLimits = (Option<i32>, Option<i32>, Option<i64>);

/// Sets a queue's limits.
pub(crate) async fn set(
    conn: &mut PgConnection,
    queue: &str,
    (concurrency, rate, per_ms): StoredLimits,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into queues (queue, concurrency, rate, per_ms)
         values ($1, $2, $3, $4)
         on conflict (queue) do update
         set concurrency = excluded.concurrency,
             rate = excluded.rate,
             per_ms = excluded.per_ms,
             revision = queues.revision + 1",
    )
    .bind(queue)
    .bind(concurrency)
    .bind(rate)
    .bind(per_ms)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Pauses a queue, or resumes it.
pub(crate) async fn set_paused(
    conn: &mut PgConnection,
    queue: &str,
    paused: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into queues (queue, paused)
         values ($1, $2)
         on conflict (queue) do update
         set paused = excluded.paused,
             revision = queues.revision + 1",
    )
    .bind(queue)
    .bind(paused)
    .execute(conn)
    .await
    .map(|_| ())
}

/// A queue as it is set, its row locked, and how often it was set before. One that never was gets
/// its row: of two who look at once, the second waits.
pub(crate) async fn standing(
    conn: &mut PgConnection,
    queue: &str,
) -> Result<(Value, i64), sqlx::Error> {
    sqlx::query("insert into queues (queue) values ($1) on conflict (queue) do nothing")
        .bind(queue)
        .execute(&mut *conn)
        .await?;
    sqlx::query_as(
        "select jsonb_build_object(
           'concurrency', concurrency, 'rate', rate, 'per_ms', per_ms, 'paused', paused), revision
         from queues
         where queue = $1
         for update",
    )
    .bind(queue)
    .fetch_one(conn)
    .await
}

/// Locks a limited queue for a claim; `false` when it is paused or somebody else claims from it.
pub(crate) async fn lock(conn: &mut PgConnection, queue: &str) -> Result<bool, sqlx::Error> {
    let locked = sqlx::query(
        "select queue
         from queues
         where queue = $1 and not paused
         for update skip locked",
    )
    .bind(queue)
    .fetch_optional(conn)
    .await?;
    Ok(locked.is_some())
}

/// What a claim may take; `None` is as much as it likes.
pub(crate) struct Allowance {
    /// Runs that may come into memory.
    pub(crate) places: Option<i64>,
    /// Runs that may begin.
    pub(crate) starts: Option<i64>,
}

/// What the locked queue allows now, in a statement after the lock: its snapshot has seen the
/// claim of whoever held the lock before.
pub(crate) async fn allowance(
    conn: &mut PgConnection,
    queue: &str,
) -> Result<Allowance, sqlx::Error> {
    let row = sqlx::query(
        "select
           case when q.concurrency is not null then greatest(0, q.concurrency - (
             select count(*)
             from tasks k
             where k.owner = any(array(select incarnation from workers where alive))
               and k.lane = any(array(select lane from lanes where queue = $1))
           )) end as places,
           case when q.rate is not null then greatest(0, least(q.rate, floor(
             extract(epoch from statement_timestamp() - b.empty_at) * 1000 * q.rate / q.per_ms
           )))::bigint end as starts
         from queues q
         cross join lateral (
           select greatest(q.empty_at, statement_timestamp() - q.per_ms * interval '1 ms')
             as empty_at
         ) b
         where q.queue = $1",
    )
    .bind(queue)
    .fetch_one(conn)
    .await?;
    Ok(Allowance { places: row.try_get("places")?, starts: row.try_get("starts")? })
}

/// Takes the begun runs out of the locked queue's bucket.
pub(crate) async fn charge(
    conn: &mut PgConnection,
    queue: &str,
    starts: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with charged as (
           select greatest(empty_at, statement_timestamp() - per_ms * interval '1 ms')
             + $2::bigint * per_ms * interval '1 ms' / rate as empty_at
           from queues
           where queue = $1 and rate is not null
         )
         update queues q
         set empty_at = c.empty_at
         from charged c
         where q.queue = $1",
    )
    .bind(queue)
    .bind(starts)
    .execute(conn)
    .await
    .map(|_| ())
}

/// A queue as people see it.
pub(crate) struct QueueRow {
    pub(crate) name: String,
    pub(crate) limits: StoredLimits,
    pub(crate) paused: bool,
    pub(crate) due: i64,
    pub(crate) later: i64,
    pub(crate) held: i64,
}

/// All queues that were used or set, with counts of at most `limit` for each part of a lane.
pub(crate) async fn list(pool: &PgPool, limit: i64) -> Result<Vec<QueueRow>, sqlx::Error> {
    let rows = sqlx::query(
        "select n.queue, q.concurrency, q.rate, q.per_ms, coalesce(q.paused, false) as paused,
           coalesce(c.due, 0) as due, coalesce(c.later, 0) as later, coalesce(c.held, 0) as held
         from (select queue from queues union select queue from lanes) n
         left join queues q on q.queue = n.queue
         left join (
           select l.queue, sum(d.due)::bigint as due, sum(d.later)::bigint as later,
             sum(d.held)::bigint as held
           from lanes l
           cross join lateral (
             select sum(x.due) as due, sum(x.later) as later, (
                 select count(*)
                 from tasks k
                 where k.owner = any(array(select incarnation from workers where alive))
                   and k.lane = l.lane
               ) as held
             from (values (0), (1), (2)) p(part)
             cross join lateral (
               select
                 (
                   select count(*)
                   from (
                     select 1
                     from tasks k
                     where k.lane = l.lane and k.part = p.part and k.due_at <= now()
                     limit $1
                   ) x
                 ) as due,
                 (
                   select count(*)
                   from (
                     select 1
                     from tasks k
                     where k.lane = l.lane and k.part = p.part and k.due_at > now()
                     limit $1
                   ) x
                 ) as later
             ) x
           ) d
           group by l.queue
         ) c on c.queue = n.queue
         order by n.queue",
    )
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let read = |row: &sqlx::postgres::PgRow| {
        Ok(QueueRow {
            name: row.try_get("queue")?,
            limits: (row.try_get("concurrency")?, row.try_get("rate")?, row.try_get("per_ms")?),
            paused: row.try_get("paused")?,
            due: row.try_get("due")?,
            later: row.try_get("later")?,
            held: row.try_get("held")?,
        })
    };
    rows.iter().map(read).collect()
}
