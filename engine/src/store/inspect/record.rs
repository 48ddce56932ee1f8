//! What a run has recorded, for people: all of it in short rows, and any row whole.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::action;
use crate::journal::RowKind;

/// A row of a run's record without its values.
///
/// ```
/// use makegood::inspect::RecordRow;
///
/// fn words(row: &RecordRow) -> String {
///     format!("{} {} {}#{}, {} attempts", row.seq, row.kind, row.name, row.occurrence, row.attempts)
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, FromRow)]
pub struct RecordRow {
    /// Its place in the record.
    pub seq: i32,
    /// What it records: a [`RowKind`](super::RowKind) as text.
    pub kind: String,
    /// The step's name.
    pub name: String,
    /// Which call of that name.
    pub occurrence: i32,
    /// The activity that undoes it.
    pub undo: Option<String>,
    /// Whether it is the pivot.
    pub pivot: bool,
    /// How often it was tried.
    pub attempts: i32,
    /// The code of a refusal.
    pub code: Option<String>,
    /// Why the run is made good, of the row that says so.
    pub cause: Option<Value>,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// The names of the outside steps that were about to be tried.
    #[sqlx(json)]
    pub intended: Vec<String>,
    /// Which call of its name each of them is.
    #[sqlx(json)]
    pub intended_occurrences: Vec<i32>,
}

/// The record of a run in short rows: it costs the same whatever the values are.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let refused = inspect::record(conn, run_id).await?.into_iter().filter(|row| row.code.is_some());
/// for row in refused {
///     println!("{} was refused: {}", row.name, row.code.unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn record(conn: &mut PgConnection, run_id: Uuid) -> Result<Vec<RecordRow>, sqlx::Error> {
    sqlx::query_as(
        "select s.seq, s.kind, s.name, s.occurrence, s.undo, s.pivot, s.attempts,
           case when s.kind = 'rejected' then left(s.result ->> 'code', 100) end as code,
           case when s.kind = 'compensating' then s.result end as cause, s.at,
           coalesce(jsonb_path_query_array(s.next, '$[*].name'), '[]') as intended,
           coalesce(jsonb_path_query_array(s.next, '$[*].occurrence'), '[]')
             as intended_occurrences
         from (
           select seq, kind, name, occurrence, undo, pivot, attempts, result, next, at
           from steps
           where run_id = $1
           union all
           select d.*
           from archived_runs a
           cross join lateral jsonb_to_recordset(a.document -> 'steps') d(seq int, kind text,
             name text, occurrence int, undo text, pivot boolean, attempts int, result jsonb,
             next jsonb, at timestamptz)
           where a.run_id = $1
         ) s
         order by s.seq",
    )
    .bind(run_id)
    .fetch_all(conn)
    .await
}

/// A row of a run's record, whole.
///
/// ```
/// use makegood::inspect::RecordedStep;
///
/// fn key(step: &RecordedStep) -> String {
///     step.idempotency_key().unwrap_or_else(|| "nothing outside was called".to_owned())
/// }
/// ```
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct RecordedStep {
    /// The row without its values.
    #[sqlx(flatten)]
    #[serde(flatten)]
    pub row: RecordRow,
    /// The step's input, where it is kept; that of its intent otherwise.
    pub input: Option<Value>,
    /// Its result.
    pub result: Option<Value>,
    /// The row that carries its intent, if it is a step outside.
    pub intended_seq: Option<i32>,
    /// When it was intended.
    pub intended_at: Option<DateTime<Utc>>,
    /// When the row before it was recorded.
    pub before_at: Option<DateTime<Utc>>,
    /// The run that made it: another one where this run was forked from that.
    pub made_by: Uuid,
}

impl RecordedStep {
    /// The key that the other side got with it, if it is a step or an undo.
    ///
    /// ```
    /// # fn example(step: &makegood::inspect::RecordedStep) {
    /// println!("look for {:?} at the gateway", step.idempotency_key());
    /// # }
    /// ```
    pub fn idempotency_key(&self) -> Option<String> {
        let (name, occurrence) = (&self.row.name, self.row.occurrence);
        let suffix = match RowKind::read(&self.row.kind)? {
            RowKind::Done | RowKind::Rejected => "",
            RowKind::Undone => action::UNDO_SUFFIX,
            _ => return None,
        };
        Some(action::idempotency_key(self.made_by, name, occurrence, suffix))
    }
}

/// The row of a run's record at this place; `None` when there is none.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// if let Some(first) = inspect::step(conn, run_id, 0).await? {
///     println!("{} got {:?}", first.row.name, first.input);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn step(
    conn: &mut PgConnection,
    run_id: Uuid,
    seq: i32,
) -> Result<Option<RecordedStep>, sqlx::Error> {
    sqlx::query_as(
        "with record as materialized (
           select seq, kind, name, occurrence, input, result, undo, pivot, attempts, next, at
           from steps
           where run_id = $1
           union all
           select d.seq, d.kind, d.name, d.occurrence,
             case when d.has_input then coalesce(d.input, 'null') end,
             case when d.has_result then coalesce(d.result, 'null') end,
             d.undo, d.pivot, d.attempts, d.next, d.at
           from archived_runs a
           cross join lateral jsonb_to_recordset(a.document -> 'steps') d(seq int, kind text,
             name text, occurrence int, input jsonb, result jsonb, undo text, pivot boolean,
             attempts int, next jsonb, at timestamptz, has_input boolean, has_result boolean)
           where a.run_id = $1
         )
         select s.seq, s.kind, s.name, s.occurrence, s.undo, s.pivot, s.attempts,
           case when s.kind = 'rejected' then left(s.result ->> 'code', 100) end as code,
           case when s.kind = 'compensating' then s.result end as cause, s.at,
           coalesce(jsonb_path_query_array(s.next, '$[*].name'), '[]') as intended,
           coalesce(jsonb_path_query_array(s.next, '$[*].occurrence'), '[]')
             as intended_occurrences,
           coalesce(s.input, o.input) as input, s.result, o.seq as intended_seq,
           o.at as intended_at, (select b.at from record b where b.seq = $2 - 1) as before_at,
           coalesce((
             select (f.result ->> 'run_id')::uuid
             from record f
             where f.kind = 'forked' and f.seq > $2
             order by f.seq
             limit 1
           ), $1) as made_by
         from record s
         left join lateral (
           select p.seq, p.at, i.input
           from record p
           cross join lateral jsonb_to_recordset(p.next) i(name text, occurrence int, input jsonb)
           where s.kind in ('done', 'rejected')
             and p.seq < s.seq
             and p.next @> jsonb_build_array(
               jsonb_build_object('name', s.name, 'occurrence', s.occurrence))
             and i.name = s.name and i.occurrence = s.occurrence
           order by p.seq desc
           limit 1
         ) o on true
         where s.seq = $2",
    )
    .bind(run_id)
    .bind(seq)
    .fetch_optional(conn)
    .await
}
