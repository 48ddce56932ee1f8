//! The queue: claim, park, free. A row is there from a run's start to its end.

pub(crate) mod by_operator;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::signals;
use crate::action::StoredSignal;
use crate::journal::HistoryRow;

/// The wait in which a run was parked. It may have ended since then, if the run's last worker
/// recorded more and crashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenWait {
    pub(crate) key: String,
    pub(crate) deadline: DateTime<Utc>,
    /// The deadline has passed, by the database's clock.
    pub(crate) expired: bool,
}

/// A claimed run as its row says, its record still as JSON.
pub(crate) struct ClaimedRow {
    pub(crate) run_id: Uuid,
    pub(crate) epoch: i32,
    /// Failed attempts, if the record has `attempt_seq` rows; there were none since otherwise.
    pub(crate) attempt: i32,
    pub(crate) attempt_seq: i32,
    pub(crate) crashes: i32,
    pub(crate) step_count: i32,
    pub(crate) mailbox: i32,
    pub(crate) wait: Option<OpenWait>,
    pub(crate) workflow: String,
    pub(crate) input: String,
    pub(crate) record: RawRecord,
}

/// A run's history and signals as the database sends them.
#[derive(Default)]
pub(crate) struct RawRecord {
    history: Option<String>,
    signals: Option<String>,
}

impl RawRecord {
    /// Decodes it; a record that cannot be read concerns its run alone.
    pub(crate) fn read(&self) -> Result<(Vec<HistoryRow>, Vec<StoredSignal>), serde_json::Error> {
        let history = self.history.as_deref().map_or(Ok(Vec::new()), serde_json::from_str)?;
        Ok((history, signals::read(self.signals.as_deref())?))
    }
}

/// Claims up to `limit` due runs that this worker can run, with all that a replay needs.
pub(crate) async fn claim(
    pool: &PgPool,
    incarnation: Uuid,
    workflows: &[String],
    limit: i64,
) -> Result<Vec<ClaimedRow>, sqlx::Error> {
    let rows = sqlx::query(
        "with fence as (
           select incarnation from workers where incarnation = $1 and alive for key share
         ),
         due as materialized (
           select k.run_id, coalesce(k.deadline <= now(), false) as expired
           from tasks k
           where k.due_at <= now()
             and k.workflow = any($2)
             and exists (select 1 from fence)
           order by k.due_at
           limit $3
           for update of k skip locked
         ),
         claimed as (
           update tasks t
           set owner = $1,
               due_at = null,
               epoch = t.epoch + 1,
               state = case when t.state = 'COMPENSATING' then t.state else 'RUNNING' end
           where t.run_id = any(array(select run_id from due))
           returning t.run_id, t.epoch, t.attempt, t.attempt_seq, t.crashes, t.deadline, t.wait_key,
             t.step_count, t.mailbox
         )
         select c.run_id, c.epoch, c.attempt, c.attempt_seq, c.crashes, c.deadline, c.wait_key, c.step_count,
           c.mailbox, d.expired, r.workflow, r.input::text as input,
           case when c.step_count <> 0 then (
             select json_agg(json_build_array(s.seq, s.kind, s.name, s.occurrence, s.input,
               s.result, s.undo, s.pivot, s.next) order by s.seq)::text
             from steps s
             where s.run_id = c.run_id
           ) end as history,
           case when c.mailbox <> 0 then (
             select json_agg(json_build_array(g.signal_id, g.kind, g.payload)
               order by g.received_at, g.signal_id)::text
             from signals g
             where g.run_id = c.run_id
           ) end as signals
         from claimed c
         join due d on d.run_id = c.run_id
         cross join lateral (
           select x.workflow, x.input
           from runs x
           where x.run_id = c.run_id
           offset 0
         ) r",
    )
    .bind(incarnation)
    .bind(workflows)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter().map(claimed_row).collect()
}

