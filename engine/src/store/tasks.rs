//! The queue: claim, park, free. A row is there from a run's start to its end.

pub(crate) mod by_operator;

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::lanes::LaneColumns;
use super::signals;
use crate::action::StoredSignal;
use crate::ctx::Until;
use crate::journal::HistoryRow;

/// The open waits of a run, and the database's time when it said so.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) deadlines: HashMap<String, DateTime<Utc>>,
    pub(crate) now: DateTime<Utc>,
}

/// A claimed run as its row says, its record still as JSON.
pub(crate) struct ClaimedRow {
    pub(crate) run_id: Uuid,
    pub(crate) epoch: i32,
    pub(crate) crashes: i32,
    pub(crate) step_count: i32,
    pub(crate) mailbox: i32,
    /// The failed attempts of its open steps, as JSON.
    pub(crate) tries: Option<String>,
    /// Its waits when it was parked: some may have ended since, if its last worker recorded more
    /// and crashed.
    pub(crate) opened: Opened,
    pub(crate) parent_run_id: Option<Uuid>,
    pub(crate) workflow: String,
    pub(crate) version: i32,
    pub(crate) input: String,
    pub(crate) record: RawRecord,
    /// The place of its lane among those asked for, from 1.
    pub(crate) turn: i64,
    /// More is due: in a lane that had its share of this claim, or of a lower priority.
    pub(crate) more: bool,
}

/// A run's history and signals as the database sends them.
#[derive(Default)]
pub(crate) struct RawRecord {
    history: Option<String>,
    signals: Option<String>,
}

impl RawRecord {
    /// What the columns `history` and `signals` hold.
    pub(super) fn of(row: &sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { history: row.try_get("history")?, signals: row.try_get("signals")? })
    }

    /// Decodes it; a record that cannot be read concerns its run alone.
    pub(crate) fn read(&self) -> Result<(Vec<HistoryRow>, Vec<StoredSignal>), serde_json::Error> {
        let history = self.history.as_deref().map_or(Ok(Vec::new()), serde_json::from_str)?;
        Ok((history, signals::read(self.signals.as_deref())?))
    }
}

/// Whether a claim reads the records of its runs, or each is read by itself afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Together,
    Apart,
}

/// Claims up to `limit` due runs of these lanes, with all that a replay needs: those of the highest
/// priority that is due, the same number for each share, the oldest of each lane.
pub(crate) async fn claim(
    executor: impl PgExecutor<'_>,
    incarnation: Uuid,
    columns: &LaneColumns,
    limit: i64,
    reading: Reading,
) -> Result<Vec<ClaimedRow>, sqlx::Error> {
    let rows = sqlx::query(
        "with fence as (
           select incarnation from workers where incarnation = $1 and alive for key share
         ),
         ready as materialized (
           select l.lane, l.priority, l.share, l.turn, p.part, p.place
           from unnest($2::bigint[], $3::smallint[], $4::int[], $5::boolean[])
             with ordinality l(lane, priority, share, runs, turn)
           cross join unnest($6::smallint[]) with ordinality p(part, place)
           where exists (select 1 from fence)
             and (l.runs or p.part = 2)
             and (
               select k.due_at
               from tasks k
               where k.lane = l.lane and k.part = p.part and k.due_at is not null
               order by k.due_at
               limit 1
             ) <= now()
         ),
         best as materialized (
           select r.lane, r.turn, r.part, r.place,
             (select max(priority) from ready) > r.priority as outdone,
             count(*) over (partition by r.share) * (
               select count(distinct share)
               from ready
               where priority = (select min(priority) from ready)
             ) as turns
           from ready r
           where r.priority = (select min(priority) from ready)
         ),
         due as materialized (
           select x.run_id, b.lane, b.turn, b.part, b.turns, b.outdone
           from (select * from best order by turn, place offset 0) b
           cross join lateral (
             select k.run_id
             from tasks k
             where k.lane = b.lane and k.part = b.part and k.due_at <= now()
             order by k.due_at
             limit ($7 + b.turns - 1) / b.turns
             for update of k skip locked
           ) x
           limit $7
         ),
         claimed as (
           update tasks t
           set owner = $1,
               due_at = null,
               epoch = t.epoch + 1,
               state = case when t.state = 'COMPENSATING' then t.state else 'RUNNING' end
           where t.run_id = any(array(select run_id from due))
           returning t.run_id, t.epoch, t.crashes, t.waits, t.tries, t.step_count, t.mailbox
         )
         select c.run_id, c.epoch, c.crashes, c.waits::text as waits, c.tries::text as tries,
           now() as now, c.step_count, c.mailbox, r.workflow, r.input::text as input,
           r.version, r.parent_run_id, d.turn,
           d.outdone or (
             select bool_or(f.served)
             from (
               select count(*) >= min(($7 + turns - 1) / turns) as served
               from due
               group by lane, part
             ) f
           ) as more,
           case when $8 and c.step_count <> 0 then (
             select json_agg(json_build_array(s.seq, s.kind, s.name, s.occurrence, s.input,
               s.result, s.undo, s.pivot, s.next) order by s.seq)::text
             from steps s
             where s.run_id = c.run_id
           ) end as history,
           case when $8 and c.mailbox <> 0 then (
             select json_agg(json_build_array(g.signal_id, g.kind, g.payload)
               order by g.received_at, g.signal_id)::text
             from signals g
             where g.run_id = c.run_id
           ) end as signals
         from claimed c
         join due d on d.run_id = c.run_id
         cross join lateral (
           select x.workflow, x.version, x.input, x.parent_run_id
           from runs x
           where x.run_id = c.run_id
           offset 0
         ) r",
    )
    .bind(incarnation)
    .bind(&columns.lanes)
    .bind(&columns.priorities)
    .bind(&columns.shares)
    .bind(&columns.runs)
    .bind(&columns.parts)
    .bind(limit)
    .bind(reading == Reading::Together)
    .fetch_all(executor)
    .await?;
    rows.iter().map(claimed_row).collect()
}

