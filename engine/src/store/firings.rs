//! Firings of schedules: which are due, and what they have started. It decides nothing.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::schedules::{Locked, Next};

/// What a firing, or several, did to a schedule.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// The latest firing that started a run, and that run.
    pub(crate) last: Option<(DateTime<Utc>, Uuid)>,
    pub(crate) fired: i64,
    pub(crate) overlapped: i64,
}

/// How long until a schedule of these workflows is due, if any will be.
pub(crate) async fn due_in_ms(
    pool: &PgPool,
    workflows: &[String],
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "select ceil(extract(epoch from (due_at - now())) * 1000)::bigint
         from schedules
         where not paused and fault is null and workflow = any($1)
         order by due_at
         limit 1",
    )
    .bind(workflows)
    .fetch_optional(pool)
    .await
}

/// Locks schedules that are due, leaving alone those that another worker has locked.
pub(crate) async fn lock_due(
    conn: &mut PgConnection,
    workflows: &[String],
    limit: i64,
) -> Result<Vec<Locked>, sqlx::Error> {
    sqlx::query_as(
        "select schedule_id, name, workflow, version, cron, zone, catch_up, catch_up_limit,
           overlap, jitter_ms, grace_ms, input::text as input, next_at, run_id, beside,
           fault, now() as now
         from schedules
         where due_at <= now() and not paused and fault is null and workflow = any($1)
         order by due_at
         limit $2
         for update skip locked",
    )
    .bind(workflows)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Writes down what was made of a locked schedule, and moves it on.
pub(crate) async fn advance(
    conn: &mut PgConnection,
    schedule_id: Uuid,
    made: &Made,
    next: Option<Next>,
    fault: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update schedules
         set next_at = $2,
             due_at = $3,
             fired_at = coalesce($4, fired_at),
             run_id = coalesce($5, run_id),
             fired = fired + $6,
             overlapped = overlapped + $7,
             fault = $8
         where schedule_id = $1",
    )
    .bind(schedule_id)
    .bind(next.map(|next| next.at))
    .bind(next.map(|next| next.due_at))
    .bind(made.last.map(|(at, _)| at))
    .bind(made.last.map(|(_, run_id)| run_id))
    .bind(made.fired)
    .bind(made.overlapped)
    .bind(fault)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Notes a run that a person had started. Those before it that live go on beside it.
pub(crate) async fn note(
    conn: &mut PgConnection,
    schedule: &Locked,
    run_id: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update schedules s
         set fired_at = $2,
             run_id = $3,
             fired = s.fired + 1,
             beside = array(select k.run_id from tasks k where k.run_id = any($4))
         where s.schedule_id = $1",
    )
    .bind(schedule.schedule_id)
    .bind(schedule.now)
    .bind(run_id)
    .bind(schedule.started())
    .execute(conn)
    .await
    .map(|_| ())
}

/// Whether one of these runs has not ended.
pub(crate) async fn any_lives(
    conn: &mut PgConnection,
    run_ids: &[Uuid],
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select 1 from tasks where run_id = any($1))")
        .bind(run_ids)
        .fetch_one(conn)
        .await
}
