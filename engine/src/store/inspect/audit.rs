//! The engine's invariants as SQL, in one place: each finds the rows that break a promise.

use serde::Serialize;
use sqlx::{PgConnection, Row};

/// A fault found by the audit: what was promised, and where it does not hold.
///
/// ```
/// use makegood::inspect::Fault;
///
/// fn words(fault: &Fault) -> String {
///     format!("{} does not hold of {}: {}", fault.invariant, fault.subject, fault.detail)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The invariant's name.
    pub invariant: &'static str,
    /// The run or worker.
    pub subject: String,
    /// What was found.
    pub detail: String,
}

struct Check {
    invariant: &'static str,
    sql: &'static str,
}

/// The names of all invariants.
///
/// ```
/// assert!(makegood::inspect::invariants().any(|name| name == "a task is in a lane"));
/// ```
pub fn invariants() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|check| check.invariant)
}

/// Where the engine's promises do not hold; at most 100 places for each.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// assert_eq!(inspect::faults(conn).await?, []);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn faults(conn: &mut PgConnection) -> Result<Vec<Fault>, sqlx::Error> {
    let mut found = Vec::new();
    for check in CHECKS {
        for row in sqlx::query(check.sql).fetch_all(&mut *conn).await? {
            found.push(Fault {
                invariant: check.invariant,
                subject: row.try_get("subject")?,
                detail: row.try_get("detail")?,
            });
        }
    }
    Ok(found)
}

