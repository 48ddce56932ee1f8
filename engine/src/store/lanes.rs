//! Lanes: the combinations of queue, workflow, version, priority and share in use.

use sqlx::{PgExecutor, PgPool, Row};

use crate::lane::LaneKey;

/// The lane of a combination; `None` when it was never used.
pub(crate) async fn find(pool: &PgPool, key: &LaneKey) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "select lane
         from lanes
         where queue = $1 and workflow = $2 and version = $3 and priority = $4 and share = $5",
    )
    .bind(&key.queue)
    .bind(&key.workflow)
    .bind(key.version)
    .bind(key.priority)
    .bind(&key.share)
    .fetch_optional(pool)
    .await
}

/// Adds a lane, unless somebody else did meanwhile.
pub(crate) async fn insert(pool: &PgPool, key: &LaneKey) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into lanes (queue, workflow, version, priority, share)
         values ($1, $2, $3, $4, $5)
         on conflict (queue, workflow, version, priority, share) do nothing",
    )
    .bind(&key.queue)
    .bind(&key.workflow)
    .bind(key.version)
    .bind(key.priority)
    .bind(&key.share)
    .execute(pool)
    .await
    .map(|_| ())
}

/// A lane with what its queue's settings say of it.
pub(crate) struct LaneRow {
    pub(crate) lane: i64,
    pub(crate) key: LaneKey,
    pub(crate) paused: bool,
    /// How many of its queue's runs may be in memory is limited.
    pub(crate) concurrency: bool,
    /// How many of its queue's runs may begin in a period is limited.
    pub(crate) rate: bool,
}

/// Every lane.
pub(crate) async fn all(pool: &PgPool) -> Result<Vec<LaneRow>, sqlx::Error> {
    let rows = sqlx::query(
        "select l.lane, l.queue, l.workflow, l.version, l.priority, l.share,
           coalesce(q.paused, false) as paused,
           q.concurrency is not null as concurrency,
           q.rate is not null as rate
         from lanes l
         left join queues q on q.queue = l.queue",
    )
    .fetch_all(pool)
    .await?;
    let read = |row: &sqlx::postgres::PgRow| {
        Ok(LaneRow {
            lane: row.try_get("lane")?,
            key: LaneKey {
                queue: row.try_get("queue")?,
                workflow: row.try_get("workflow")?,
                version: row.try_get("version")?,
                priority: row.try_get("priority")?,
                share: row.try_get("share")?,
            },
            paused: row.try_get("paused")?,
            concurrency: row.try_get("concurrency")?,
            rate: row.try_get("rate")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Lanes to look at as columns, in the order of their turns.
#[derive(Debug, Clone, Default)]
pub(crate) struct LaneColumns {
    pub(crate) lanes: Vec<i64>,
    pub(crate) priorities: Vec<i16>,
    /// Numbers of the shares: equal for lanes of one share.
    pub(crate) shares: Vec<i32>,
    /// Whether the worker runs the lane's version, or only undoes its runs.
    pub(crate) runs: Vec<bool>,
    /// The parts of a lane, in the order of their turns.
    pub(crate) parts: Vec<i16>,
}

/// What is due in some lanes, and whether there is news of lanes and queues.
pub(crate) struct Look {
    /// How many lanes there are: a number never seen before when there is a new one.
    pub(crate) lanes: i64,
    /// Grows with every change of a queue's settings.
    pub(crate) settings: i64,
    /// Until the earliest is due; not positive when one is due now.
    pub(crate) due_in_ms: Option<i64>,
    /// The lanes in which something is due now.
    pub(crate) due: Vec<i64>,
}

/// Looks whether anything is due, at the cost of one index probe for each part of a lane.
pub(crate) async fn look(
    executor: impl PgExecutor<'_>,
    columns: &LaneColumns,
) -> Result<Look, sqlx::Error> {
    let row = sqlx::query(
        "select
           (select count(*) from lanes) as lanes,
           (select coalesce(sum(revision), 0)::bigint from queues) as settings,
           ceil(extract(epoch from (min(n.due_at) - now())) * 1000)::bigint as due_in_ms,
           coalesce(array_agg(distinct n.lane) filter (where n.due_at <= now()), '{}') as due
         from (
           select l.lane, (
             select k.due_at
             from tasks k
             where k.lane = l.lane and k.part = p.part and k.due_at is not null
             order by k.due_at
             limit 1
           ) as due_at
           from unnest($1::bigint[], $2::boolean[]) l(lane, runs)
           cross join unnest($3::smallint[]) p(part)
           where l.runs or p.part = 2
           offset 0
         ) n",
    )
    .bind(&columns.lanes)
    .bind(&columns.runs)
    .bind(&columns.parts)
    .fetch_one(executor)
    .await?;
    Ok(Look {
        lanes: row.try_get("lanes")?,
        settings: row.try_get("settings")?,
        due_in_ms: row.try_get("due_in_ms")?,
        due: row.try_get("due")?,
    })
}
