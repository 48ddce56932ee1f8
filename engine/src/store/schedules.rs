//! Schedules: what they say. When they are due, and what they have started, is in `firings`.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
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
    /// The runs before that, as far as they lived when a person had it started.
    pub(crate) beside: Vec<Uuid>,
    pub(crate) fault: Option<String>,
    /// The database's time.
    pub(crate) now: DateTime<Utc>,
}

impl Locked {
    /// The runs that it has started and that may live.
    pub(crate) fn started(&self) -> Vec<Uuid> {
        self.beside.iter().copied().chain(self.run_id).collect()
    }
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
           overlap, jitter_ms, grace_ms, input::text as input, next_at, run_id, beside,
           fault, now() as now
         from schedules
         where name = $1
         for update",
    )
    .bind(name)
    .fetch_optional(conn)
    .await
}

/// A schedule as people may change it.
#[derive(sqlx::FromRow)]
pub(crate) struct Standing {
    /// As the record of an action has it.
    pub(crate) seen: serde_json::Value,
    /// Another text once its rule was changed, or it was paused or resumed.
    pub(crate) rule: String,
    /// Another text once it has fired.
    pub(crate) firing: String,
}

/// A schedule as it stands, its row locked; `None` when there is none of this name.
pub(crate) async fn standing(
    conn: &mut PgConnection,
    name: &str,
) -> Result<Option<Standing>, sqlx::Error> {
    sqlx::query_as(
        "select jsonb_build_object(
             'paused', paused, 'next_at', next_at, 'fired_at', fired_at, 'fired', fired,
             'run_id', run_id) as seen,
           md5(concat_ws('/', schedule_id, workflow, version, input, cron, zone, catch_up, overlap,
             paused, fault)) as rule,
           concat_ws('/', fired, run_id) as firing
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