fn claimed_row(row: &sqlx::postgres::PgRow) -> Result<ClaimedRow, sqlx::Error> {
    Ok(ClaimedRow {
        run_id: row.try_get("run_id")?,
        epoch: row.try_get("epoch")?,
        crashes: row.try_get("crashes")?,
        step_count: row.try_get("step_count")?,
        mailbox: row.try_get("mailbox")?,
        tries: row.try_get("tries")?,
        opened: opened(row)?,
        parent_run_id: row.try_get("parent_run_id")?,
        workflow: row.try_get("workflow")?,
        version: row.try_get("version")?,
        input: row.try_get("input")?,
        record: RawRecord::of(row)?,
        turn: row.try_get("turn")?,
        more: row.try_get("more")?,
    })
}

fn opened(row: &sqlx::postgres::PgRow) -> Result<Opened, sqlx::Error> {
    let waits: Option<String> = row.try_get("waits")?;
    let deadlines = waits.map(|text| serde_json::from_str(&text)).transpose();
    let deadlines = deadlines.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Opened { deadlines: deadlines.unwrap_or_default(), now: row.try_get("now")? })
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
    RawRecord::of(&row)
}

/// What a turn does to its run's row, one entry for each run that parks, ends or gets stuck.
#[derive(Default)]
pub(crate) struct Moves {
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) epochs: Vec<i32>,
    /// `stay`, `park`, `pause`, `end` or `stick`; a run that pauses keeps its waits.
    pub(crate) kinds: Vec<&'static str>,
    /// The state that the row, or the ended run, takes.
    pub(crate) states: Vec<&'static str>,
    pub(crate) seen: Vec<i32>,
    pub(crate) step_counts: Vec<i32>,
    pub(crate) tries: Vec<Option<String>>,
    pub(crate) wake_in_ms: Vec<Option<i64>>,
    pub(crate) incidents: Vec<Option<Uuid>>,
    pub(crate) outputs: Vec<Option<String>>,
    pub(crate) causes: Vec<Option<String>>,
    pub(crate) waits: Waits,
}

/// The open waits of the runs that stay or park.
#[derive(Default)]
pub(crate) struct Waits {
    run_ids: Vec<Uuid>,
    keys: Vec<String>,
    due_at: Vec<Option<DateTime<Utc>>>,
    due_in_ms: Vec<Option<i64>>,
}

impl Waits {
    pub(crate) fn push(&mut self, run_id: Uuid, key: &str, until: Until) {
        let (at, in_ms) = match until {
            Until::At(time) => (Some(time.clamp(DateTime::UNIX_EPOCH, latest())), None),
            Until::After(pause) => (None, Some(millis(pause))),
        };
        self.run_ids.push(run_id);
        self.keys.push(key.to_owned());
        self.due_at.push(at);
        self.due_in_ms.push(in_ms);
    }
}

/// Rounded up: no timer fires early.
pub(crate) fn millis(pause: Duration) -> i64 {
    i64::try_from(pause.as_micros().div_ceil(1_000)).unwrap_or(i64::MAX).min(LONGEST_MS)
}

/// A thousand years: what PostgreSQL's timestamps can still hold.
const LONGEST_MS: i64 = 1_000 * 365 * 86_400_000;

/// The end of the year 9999: PostgreSQL writes later years as chrono does not read them.
fn latest() -> DateTime<Utc> {
    DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::UNIX_EPOCH)
}

/// What became of a run's move.
pub(crate) struct Moved {
    pub(crate) run_id: Uuid,
    pub(crate) outcome: Move,
}

