//! Schedules: what they say, when they are due, and what they have started.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgPool, Row};
use uuid::Uuid;

use crate::schedule::ScheduleView;

/// What a schedule says, its name and input aside.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Definition {
    pub(crate) workflow: String,
    pub(crate) version: i32,
    pub(crate) cron: String,
    pub(crate) zone: String,
    pub(crate) catch_up: String,
    pub(crate) catch_up_limit: i32,
    pub(crate) overlap: String,
    pub(crate) jitter_ms: i64,
    pub(crate) grace_ms: i64,
}

/// The next firing: by the rule, and when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) at: DateTime<Utc>,
    pub(crate) due_at: DateTime<Utc>,
}

/// A locked schedule.
#[derive(Debug, FromRow)]
pub(crate) struct Locked {
    pub(crate) schedule_id: Uuid,
    pub(crate) name: String,
    #[sqlx(flatten)]
    pub(crate) definition: Definition,
    pub(crate) input: String,
    pub(crate) next_at: Option<DateTime<Utc>>,
    pub(crate) run_id: Option<Uuid>,
    pub(crate) fault: Option<String>,
    /// The database's time.
    pub(crate) now: DateTime<Utc>,
}

/// What a firing, or several, did to a schedule.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// The latest firing that started a run, and that run.
    pub(crate) last: Option<(DateTime<Utc>, Uuid)>,
    pub(crate) fired: i64,
    pub(crate) overlapped: i64,
}

/// The database's time.
pub(crate) async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar("select now()").fetch_one(conn).await
}

/// Adds a schedule; `false` when there is one of this name.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    name: &str,
    definition: &Definition,
    input: &str,
    next: Next,
    paused: Option<()>,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "insert into schedules (schedule_id, name, workflow, version, input, cron, zone, catch_up,
           catch_up_limit, overlap, jitter_ms, grace_ms, next_at, due_at, paused)
         values ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         on conflict (name) do nothing",
    )
    .bind(Uuid::now_v7())
    .bind(name)
    .bind(&definition.workflow)
    .bind(definition.version)
    .bind(input)
    .bind(&definition.cron)
    .bind(&definition.zone)
    .bind(&definition.catch_up)
    .bind(definition.catch_up_limit)
    .bind(&definition.overlap)
    .bind(definition.jitter_ms)
    .bind(definition.grace_ms)
    .bind(next.at)
    .bind(next.due_at)
    .bind(paused.is_some())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Locks a schedule by its name; `None` when there is none.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    name: &str,
) -> Result<Option<Locked>, sqlx::Error> {
    sqlx::query_as(
        "select schedule_id, name, workflow, version, cron, zone, catch_up, catch_up_limit,
           overlap, jitter_ms, grace_ms, input::text as input, next_at, run_id, fault, now() as now
         from schedules
         where name = $1
         for update",
    )
    .bind(name)
    .fetch_optional(conn)
    .await
}

/// Whether a locked schedule has this input.
pub(crate) async fn has_input(
    conn: &mut PgConnection,
    schedule_id: Uuid,
    input: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select input = $2::jsonb from schedules where schedule_id = $1")
        .bind(schedule_id)
        .bind(input)
        .fetch_one(conn)
        .await
}

/// Makes a locked schedule say something else.
pub(crate) async fn change(
    conn: &mut PgConnection,
    schedule_id: Uuid,
    definition: &Definition,
    input: &str,
    next: Next,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update schedules
         set workflow = $2,
             version = $3,
             input = $4::jsonb,
             cron = $5,
             zone = $6,
             catch_up = $7,
             catch_up_limit = $8,
             overlap = $9,
             jitter_ms = $10,
             grace_ms = $11,
             next_at = $12,
             due_at = $13,
             fault = null
         where schedule_id = $1",
    )
    .bind(schedule_id)
    .bind(&definition.workflow)
    .bind(definition.version)
    .bind(input)
    .bind(&definition.cron)
    .bind(&definition.zone)
    .bind(&definition.catch_up)
    .bind(definition.catch_up_limit)
    .bind(&definition.overlap)
    .bind(definition.jitter_ms)
    .bind(definition.grace_ms)
    .bind(next.at)
    .bind(next.due_at)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Pauses a schedule; `false` when there is none of this name.
pub(crate) async fn pause(conn: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query("update schedules set paused = true where name = $1")
        .bind(name)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1)
}

/// Lets a locked schedule fire again, from its next firing on.
pub(crate) async fn resume(
    conn: &mut PgConnection,
    schedule_id: Uuid,
    next: Next,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update schedules
         set paused = false,
             next_at = $2,
             due_at = $3
         where schedule_id = $1 and paused",
    )
    .bind(schedule_id)
    .bind(next.at)
    .bind(next.due_at)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Forgets a schedule; `false` when there is none of this name.
pub(crate) async fn delete(conn: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query("delete from schedules where name = $1")
        .bind(name)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1)
}

/// All schedules, by name.
pub(crate) async fn list(conn: &mut PgConnection) -> Result<Vec<ScheduleView>, sqlx::Error> {
    sqlx::query_as(
        "select name, workflow, cron, zone, paused, next_at, fired_at, run_id, fired, overlapped,
           fault
         from schedules
         order by name",
    )
    .fetch_all(conn)
    .await
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
           overlap, jitter_ms, grace_ms, input::text as input, next_at, run_id, fault, now() as now
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

/// Notes a run that a person had started.
pub(crate) async fn note(
    conn: &mut PgConnection,
    schedule_id: Uuid,
    at: DateTime<Utc>,
    run_id: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update schedules
         set fired_at = $2,
             run_id = $3,
             fired = fired + 1
         where schedule_id = $1",
    )
    .bind(schedule_id)
    .bind(at)
    .bind(run_id)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Whether a run has not ended.
pub(crate) async fn lives(conn: &mut PgConnection, run_id: Uuid) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("select exists (select 1 from tasks where run_id = $1) as lives")
        .bind(run_id)
        .fetch_one(conn)
        .await?;
    row.try_get("lives")
}
