//! The audit finds each broken promise of the engine, by its name, and nothing where none is broken.

use std::collections::BTreeSet;

use makegood::inspect;
use sqlx::AssertSqlSafe;

use crate::support::TestCell;
use crate::trades::{Parcel, Plan, Trip, Waiting};

/// Each invariant, with damage that breaks it.
const DAMAGES: &[(&str, &str)] = &[
    ("a live run has a task", "delete from tasks"),
    (
        "an ended run has no task",
        "insert into tasks (run_id, lane)
         select run_id, lane from runs where ended_state = 'COMPLETED'",
    ),
    (
        "an archived run is nowhere else",
        "insert into archived_runs (run_id, workflow, workflow_id, version, input, ended_state,
           started_at, ended_at, archived_at, document)
         select run_id, workflow, workflow_id, version, input, ended_state, started_at, ended_at,
           now(), '{}'
         from runs where ended_state = 'COMPLETED'",
    ),
    (
        "what is recorded belongs to a run",
        "insert into signals (run_id, signal_id, kind, payload)
         values (gen_random_uuid(), 's', 'k', 'null')",
    ),
    (
        "a live run has a lease, a due time, a dated wait or an incident",
        "alter table tasks drop constraint tasks_check;
         update tasks set due_at = null",
    ),
    ("a task is in a lane", "update tasks set lane = -1"),
    (
        "a run is held by a living worker",
        "update tasks set owner = gen_random_uuid(), due_at = null",
    ),
    (
        "an open incident belongs to a stuck run",
        "insert into incidents (incident_id, run_id, class, message, fingerprint)
         select gen_random_uuid(), run_id, 'x', 'x', 'x' from tasks",
    ),
    (
        "a stuck run has an open incident",
        "update tasks set state = 'STUCK', incident_id = gen_random_uuid(), due_at = null",
    ),
    ("a record has no gap", "delete from steps where seq = 1"),
    (
        "a step is recorded once",
        "insert into steps (run_id, seq, kind, name, occurrence, at)
         select run_id, 100, kind, name, occurrence, at from steps where seq = 0 and kind = 'done'",
    ),
    ("a compensated run has undone every step", "delete from steps where kind = 'undone'"),
    (
        "nothing is recorded past the end of a run that was undone",
        "insert into steps (run_id, seq, kind, name, at)
         select run_id, 100, 'done', 'more', now() from runs where ended_state = 'COMPENSATED'",
    ),
    (
        "nothing is undone past the pivot",
        "insert into steps (run_id, seq, kind, name, at)
         select run_id, 100, 'compensating', '', now() from runs where ended_state = 'COMPLETED'",
    ),
    (
        "a run ends as its record says",
        "update runs set ended_state = 'COMPLETED' where ended_state = 'COMPENSATED'",
    ),
    (
        "nothing is undone before the decision to undo was taken back",
        "insert into steps (run_id, seq, kind, name, at)
         select run_id, 100, 'resumed', '', now() from runs where ended_state = 'COMPENSATED'",
    ),
    (
        "what an operator recorded has its action",
        "insert into steps (run_id, seq, kind, name, at)
         select run_id, 100, 'waived', 'book', now() from tasks",
    ),
    (
        "a paused, closed or forked run has the action that did it",
        "update runs set ended_state = 'CLOSED' where ended_state = 'COMPLETED'",
    ),
    (
        "an order is an operator's action",
        "insert into signals (run_id, signal_id, kind, payload)
         select run_id, '$pause:1', '$pause', 'null' from tasks",
    ),
    (
        "what a bulk action did is an action of its own",
        "insert into bulk_actions (bulk_id, verb, selection, actor, reason, per_second)
         values ('00000000-0000-0000-0000-000000000001', '{}', '{}', 'ada', 'x', 1);
         insert into bulk_items (bulk_id, run_id, version, outcome, action_id, at)
         select '00000000-0000-0000-0000-000000000001', run_id, 'x', 'done', gen_random_uuid(), now()
         from tasks",
    ),
];

/// What the audit finds after `damage`, done past every guard and rolled back.
async fn found_after(cell: &TestCell, damage: &str) -> BTreeSet<&'static str> {
    let mut tx = cell.pool.begin().await.unwrap();
    let sql = format!("set local session_replication_role = replica; {damage}");
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await;
    assert!(done.is_ok(), "{damage}: {done:?}");
    let found = inspect::faults(&mut tx).await.unwrap();
    tx.rollback().await.unwrap();
    let whole = |fault: &inspect::Fault| !fault.subject.is_empty() && !fault.detail.is_empty();
    assert!(found.iter().all(whole), "each names its row and what is wrong: {found:?}");
    found.into_iter().map(|fault| fault.invariant).collect()
}

#[tokio::test]
async fn each_planted_fault_is_found_by_its_name() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    for (id, plan) in [("t1", Plan::new()), ("t2", Plan::rejecting("hotel"))] {
        let run = cell.start::<Trip>(id, &plan).await;
        cell.ended::<Trip>(run).await;
    }
    let waiting = Waiting { plan: Plan::new(), within_ms: 600_000 };
    cell.start::<Parcel>("p1", &waiting).await;
    cell.waits().await;
    worker.drain().await.unwrap();
    cell.audited().await;
    for (invariant, damage) in DAMAGES {
        let found = found_after(&cell, damage).await;
        assert!(found.contains(invariant), "{invariant} not in {found:?} after {damage}");
    }
    let planted: BTreeSet<_> = DAMAGES.iter().map(|(invariant, _)| *invariant).collect();
    let all: BTreeSet<_> = inspect::invariants().collect();
    assert_eq!(planted, all, "every invariant has been broken once");
    cell.audited().await;
}