/// What became of a move.
pub(crate) enum Move {
    /// The run has left memory.
    Left,
    /// It stays, and waits for these.
    Stayed(Opened),
    /// The mailbox holds more than the run has seen: these are all its signals, unless the
    /// snapshot did not show all of them.
    Refused { stale: bool, signals: Vec<StoredSignal> },
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
             $8::text[], $9::bigint[], $10::uuid[], $11::text[], $12::text[])
             w(run_id, epoch, move, state, seen, step_count, tries, wake_in_ms, incident_id,
               output, cause)
         ),
         waits as materialized (
           select x.run_id, jsonb_object_agg(x.key, x.due) as waits, min(x.due) as first
           from (
             select w.run_id, w.key,
               coalesce(w.due_at, statement_timestamp() + w.due_in_ms * interval '1 ms') as due
             from unnest($13::uuid[], $14::text[], $15::timestamptz[], $16::bigint[])
               w(run_id, key, due_at, due_in_ms)
           ) x
           group by x.run_id
         ),
         locked as materialized (
           select k.run_id, k.lane, k.epoch, k.mailbox
           from tasks k
           where k.run_id = any($2) and k.owner is not distinct from $1
             and exists (select 1 from fence)
           order by k.run_id
           for update
         ),
         ours as materialized (
           select w.*, l.lane, l.mailbox, w.move <> 'stick' and l.mailbox > w.seen as refused, o.waits,
             least(o.first, statement_timestamp() + w.wake_in_ms * interval '1 ms') as due
           from locked l
           join wanted w on w.run_id = l.run_id and w.epoch = l.epoch
           left join waits o on o.run_id = l.run_id
         ),
         moved as (
           update tasks k
           set owner = case when o.move = 'stay' then k.owner end,
               due_at = case when o.move <> 'stay' then o.due end,
               waits = case when o.move in ('pause', 'stick') then k.waits else o.waits end,
               tries = o.tries::jsonb,
               incident_id = o.incident_id,
               state = o.state,
               step_count = o.step_count,
               crashes = case when o.move = 'stay' then k.crashes else 0 end
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
               lane = o.lane,
               output = o.output::jsonb,
               cause = o.cause::jsonb,
               ended_at = now()
           from ours o
           where r.run_id = any(array(select run_id from ours where move = 'end' and not refused))
             and r.run_id = o.run_id
         )
         select o.run_id, o.refused, o.mailbox, o.move = 'stay' as stays, o.waits::text as waits,
           statement_timestamp() as now,
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
    .bind(&moves.tries)
    .bind(&moves.wake_in_ms)
    .bind(&moves.incidents)
    .bind(&moves.outputs)
    .bind(&moves.causes)
    .bind(&moves.waits.run_ids)
    .bind(&moves.waits.keys)
    .bind(&moves.waits.due_at)
    .bind(&moves.waits.due_in_ms)
    .fetch_all(conn)
    .await?;
    rows.iter().map(moved).collect()
}

fn moved(row: &sqlx::postgres::PgRow) -> Result<Moved, sqlx::Error> {
    let run_id = row.try_get("run_id")?;
    let outcome = if row.try_get("refused")? {
        let signals = signals::read(row.try_get("signals")?)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let mailbox: i32 = row.try_get("mailbox")?;
        let stale = i32::try_from(signals.len()).unwrap_or(i32::MAX) < mailbox;
        Move::Refused { stale, signals }
    } else if row.try_get("stays")? {
        Move::Stayed(opened(row)?)
    } else {
        Move::Left
    };
    Ok(Moved { run_id, outcome })
}

/// Frees the runs of dead incarnations, in statements after the one that buried them. A run that
/// somebody has locked, such as a caller that signals it and does not commit, is left for
/// [`free_left`]: it must not hold up the others.
pub(crate) async fn free_all(
    conn: &mut PgConnection,
    dead: &[Uuid],
    crashed: bool,
) -> Result<u64, sqlx::Error> {
    let locked: Vec<Uuid> = sqlx::query_scalar(
        "select run_id from tasks where owner = any($1) order by run_id for update skip locked",
    )
    .bind(dead)
    .fetch_all(&mut *conn)
    .await?;
    free(conn, &locked, crashed).await
}

/// Frees the runs that were locked when their worker was buried.
pub(crate) async fn free_left(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let locked: Vec<Uuid> = sqlx::query_scalar(
        "select run_id
         from tasks
         where owner = any(array(select incarnation from workers where not alive))
         order by run_id
         for update skip locked",
    )
    .fetch_all(&mut *conn)
    .await?;
    free(conn, &locked, false).await
}

/// Frees locked runs. What one of them was told and had not taken is for whoever claims it next, be
/// it a worker that can only undo; the snapshot in which that is looked for is younger than the lock.
async fn free(conn: &mut PgConnection, locked: &[Uuid], crashed: bool) -> Result<u64, sqlx::Error> {
    if locked.is_empty() {
        return Ok(0);
    }
    sqlx::query(
        "update tasks k
         set owner = null,
             due_at = now(),
             step_count = -1,
             state = case
               when exists (select 1 from turning_back b where b.run_id = k.run_id)
               then 'COMPENSATING'
               else k.state
             end,
             crashes = k.crashes + case when $2 then 1 else 0 end
         where k.run_id = any($1)",
    )
    .bind(locked)
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

/// Lets a parked run that was told to turn back be claimed as one to be undone, which any worker can
/// do that knows its workflow, whatever the version. A worker that owns it decides for itself.
pub(crate) async fn mark_for_undo(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update tasks k
         set state = 'COMPENSATING'
         where k.run_id = $1 and k.owner is null and k.incident_id is null
           and exists (select 1 from turning_back b where b.run_id = k.run_id)",
    )
    .bind(run_id)
    .execute(conn)
    .await
    .map(|_| ())
}
