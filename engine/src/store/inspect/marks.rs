//! What tells that something has moved: a mark is a text that is another one afterwards.
//! Says that a look is worth its price, never what has changed.

use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// Rows that a mark is made from at most. Of more, whatever is written anywhere counts as a move.
const MOST: i64 = 2_000;

/// A mark of each part of a cell, as of one moment. Two of the same part are the same text as long
/// as nothing of it has moved.
///
/// ```
/// use makegood::inspect::Marks;
///
/// fn is_news_for_a_list(before: &Marks, now: &Marks) -> bool {
///     before.runs != now.runs
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, FromRow)]
pub struct Marks {
    /// Runs: one was started, claimed, written to, parked, or has ended. While a worker holds any,
    /// whatever is written in the database moves it.
    pub runs: String,
    /// Open incidents.
    pub incidents: String,
    /// Workers, and what they say of themselves; the renewal of a lease does not move it.
    pub workers: String,
    /// Leases of workers.
    pub leases: String,
    /// Queues and schedules.
    pub settings: String,
    /// Bulk actions; one that is under way moves with whatever is written.
    pub bulks: String,
    /// What operators did to runs, queues and schedules.
    pub acts: String,
}

/// The marks of this moment. It costs at most some thousand rows, however large the tables are, and
/// some probes while the workers are busy.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let before = inspect::marks(conn).await?;
/// // later
/// if inspect::marks(conn).await?.incidents != before.incidents {
///     println!("look at the incidents again");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn marks(conn: &mut PgConnection) -> Result<Marks, sqlx::Error> {
    let tide = super::tide(conn).await?;
    // Owners are looked for in their index: a pass over the table would find none in many rows.
    sqlx::query_as(
        "select
           concat_ws('/',
             (select r.run_id from runs r order by r.run_id desc limit 1),
             (select r.started_at from runs r order by r.started_at desc limit 1),
             case
               when (
                 select k.owner from tasks k where k.owner is not null order by k.owner limit 1
               ) is not null then $1
               else (
                 select case
                     when count(*) = $2 then $1
                     else concat_ws('/', count(*), sum(hashtext(k.words)))
                   end
                 from (
                   select concat_ws('/', run_id, state, epoch, step_count, mailbox, due_at,
                     incident_id) as words
                   from tasks
                   limit $2
                 ) k
               )
             end
           ) as runs,
           concat_ws('/',
             (select i.incident_id from incidents i order by i.incident_id desc limit 1),
             (
               select concat_ws('/', count(*), sum(hashtext(i.run_id::text)))
               from (select run_id from incidents where resolved_at is null limit $2) i
             )
           ) as incidents,
           w.words as workers,
           w.leases,
           concat_ws('/',
             (select l.lane from lanes l order by l.lane desc limit 1),
             (
               select sum(hashtext(concat_ws('/', q.queue, q.revision)))
               from (select queue, revision from queues limit $2) q
             ),
             (
               select sum(hashtext(s.words))
               from (
                 select concat_ws('/', name, paused, due_at, fired_at, fired, overlapped, fault)
                   as words
                 from schedules
                 limit $2
               ) s
             )
           ) as settings,
           (
             select case
                 when coalesce(bool_or(b.state = 'RUNNING'), false) then $1
                 else concat_ws('/', count(*), sum(hashtext(concat_ws('/', b.bulk_id, b.state))))
               end
             from (
               select bulk_id, state from bulk_actions order by created_at desc limit $2
             ) b
           ) as bulks,
           concat_ws('/',
             (select a.action_id from operator_actions a order by a.at desc, a.action_id desc limit 1),
             (select a.action_id from setting_actions a order by a.at desc, a.action_id desc limit 1)
           ) as acts
         from (
           select
             concat_ws('/', count(*), sum(hashtext(concat_ws('/', incarnation, lease_until <= now(),
               about, notes)))) as words,
             coalesce(sum(hashtext(lease_until::text)), 0)::text as leases
           from workers
           where alive
         ) w",
    )
    .bind(tide)
    .bind(MOST)
    .fetch_one(conn)
    .await
}

/// The pulse of each of these runs; one that there is not is left out. See [`super::pulse`].
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, ids: &[uuid::Uuid]) -> Result<(), sqlx::Error> {
/// for (run_id, pulse) in makegood::inspect::pulses(conn, ids).await? {
///     println!("{run_id} beats {pulse}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn pulses(
    conn: &mut PgConnection,
    run_ids: &[Uuid],
) -> Result<Vec<(Uuid, String)>, sqlx::Error> {
    sqlx::query_as(
        "select r.run_id,
           concat_ws('/', coalesce(r.ended_state, k.state), k.epoch, k.mailbox, k.incident_id,
             k.due_at, hashtext(k.tries::text), k.owner, s.seq, p.at, a.at)
         from runs r
         left join tasks k on k.run_id = r.run_id
         left join lateral (
           select seq from steps where run_id = r.run_id order by seq desc limit 1
         ) s on true
         left join lateral (
           select max(at) as at from published where run_id = r.run_id
         ) p on true
         left join lateral (
           select at from operator_actions where run_id = r.run_id order by at desc limit 1
         ) a on true
         where r.run_id = any($1)
         union all
         select run_id, 'archived/' || jsonb_array_length(document -> 'signals')
         from archived_runs
         where run_id = any($1)",
    )
    .bind(run_ids)
    .fetch_all(conn)
    .await
}
