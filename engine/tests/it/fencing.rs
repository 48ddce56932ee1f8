//! Fencing: a dead worker's runs are taken over, and what it writes afterwards counts for nothing.

use std::time::Duration;

use makegood::WorkerConfig;

use crate::support::TestCell;
use crate::trades::{Plan, Steps4, Trip, registry, world};

fn short() -> WorkerConfig {
    WorkerConfig { lease: Duration::from_millis(600), ..WorkerConfig::default() }
}

#[tokio::test]
async fn a_silent_worker_is_buried_and_its_late_write_is_refused() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book two");
    let first = cell.worker_with(registry(), short()).await;
    let run = cell.start::<Steps4>("s1", &plan).await;
    cell.until("it holds the run", "select exists (select 1 from tasks where owner is not null)")
        .await;
    cell.until(
        "step two is under way",
        "select exists (select 1 from steps where next->0->>'occurrence' = '1')",
    )
    .await;
    // As if its machine were frozen: somebody else buries it while it is inside a step.
    cell.execute("update workers set alive = false, ended_at = now()").await;
    cell.execute("update tasks set owner = null, due_at = now(), step_count = -1").await;
    gate.add_permits(10);
    let ending = cell.ended::<Steps4>(run).await;
    assert_eq!(ending.output, Some(4));
    let twice = "select count(*) from (select name, occurrence from steps where kind = 'done'
        group by 1, 2 having count(*) > 1) x";
    assert_eq!(cell.scalar::<i64>(twice).await, 0, "no step is recorded twice");
    assert_eq!(world().booked(&plan.trip).len(), 4, "and no effect is there twice");
    cell.until(
        "it came back under a new id",
        "select count(*) filter (where alive) = 1 from workers",
    )
    .await;
    first.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_worker_that_does_not_know_that_it_is_dead_writes_nothing() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book two");
    // It will not ask for long whether it is alive: only the fence stops it.
    let unaware = WorkerConfig { lease: Duration::from_mins(1), ..WorkerConfig::default() };
    let worker = cell.worker_with(registry(), unaware).await;
    let run = cell.start::<Steps4>("s1", &plan).await;
    cell.until(
        "step two is under way",
        "select exists (select 1 from steps where next->0->>'occurrence' = '1')",
    )
    .await;
    cell.execute("update workers set alive = false, ended_at = now()").await;
    let later = "due_at = now() + interval '1 hour'";
    cell.execute(&format!("update tasks set owner = null, {later}, step_count = -1")).await;
    let before = cell.record(run).await;
    gate.add_permits(10);
    cell.until("it learns of it", "select count(*) = 1 from workers where alive").await;
    assert_eq!(cell.record(run).await, before, "what it had done is not on record");
    cell.execute("update tasks set due_at = now()").await;
    cell.client.wake();
    assert_eq!(cell.ended::<Steps4>(run).await.output, Some(4), "and is found by the next");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn four_workers_never_drive_one_run_at_once() {
    let cell = TestCell::new().await;
    let plans: Vec<Plan> = (0..200).map(|_| Plan::new()).collect();
    for (index, plan) in plans.iter().enumerate() {
        cell.start::<Trip>(&format!("t{index}"), plan).await;
    }
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(cell.worker().await);
    }
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    for plan in &plans {
        assert_eq!(
            world().events(plan),
            ["note packed", "book flight", "book hotel", "look", "note paid", "note announced"],
            "each step ran once"
        );
    }
    for worker in workers {
        worker.drain().await.unwrap();
    }
    cell.audited().await;
}

#[tokio::test]
async fn a_run_that_keeps_killing_workers_is_parked_as_poison() {
    let cell = TestCell::new().await;
    let run = cell.start::<Trip>("t1", &Plan::new()).await;
    cell.execute("update tasks set crashes = 5").await;
    let worker = cell.worker().await;
    cell.until("it is stuck", "select exists (select 1 from tasks where state = 'STUCK')").await;
    let class: String = cell.scalar("select class from incidents").await;
    assert_eq!(class, "poison");
    assert!(cell.record(run).await.is_empty(), "none of its steps were taken");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_record_that_the_program_does_not_ask_for_parks_the_run() {
    let cell = TestCell::new().await;
    let run = cell.start::<Trip>("t1", &Plan::new()).await;
    cell.execute(
        "insert into steps (run_id, seq, kind, name, result, at)
         select run_id, 0, 'done', 'bungee_jump', 'null', now() from runs",
    )
    .await;
    cell.execute("update tasks set step_count = 1").await;
    let worker = cell.worker().await;
    cell.until("it is stuck", "select exists (select 1 from tasks where state = 'STUCK')").await;
    let incident: String = cell.scalar("select class || ': ' || message from incidents").await;
    assert_eq!(
        incident,
        "non_determinism: the record goes on with done bungee_jump#0, which the program does not ask for; \
         it asks for note#0",
        "it names the first difference"
    );
    assert_eq!(cell.record(run).await, ["done bungee_jump"], "nothing was guessed");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn the_database_cannot_hold_a_live_run_that_nothing_moves() {
    let cell = TestCell::new().await;
    cell.start::<Trip>("t1", &Plan::new()).await;
    for nothing in [
        "update tasks set due_at = null",
        "update tasks set owner = gen_random_uuid()",
        "update tasks set due_at = null, incident_id = gen_random_uuid()",
        "update tasks set state = 'WAITING'",
    ] {
        let refused = sqlx::query(nothing).execute(&cell.pool).await.unwrap_err();
        let state = refused.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(state, "23514", "a CHECK refuses: {nothing}");
    }
}
