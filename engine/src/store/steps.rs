//! The record of what runs have done. Rows are only ever added.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, SqlSafeStr, SqlStr};
use uuid::Uuid;

use crate::journal::StepRow;

/// Rows of many runs as columns, for one statement.
#[derive(Default)]
pub(crate) struct Columns {
    run_ids: Vec<Uuid>,
    seqs: Vec<i32>,
    kinds: Vec<&'static str>,
    names: Vec<String>,
    occurrences: Vec<i32>,
    inputs: Vec<Option<String>>,
    results: Vec<Option<String>>,
    undos: Vec<Option<String>>,
    pivots: Vec<bool>,
    attempts: Vec<i32>,
    nexts: Vec<Option<String>>,
}

impl Columns {
    pub(crate) fn push(&mut self, run_id: Uuid, row: &StepRow) {
        let text = |payload: &Option<crate::journal::Payload>| {
            payload.as_ref().map(|p| p.get().to_owned())
        };
        self.run_ids.push(run_id);
        self.seqs.push(row.seq);
        self.kinds.push(row.kind.as_str());
        self.names.push(row.name.clone());
        self.occurrences.push(row.occurrence);
        self.inputs.push(text(&row.input));
        self.results.push(text(&row.result));
        self.undos.push(row.undo.clone());
        self.pivots.push(row.pivot);
        self.attempts.push(row.attempts);
        self.nexts.push(text(&row.next));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.run_ids.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.run_ids.len()
    }
}

const INSERT: &str = "insert into steps (run_id, seq, kind, name, occurrence, input, result, undo,
           pivot, attempts, next, at)
         select x.run_id, x.seq, x.kind, x.name, x.occurrence, x.input::jsonb, x.result::jsonb,
           x.undo, x.pivot, x.attempts, x.next::jsonb, $13
         from (
             select incarnation from workers where incarnation = $1 and alive for key share
           ) fence,
           unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::int[], $7::text[],
             $8::text[], $9::text[], $10::boolean[], $11::int[], $12::text[])
             x(run_id, seq, kind, name, occurrence, input, result, undo, pivot, attempts, next)";

fn insert_sql() -> SqlStr {
    if planted::has("a dead worker may write") {
        return AssertSqlSafe(INSERT.replace(" and alive for key share", "")).into_sql_str();
    }
    INSERT.into_sql_str()
}

fn insert_query(
    incarnation: Uuid,
    columns: Columns,
    at: DateTime<Utc>,
) -> sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(insert_sql())
        .bind(incarnation)
        .bind(columns.run_ids)
        .bind(columns.seqs)
        .bind(columns.kinds)
        .bind(columns.names)
        .bind(columns.occurrences)
        .bind(columns.inputs)
        .bind(columns.results)
        .bind(columns.undos)
        .bind(columns.pivots)
        .bind(columns.attempts)
        .bind(columns.nexts)
        .bind(at)
}

/// Adds rows under the fence; `false` when this incarnation is dead and nothing was added.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    incarnation: Uuid,
    columns: Columns,
    at: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let wanted = columns.len();
    let done = insert_query(incarnation, columns, at).execute(conn).await?;
    Ok(wanted == 0 || done.rows_affected() > 0)
}

/// The same as a transaction of its own: one statement, one round trip, one commit.
pub(crate) async fn insert_alone(
    pool: &PgPool,
    incarnation: Uuid,
    columns: Columns,
    at: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let done = insert_query(incarnation, columns, at).execute(pool).await?;
    Ok(done.rows_affected() > 0)
}

/// Whether the run has passed its pivot.
pub(crate) async fn pivoted(conn: &mut PgConnection, run_id: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (
           select 1 from steps where run_id = $1 and pivot and kind in ('done', 'skipped')
         )
         or exists (
           select 1
           from archived_runs
           where run_id = $1
             and (
               document @> '{\"steps\": [{\"pivot\": true, \"kind\": \"done\"}]}'
               or document @> '{\"steps\": [{\"pivot\": true, \"kind\": \"skipped\"}]}'
             )
         )",
    )
    .bind(run_id)
    .fetch_one(conn)
    .await
}

/// Adds a row that an operator writes, to the record of a run that nobody holds.
pub(crate) async fn append(
    conn: &mut PgConnection,
    run_id: Uuid,
    row: &StepRow,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into steps (run_id, seq, kind, name, occurrence, input, result, undo, pivot,
           attempts, at)
         values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8, $9, $10, now())",
    )
    .bind(run_id)
    .bind(row.seq)
    .bind(row.kind.as_str())
    .bind(&row.name)
    .bind(row.occurrence)
    .bind(row.input.as_ref().map(|input| input.get()))
    .bind(row.result.as_ref().map(|result| result.get()))
    .bind(&row.undo)
    .bind(row.pivot)
    .bind(row.attempts)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Copies the rows before `seq` to another run, but not the intents that ride on `without`.
pub(crate) async fn copy(
    conn: &mut PgConnection,
    from: Uuid,
    to: Uuid,
    seq: i32,
    without: &[i32],
) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "insert into steps (run_id, seq, kind, name, occurrence, input, result, undo, pivot,
           attempts, next, at)
         select $2, s.seq, s.kind, s.name, s.occurrence, s.input, s.result, s.undo, s.pivot,
           s.attempts, case when s.seq <> all($4) then s.next end, s.at
         from steps s
         where s.run_id = $1 and s.seq < $3",
    )
    .bind(from)
    .bind(to)
    .bind(seq)
    .bind(without)
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
}