const CHECKS: &[Check] = &[
    Check {
        invariant: "a live run has a task",
        sql: "select r.run_id::text as subject, 'no task' as detail
              from runs r
              where r.ended_state is null
                and not exists (select 1 from tasks k where k.run_id = r.run_id)
              limit 100",
    },
    Check {
        invariant: "an ended run has no task",
        sql: "select k.run_id::text as subject, 'still queued as ' || k.state as detail
              from tasks k
              join runs r on r.run_id = k.run_id
              where r.ended_state is not null
              limit 100",
    },
    Check {
        invariant: "an archived run is nowhere else",
        sql: "select a.run_id::text as subject, 'archived and still there' as detail
              from archived_runs a
              where exists (select 1 from runs r where r.run_id = a.run_id)
                or exists (select 1 from tasks k where k.run_id = a.run_id)
              limit 100",
    },
    Check {
        invariant: "what is recorded belongs to a run",
        sql: "select x.run_id::text as subject, x.detail
              from (
                select s.run_id, 'a step of no run' as detail from steps s
                union
                select g.run_id, 'a signal of no run' from signals g
              ) x
              where not exists (select 1 from runs r where r.run_id = x.run_id)
              limit 100",
    },
    Check {
        invariant: "a live run has a lease, a due time, a dated wait or an incident",
        sql: "select k.run_id::text as subject,
                     'owner ' || coalesce(k.owner::text, 'none') as detail
              from tasks k
              where (k.owner is not null)::int + (k.due_at is not null)::int
                + (k.incident_id is not null)::int <> 1
              limit 100",
    },
    Check {
        invariant: "a task is in a lane",
        sql: "select k.run_id::text as subject, 'lane ' || k.lane || ' is not there' as detail
              from tasks k
              where not exists (select 1 from lanes l where l.lane = k.lane)
              limit 100",
    },
    Check {
        invariant: "a run is held by a living worker",
        sql: "select k.run_id::text as subject, 'held by the dead ' || k.owner::text as detail
              from tasks k
              left join workers w on w.incarnation = k.owner
              where k.owner is not null and (w.incarnation is null or not w.alive)
              limit 100",
    },
    Check {
        invariant: "an open incident belongs to a stuck run",
        sql: "select i.run_id::text as subject, i.class as detail
              from incidents i
              left join tasks k on k.run_id = i.run_id
              where i.resolved_at is null and k.incident_id is distinct from i.incident_id
              limit 100",
    },
    Check {
        invariant: "a stuck run has an open incident",
        sql: "select k.run_id::text as subject, 'STUCK without one' as detail
              from tasks k
              where k.incident_id is not null
                and not exists (
                  select 1
                  from incidents i
                  where i.incident_id = k.incident_id and i.resolved_at is null
                )
              limit 100",
    },
    Check {
        invariant: "a record has no gap",
        sql: "select s.run_id::text as subject,
                     count(*) || ' rows, the last is ' || max(s.seq) as detail
              from steps s
              group by s.run_id
              having count(*) <> max(s.seq) + 1
              limit 100",
    },
    Check {
        invariant: "a step is recorded once",
        sql: "select s.run_id::text as subject, s.name || '#' || s.occurrence as detail
              from steps s
              where s.kind in ('done', 'rejected', 'signal', 'timeout', 'slept', 'undone', 'closed')
                and not (s.kind = 'rejected' and exists (
                  select 1
                  from steps b
                  where b.run_id = s.run_id and b.kind = 'resumed' and b.seq > s.seq
                ))
              group by s.run_id, s.name, s.occurrence, s.kind = 'undone'
              having count(*) > 1
              limit 100",
    },
    Check {
        invariant: "a compensated run has undone every step",
        sql: "select s.run_id::text as subject, s.name || '#' || s.occurrence as detail
              from steps s
              join runs r on r.run_id = s.run_id and r.ended_state = 'COMPENSATED'
              where s.kind in ('done', 'skipped') and s.undo is not null
                and not exists (
                  select 1
                  from steps u
                  where u.run_id = s.run_id and u.kind in ('undone', 'waived') and u.name = s.name
                    and u.occurrence = s.occurrence
                )
              limit 100",
    },
    Check {
        invariant: "nothing is recorded past the end of a run that was undone",
        sql: "select s.run_id::text as subject, s.kind || ' ' || s.name as detail
              from steps s
              join steps c on c.run_id = s.run_id and c.kind = 'compensating'
              where s.seq > c.seq
                and s.kind not in ('undone', 'closed', 'intent', 'waived', 'edited', 'resumed')
                and not exists (
                  select 1
                  from steps b
                  where b.run_id = c.run_id and b.kind = 'resumed' and b.seq > c.seq
                )
              limit 100",
    },
    Check {
        invariant: "nothing is undone past the pivot",
        sql: "select c.run_id::text as subject, 'made good behind ' || p.name as detail
              from steps p
              join steps c on c.run_id = p.run_id and c.seq > p.seq and c.kind = 'compensating'
              where p.pivot and p.kind in ('done', 'skipped')
              limit 100",
    },
    Check {
        invariant: "a run ends as its record says",
        sql: "select r.run_id::text as subject, r.ended_state as detail
              from runs r
              where r.ended_state in ('COMPLETED', 'COMPENSATED')
                and (r.ended_state = 'COMPENSATED') <> coalesce((
                  select s.kind = 'compensating'
                  from steps s
                  where s.run_id = r.run_id and s.kind in ('compensating', 'resumed', 'forked')
                  order by s.seq desc
                  limit 1
                ), false)
              limit 100",
    },
    Check {
        invariant: "nothing is undone before the decision to undo was taken back",
        sql: "select b.run_id::text as subject, s.kind || ' ' || s.name as detail
              from steps b
              join steps s on s.run_id = b.run_id and s.seq < b.seq
              where b.kind = 'resumed' and s.kind in ('undone', 'waived', 'closed')
              limit 100",
    },
    Check {
        invariant: "what an operator recorded has its action",
        sql: "select s.run_id::text as subject, s.kind || ' ' || s.name as detail
              from steps s
              where s.kind in ('skipped', 'waived', 'edited', 'resumed')
                and s.seq > coalesce((
                  select max(f.seq) from steps f where f.run_id = s.run_id and f.kind = 'forked'
                ), -1)
                and not exists (
                  select 1
                  from operator_actions a
                  where a.run_id = s.run_id
                    and a.verb in ('skip_step', 'edit_input', 'resume_forward')
                    and (a.after ->> 'seq')::int = s.seq
                )
              limit 100",
    },
    Check {
        invariant: "a paused, closed or forked run has the action that did it",
        sql: "select x.run_id::text as subject, x.was as detail
              from (
                select k.run_id, 'paused' as was, array['pause'] as verbs
                from tasks k
                where k.state = 'PAUSED'
                union all
                select r.run_id, 'closed', array['close', 'terminate']
                from runs r
                where r.ended_state = 'CLOSED'
                union all
                select r.forked_from, 'forked', array['fork']
                from runs r
                join runs o on o.run_id = r.forked_from
              ) x
              where not exists (
                select 1
                from operator_actions a
                where a.run_id = x.run_id and a.verb = any(x.verbs)
              )
              limit 100",
    },
    Check {
        invariant: "an order is an operator's action",
        sql: "select g.run_id::text as subject, g.signal_id as detail
              from signals g
              where g.kind in ('$pause', '$terminate', '$compensate')
                and not exists (
                  select 1
                  from operator_actions a
                  where a.run_id = g.run_id and g.kind || ':' || a.action_id = g.signal_id
                )
              limit 100",
    },
    Check {
        invariant: "what a bulk action did is an action of its own",
        sql: "select i.run_id::text as subject, 'bulk action ' || i.bulk_id as detail
              from bulk_items i
              join runs r on r.run_id = i.run_id
              where i.outcome in ('done', 'ordered')
                and not exists (
                  select 1
                  from operator_actions a
                  where a.action_id = i.action_id and a.bulk_id = i.bulk_id
                )
              limit 100",
    },
];
