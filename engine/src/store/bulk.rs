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

/// How many runs were selected, and what became of them.
#[derive(FromRow)]
pub(crate) struct Tally {
    pub(crate) total: i64,
    pub(crate) done: i64,
    pub(crate) ordered: i64,
    pub(crate) refused: i64,
    pub(crate) changed: i64,
    pub(crate) failed: i64,
}

/// Who carries a bulk action out: one at a time has the claim, and everything he writes is behind
/// a renewal of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) bulk_id: Uuid,
    pub(crate) driver: Uuid,
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

/// The runs that are selected, the oldest first if they are more than the limit.
pub(crate) async fn selected(
    conn: &mut PgConnection,
    filter: &Filter<'_>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select r.run_id
         from runs r
         left join tasks k on k.run_id = r.run_id
         left join incidents i on i.run_id = r.run_id and i.resolved_at is null
         where ($1::text is null or r.workflow = $1)
           and (cardinality($2::text[]) = 0 or coalesce(r.ended_state, k.state) = any($2))
           and ($3::text is null or i.class = $3)
           and ($4::text is null or i.fingerprint = $4)
           and ($5::timestamptz is null or r.started_at >= $5)
           and ($6::timestamptz is null or r.started_at < $6)
           and (cardinality($7::uuid[]) = 0 or r.run_id = any($7))
           and ($8 or r.ended_state is null)
           and ($10::jsonb is null or r.attributes @> $10::jsonb)
         order by r.started_at
         limit $9",
    )
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
    .fetch_all(conn)
    .await
}

/// Freezes these runs, each with its version, and counts them.
pub(crate) async fn freeze(
    conn: &mut PgConnection,
    bulk_id: Uuid,
    run_ids: &[Uuid],
    versions: &[String],
) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "insert into bulk_items (bulk_id, run_id, version)
         select b.bulk_id, x.run_id, x.version
         from bulk_actions b
         cross join unnest($2::uuid[], $3::text[]) x(run_id, version)
         where b.bulk_id = $1",
    )
    .bind(bulk_id)
    .bind(run_ids)
    .bind(versions)
    .execute(&mut *conn)
    .await?;
    sqlx::query("update bulk_actions set total = cardinality($2::uuid[]) where bulk_id = $1")
        .bind(bulk_id)
        .bind(run_ids)
        .execute(conn)
        .await?;
    Ok(u64::try_from(run_ids.len()).unwrap_or_default())
}

/// Begins a frozen bulk action that `keeper` will see to its end; `false` when it is not frozen, or
/// was frozen too long ago.
pub(crate) async fn begin(
    conn: &mut PgConnection,
    bulk_id: Uuid,
    keeper: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "update bulk_actions
         set state = 'RUNNING', keeper = $2
         where bulk_id = $1 and state = 'FROZEN' and expires_at > now()",
    )
    .bind(bulk_id)
    .bind(keeper)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Claims a bulk action, and begins it if it is frozen; `None` when it is not to be carried out, or
/// another has the claim. Whoever is at a run of it right now is not waited for.
pub(crate) async fn claim(
    conn: &mut PgConnection,
    claim: Claim,
    lease_secs: i32,
) -> Result<Option<Order>, sqlx::Error> {
    sqlx::query_as(
        "with free as materialized (
           select bulk_id
           from bulk_actions
           where bulk_id = $1
             and (state = 'RUNNING' or state = 'FROZEN' and expires_at > now())
             and (driver is null or driven_until <= now())
           for update skip locked
         )
         update bulk_actions
         set state = 'RUNNING', driver = $2, driven_until = now() + $3 * interval '1 second'
         where bulk_id = any(array(select bulk_id from free))
         returning verb::text as verb, actor, reason, per_second",
    )
    .bind(claim.bulk_id)
    .bind(claim.driver)
    .bind(lease_secs)
    .fetch_optional(conn)
    .await
}

/// Renews the claim, and keeps everybody else from the bulk action until the transaction ends;
/// `None` when it is over, or another has the claim by now.
pub(crate) async fn hold(
    conn: &mut PgConnection,
    claim: Claim,
    lease_secs: i32,
) -> Result<Option<Tally>, sqlx::Error> {
    sqlx::query_as(
        "update bulk_actions
         set driven_until = now() + $3 * interval '1 second'
         where bulk_id = $1 and driver = $2 and state = 'RUNNING'
         returning total, done, ordered, refused, changed, failed",
    )
    .bind(claim.bulk_id)
    .bind(claim.driver)
    .bind(lease_secs)
    .fetch_optional(conn)
    .await
}

/// Gives the claim back: whoever wants to may go on at once.
pub(crate) async fn release(conn: &mut PgConnection, claim: Claim) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update bulk_actions
         set driver = null, driven_until = null
         where bulk_id = $1 and driver = $2",
    )
    .bind(claim.bulk_id)
    .bind(claim.driver)
    .execute(conn)
    .await
    .map(|_| ())
}

/// The next run to act on, with its version when it was frozen; `None` when none is left. The
/// claim is held.
pub(crate) async fn next(
    conn: &mut PgConnection,
    bulk_id: Uuid,
) -> Result<Option<(Uuid, String)>, sqlx::Error> {
    sqlx::query_as(
        "select run_id, version
         from bulk_items
         where bulk_id = $1 and outcome is null
         order by run_id
         limit 1",
    )
    .bind(bulk_id)
    .fetch_optional(conn)
    .await
}

/// Writes down what became of a run, and counts it. The claim is held.
pub(crate) async fn settle(
    conn: &mut PgConnection,
    item: (Uuid, Uuid),
    outcome: &str,
    why: Option<&str>,
    action_id: Option<Uuid>,
) -> Result<(), sqlx::Error> {
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
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "update bulk_actions
         set done = done + ($2 = 'done')::int,
             ordered = ordered + ($2 = 'ordered')::int,
             refused = refused + ($2 = 'refused')::int,
             changed = changed + ($2 = 'changed')::int,
             failed = failed + ($2 = 'failed')::int
         where bulk_id = $1",
    )
    .bind(item.0)
    .bind(outcome)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Ends a bulk action of which no run is left. The claim is held.
pub(crate) async fn finish(conn: &mut PgConnection, bulk_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update bulk_actions
         set state = 'DONE', ended_at = now()
         where bulk_id = $1 and state = 'RUNNING'",
    )
    .bind(bulk_id)
    .execute(conn)
    .await
    .map(|_| ())
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
