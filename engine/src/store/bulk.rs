//! Bulk actions and their items: frozen once, carried out one by one. It decides nothing.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A bulk action about to be frozen.
pub(crate) struct NewBulk<'a> {
    pub(crate) bulk_id: Uuid,
    pub(crate) verb: &'a str,
    pub(crate) selection: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) per_second: i32,
}

/// Which runs are selected; what is `None` or empty selects all.
pub(crate) struct Filter<'a> {
    pub(crate) workflow: Option<&'a str>,
    pub(crate) states: Vec<&'static str>,
    pub(crate) class: Option<&'a str>,
    pub(crate) fingerprint: Option<&'a str>,
    pub(crate) started_from: Option<DateTime<Utc>>,
    pub(crate) started_before: Option<DateTime<Utc>>,
    pub(crate) ids: &'a [Uuid],
    pub(crate) attributes: Option<String>,
    pub(crate) ended_too: bool,
    pub(crate) limit: i64,
}

/// A bulk action as whoever carries it out has to know it.
#[derive(FromRow)]
pub(crate) struct Order {
    pub(crate) verb: String,
    pub(crate) actor: String,
    pub(crate) reason: String,
    pub(crate) per_second: i32,
}

/// Writes a bulk action down.
pub(crate) async fn insert(conn: &mut PgConnection, bulk: &NewBulk<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into bulk_actions (bulk_id, verb, selection, actor, reason, per_second)
         values ($1, $2::jsonb, $3::jsonb, $4, $5, $6)",
    )
    .bind(bulk.bulk_id)
    .bind(bulk.verb)
    .bind(bulk.selection)
    .bind(bulk.actor)
    .bind(bulk.reason)
    .bind(bulk.per_second)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Freezes the selection, the oldest runs first if they are more than the limit.
pub(crate) async fn freeze(
    conn: &mut PgConnection,
    bulk_id: Uuid,
    filter: &Filter<'_>,
) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "insert into bulk_items (bulk_id, run_id)
         select $1, r.run_id
         from runs r
         left join tasks k on k.run_id = r.run_id
         left join incidents i on i.run_id = r.run_id and i.resolved_at is null
         where ($2::text is null or r.workflow = $2)
           and (cardinality($3::text[]) = 0 or coalesce(r.ended_state, k.state) = any($3))
           and ($4::text is null or i.class = $4)
           and ($5::text is null or i.fingerprint = $5)
           and ($6::timestamptz is null or r.started_at >= $6)
           and ($7::timestamptz is null or r.started_at < $7)
           and (cardinality($8::uuid[]) = 0 or r.run_id = any($8))
           and ($9 or r.ended_state is null)
           and ($11::jsonb is null or r.attributes @> $11::jsonb)
         order by r.started_at
         limit $10",
    )
    .bind(bulk_id)
    .bind(filter.workflow)
    .bind(&filter.states)
    .bind(filter.class)
    .bind(filter.fingerprint)
    .bind(filter.started_from)
    .bind(filter.started_before)
    .bind(filter.ids)
    .bind(filter.ended_too)
    .bind(filter.limit)
    .bind(&filter.attributes)
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
}

/// Starts, or goes on with, a bulk action; `None` when there is none that could.
pub(crate) async fn start(
    conn: &mut PgConnection,
    bulk_id: Uuid,
) -> Result<Option<Order>, sqlx::Error> {
    sqlx::query_as(
        "update bulk_actions
         set state = 'RUNNING'
         where bulk_id = $1 and state in ('FROZEN', 'RUNNING')
         returning verb::text as verb, actor, reason, per_second",
    )
    .bind(bulk_id)
    .fetch_optional(conn)
    .await
}

/// Begins a frozen bulk action that `keeper` will see to its end; `false` when it is not frozen.
pub(crate) async fn begin(
    conn: &mut PgConnection,
    bulk_id: Uuid,
    keeper: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "update bulk_actions
         set state = 'RUNNING', begun_at = now(), keeper = $2
         where bulk_id = $1 and state = 'FROZEN'",
    )
    .bind(bulk_id)
    .bind(keeper)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// The next run to act on, its item locked; `None` when none is left, the bulk action is cancelled,
/// or somebody else is at the last ones.
pub(crate) async fn next(
    conn: &mut PgConnection,
    bulk_id: Uuid,
) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select i.run_id
         from bulk_items i
         join bulk_actions b on b.bulk_id = i.bulk_id
         where i.bulk_id = $1 and i.outcome is null and b.state = 'RUNNING'
         order by i.run_id
         limit 1
         for update of i skip locked",
    )
    .bind(bulk_id)
    .fetch_optional(conn)
    .await
}

/// Writes down what became of an item.
pub(crate) async fn settle(
    conn: &mut PgConnection,
    item: (Uuid, Uuid),
    outcome: &str,
    why: Option<&str>,
    action_id: Option<Uuid>,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "update bulk_items
         set outcome = $3, why = $4, action_id = $5, at = now()
         where bulk_id = $1 and run_id = $2 and outcome is null",
    )
    .bind(item.0)
    .bind(item.1)
    .bind(outcome)
    .bind(why)
    .bind(action_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Why no next item was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// None is left: the bulk action is done with this call.
    Nothing,
    /// Somebody else holds what is left.
    Locked,
}

/// Ends a bulk action of which no item is left; `None` when it is over.
pub(crate) async fn finish(
    conn: &mut PgConnection,
    bulk_id: Uuid,
) -> Result<Option<Left>, sqlx::Error> {
    let done = sqlx::query(
        "update bulk_actions
         set state = 'DONE', ended_at = now()
         where bulk_id = $1
           and state = 'RUNNING'
           and not exists (
             select 1 from bulk_items i where i.bulk_id = $1 and i.outcome is null
           )",
    )
    .bind(bulk_id)
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Some(Left::Nothing));
    }
    let runs: bool = sqlx::query_scalar(
        "select exists (
           select 1 from bulk_actions where bulk_id = $1 and state = 'RUNNING'
         )",
    )
    .bind(bulk_id)
    .fetch_one(conn)
    .await?;
    Ok(runs.then_some(Left::Locked))
}

/// Cancels a bulk action; `false` when it is over.
pub(crate) async fn cancel(
    conn: &mut PgConnection,
    bulk_id: Uuid,
    actor: &str,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "update bulk_actions
         set state = 'CANCELLED', ended_at = now(), cancelled_by = $2, cancelled_why = $3
         where bulk_id = $1 and state in ('FROZEN', 'RUNNING')",
    )
    .bind(bulk_id)
    .bind(actor)
    .bind(reason)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Deletes the oldest bulk action with its items, if it is over, or was never begun, for so long.
pub(crate) async fn delete_oldest(
    conn: &mut PgConnection,
    ended_before: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "with oldest as materialized (
           select bulk_id
           from bulk_actions
           where created_at <= $1
             and coalesce(ended_at, case when state = 'FROZEN' then created_at end) <= $1
           order by created_at
           limit 1
           for update skip locked
         )
         delete from bulk_actions
         where bulk_id = any(array(select bulk_id from oldest))",
    )
    .bind(ended_before)
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
}