fn claimed_row(row: &sqlx::postgres::PgRow) -> Result<ClaimedRow, sqlx::Error> {
    let expired = row.try_get("expired")?;
    let wait = match (row.try_get("wait_key")?, row.try_get("deadline")?) {
        (Some(key), Some(deadline)) => Some(OpenWait { key, deadline, expired }),
        (_, _) => None,
    };
    Ok(ClaimedRow {
        run_id: row.try_get("run_id")?,
        epoch: row.try_get("epoch")?,
        attempt: row.try_get("attempt")?,
        attempt_seq: row.try_get("attempt_seq")?,
        crashes: row.try_get("crashes")?,
        step_count: row.try_get("step_count")?,
        mailbox: row.try_get("mailbox")?,
        wait,
        workflow: row.try_get("workflow")?,
        input: row.try_get("input")?,
        record: record(row)?,
    })
}

fn record(row: &sqlx::postgres::PgRow) -> Result<RawRecord, sqlx::Error> {
    Ok(RawRecord { history: row.try_get("history")?, signals: row.try_get("signals")? })
}

/// Reads history and signals of one run in a snapshot of its own.
pub(crate) async fn reread(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<RawRecord, sqlx::Error> {
    let row = sqlx::query(
        "select
           (
             select json_agg(json_build_array(s.seq, s.kind, s.name, s.occurrence, s.input,
               s.result, s.undo, s.pivot, s.next) order by s.seq)::text
             from steps s
             where s.run_id = $1
           ) as history,
           (
             select json_agg(json_build_array(g.signal_id, g.kind, g.payload)
               order by g.received_at, g.signal_id)::text
             from signals g
             where g.run_id = $1
           ) as signals",
    )
    .bind(run_id)
    .fetch_one(conn)
    .await?;
    record(&row)
}

/// How long until the next run is due, if any is.
pub(crate) async fn next_due_in_ms(
    pool: &PgPool,
    workflows: &[String],
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "select ceil(extract(epoch from (due_at - now())) * 1000)::bigint
         from tasks
         where due_at is not null and workflow = any($1)
         order by due_at
         limit 1",
    )
    .bind(workflows)
    .fetch_optional(pool)
    .await
}

/// What a turn does to its run's row, one entry for each run that parks, ends or gets stuck.
#[derive(Default)]
pub(crate) struct Moves {
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) epochs: Vec<i32>,
    /// `park`, `end` or `stick`.
    pub(crate) kinds: Vec<&'static str>,
    /// The state that the row, or the ended run, takes.
    pub(crate) states: Vec<&'static str>,
    pub(crate) seen: Vec<i32>,
    pub(crate) step_counts: Vec<i32>,
    pub(crate) attempts: Vec<i32>,
    pub(crate) due_at: Vec<Option<DateTime<Utc>>>,
    pub(crate) due_in_ms: Vec<Option<i64>>,
    /// The open wait that a parked run waits for.
    pub(crate) wait_keys: Vec<Option<String>>,
    pub(crate) incidents: Vec<Option<Uuid>>,
    pub(crate) outputs: Vec<Option<String>>,
    pub(crate) causes: Vec<Option<String>>,
}

/// What became of a move.
pub(crate) struct Moved {
    pub(crate) run_id: Uuid,
    /// The mailbox holds more than the run has seen: these are all its signals.
    pub(crate) refused: Option<Vec<StoredSignal>>,
    /// The snapshot did not show all of them.
    pub(crate) stale: bool,
}

/// Parks, ends and sticks runs, each only if its claim still stands and it has seen its mail.
/// A run that is missing in the answer is no longer this worker's.
pub(crate) async fn apply_moves(
    conn: &mut PgConnection,
    incarnation: Uuid,
    moves: &Moves,
) -> Result<Vec<Moved>, sqlx::Error> {
    let rows = sqlx::query(
        "with fence as (
           select incarnation from workers where incarnation = $1 and alive for key share
         ),
         wanted as materialized (
           select *
           from unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::int[], $7::int[],
             $8::int[], $9::timestamptz[], $10::bigint[], $11::text[], $12::uuid[], $13::text[],
             $14::text[])
             w(run_id, epoch, move, state, seen, step_count, attempt, due_at, due_in_ms,
               wait_key, incident_id, output, cause)
         ),
         locked as materialized (
           select k.run_id, k.epoch, k.mailbox
           from tasks k
           where k.run_id = any($2) and k.owner = $1 and exists (select 1 from fence)
           order by k.run_id
           for update
         ),
         ours as materialized (
           select w.*, l.mailbox, w.move <> 'stick' and l.mailbox > w.seen as refused,
             coalesce(w.due_at, statement_timestamp() + w.due_in_ms * interval '1 ms') as due
           from locked l
           join wanted w on w.run_id = l.run_id and w.epoch = l.epoch
         ),
         parked as (
           update tasks k
           set owner = null,
               due_at = o.due,
               deadline = case
                 when o.move = 'stick' then k.deadline
                 when o.wait_key is not null then o.due
               end,
               wait_key = case when o.move = 'stick' then k.wait_key else o.wait_key end,
               incident_id = o.incident_id,
               state = o.state,
               step_count = o.step_count,
               attempt = o.attempt,
               attempt_seq = o.step_count,
               crashes = 0
           from ours o
           where k.run_id = any(array(
               select run_id from ours where move <> 'end' and not refused))
             and k.run_id = o.run_id
         ),
         left_queue as (
           delete from tasks k
           where k.run_id = any(array(select run_id from ours where move = 'end' and not refused))
         ),
         ended as (
           update runs r
           set ended_state = o.state,
               output = o.output::jsonb,
               cause = o.cause::jsonb,
               ended_at = now()
           from ours o
           where r.run_id = any(array(select run_id from ours where move = 'end' and not refused))
             and r.run_id = o.run_id
         )
         select o.run_id, o.refused, o.mailbox,
           case when o.refused then (
             select json_agg(json_build_array(g.signal_id, g.kind, g.payload)
               order by g.received_at, g.signal_id)::text
             from signals g
             where g.run_id = o.run_id
           ) end as signals
         from ours o",
    )
    .bind(incarnation)
    .bind(&moves.run_ids)
    .bind(&moves.epochs)
    .bind(&moves.kinds)
    .bind(&moves.states)
    .bind(&moves.seen)
    .bind(&moves.step_counts)
    .bind(&moves.attempts)
    .bind(&moves.due_at)
    .bind(&moves.due_in_ms)
    .bind(&moves.wait_keys)
    .bind(&moves.incidents)
    .bind(&moves.outputs)
    .bind(&moves.causes)
    .fetch_all(conn)
    .await?;
    rows.iter().map(moved).collect()
}

fn moved(row: &sqlx::postgres::PgRow) -> Result<Moved, sqlx::Error> {
    let refused: bool = row.try_get("refused")?;
    let signals = signals::read(row.try_get("signals")?)
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let mailbox: i32 = row.try_get("mailbox")?;
    let stale = refused && i32::try_from(signals.len()).unwrap_or(i32::MAX) < mailbox;
    Ok(Moved { run_id: row.try_get("run_id")?, refused: refused.then_some(signals), stale })
}

/// Frees the runs of dead incarnations, in a statement after the one that buried them.
pub(crate) async fn free_all(
    conn: &mut PgConnection,
    dead: &[Uuid],
    crashed: bool,
) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "with locked as materialized (
           select run_id from tasks where owner = any($1) order by run_id for update
         )
         update tasks k
         set owner = null,
             due_at = now(),
             step_count = -1,
             crashes = k.crashes + case when $2 then 1 else 0 end
         where k.run_id = any(array(select run_id from locked))",
    )
    .bind(dead)
    .bind(crashed)
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
}

/// Locks the run's row and says whether a cancel, or an order, was sent to it; `None` when the claim is over.
pub(crate) async fn lock_and_look_for_cancel(
    conn: &mut PgConnection,
    run_id: Uuid,
    epoch: i32,
) -> Result<Option<bool>, sqlx::Error> {
    let mailbox: Option<i32> = sqlx::query_scalar(
        "select mailbox
         from tasks
         where run_id = $1 and epoch = $2 and owner is not null
         for update",
    )
    .bind(run_id)
    .bind(epoch)
    .fetch_optional(&mut *conn)
    .await?;
    if mailbox.is_none_or(|mailbox| mailbox == 0) {
        return Ok(mailbox.map(|_| false));
    }
    // In a statement of its own: its snapshot is younger than the lock.
    let cancelled: bool = sqlx::query_scalar(
        "select exists (
           select 1
           from signals
           where run_id = $1 and kind in ('$cancel', '$compensate', '$pause', '$terminate')
         )",
    )
    .bind(run_id)
    .fetch_one(conn)
    .await?;
    Ok(Some(cancelled))
}
