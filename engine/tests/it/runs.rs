//! Runs: started once, recorded as executed, retried, parked, resumed.

use makegood::{Error, WorkerConfig};
use std::time::Duration;

use crate::support::TestCell;
use crate::trades::{Fault, Parcel, Patience, Plan, Steps4, Trip, Waiting, world};

#[tokio::test]
async fn a_run_completes_and_its_record_matches_what_was_done() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let run = cell.start::<Trip>("t1", &plan).await;
    let ending = cell.ended::<Trip>(run).await;
    assert_eq!(ending.state, "COMPLETED");
    assert_eq!(
        cell.record(run).await,
        ["done note", "done book", "done book", "done look", "done note", "done note"],
        "each step is recorded once, in order"
    );
    assert_eq!(world().booked(&plan.trip).len(), 2, "flight and hotel are booked");
    assert_eq!(cell.scalar::<i64>("select count(*) from tasks").await, 0, "it left the queue");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_trip_of_two_outside_steps_costs_four_commits_besides_its_start_and_claims() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let run = cell.start::<Trip>("t1", &plan).await;
    let worker = cell.worker().await;
    cell.ended::<Trip>(run).await;
    let writes = "select count(distinct xmin::text) from steps";
    assert_eq!(
        cell.scalar::<i64>(writes).await,
        3,
        "note + intent; result + intent; result, look, paid, announced and the end"
    );
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn the_same_id_is_the_same_run_and_another_input_is_refused() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let first = cell.start::<Trip>("t1", &plan).await;
    let again = cell.start::<Trip>("t1", &plan).await;
    assert_eq!(first, again, "a repeated start finds the run");
    let mut conn = cell.pool.acquire().await.unwrap();
    let other = cell.client.start::<Trip>(&mut conn, "t1", &Plan::new()).await;
    assert!(
        matches!(&other, Err(Error::InputConflict { run_id, .. }) if *run_id == first),
        "another input is refused and names the run: {other:?}"
    );
}

#[tokio::test]
async fn a_start_that_is_rolled_back_leaves_nothing() {
    let cell = TestCell::new().await;
    let mut tx = cell.pool.begin().await.unwrap();
    cell.client.start::<Trip>(&mut tx, "t1", &Plan::new()).await.unwrap();
    tx.rollback().await.unwrap();
    let left = "select (select count(*) from runs) + (select count(*) from tasks)";
    assert_eq!(cell.scalar::<i64>(left).await, 0, "no run without its caller's commit");
}

#[tokio::test]
async fn nothing_moves_without_a_worker() {
    let cell = TestCell::new().await;
    let run = cell.start::<Trip>("t1", &Plan::new()).await;
    let ended = cell.client.ending::<Trip>(run, Duration::from_millis(300)).await.unwrap();
    assert!(ended.is_none(), "a client drives nothing");
    assert!(cell.record(run).await.is_empty(), "no step was taken");
}

#[tokio::test]
async fn retryable_failures_are_tried_again_until_they_pass() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    world().fail_early(&plan, "book flight", &[Fault::Retryable, Fault::Retryable]);
    world().fail(&plan, "note packed", &[Fault::Retryable]);
    let run = cell.start::<Trip>("t1", &plan).await;
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED");
    let attempts = "select attempts from steps where name = 'book' and occurrence = 0";
    assert_eq!(cell.scalar::<i32>(attempts).await, 3, "the third attempt passed");
    let packed = "select count(*) from notes where note = 'packed'";
    assert_eq!(cell.scalar::<i64>(packed).await, 1, "a rolled-back note is not there twice");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn used_up_retries_park_the_run_and_a_retry_resumes_it() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    world().fail_early(&plan, "book hotel", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>("t1", &plan).await;
    cell.until("it is stuck", "select exists (select 1 from tasks where state = 'STUCK')").await;
    let class: String = cell.scalar("select class from incidents where resolved_at is null").await;
    assert_eq!(class, "retries_used_up");
    assert_eq!(world().booked(&plan.trip).len(), 1, "the flight stays booked meanwhile");
    cell.audited().await;

    cell.client.retry(run, "ada", "the hotel answers again").await.unwrap();
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED");
    let audit = "select actor || ': ' || reason from operator_actions";
    assert_eq!(cell.scalar::<String>(audit).await, "ada: the hotel answers again");
    let again = cell.client.retry(run, "ada", "once more").await;
    assert!(matches!(again, Err(Error::Refused { .. })), "only a stuck run can be retried");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_case_for_a_person_is_parked_at_once_with_its_class() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    world().fail(&plan, "note paid", &[Fault::Review]);
    let run = cell.start::<Trip>("t1", &plan).await;
    cell.until("it is stuck", "select exists (select 1 from tasks where state = 'STUCK')").await;
    let incident = "select class || ' ' || step || ': ' || message from incidents";
    assert_eq!(cell.scalar::<String>(incident).await, "odd note: a person must look");
    let paid = "select count(*) from notes where note = 'paid'";
    assert_eq!(cell.scalar::<i64>(paid).await, 0, "the refused transaction left nothing");
    cell.client.retry(run, "ada", "looked").await.unwrap();
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_attempt_and_not_the_end_of_the_worker() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    world().fail(&plan, "book flight", &[Fault::Panic]);
    world().fail(&plan, "note paid", &[Fault::Panic]);
    let run = cell.start::<Trip>("t1", &plan).await;
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED");
    assert_eq!(world().booked(&plan.trip).len(), 2, "what it had booked was found and adopted");
    assert!(worker.is_ready(), "the worker lives on");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn an_unknown_outcome_is_looked_up_and_adopted_not_repeated() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    world().fail(&plan, "book flight", &[Fault::Unknown]);
    let run = cell.start::<Trip>("t1", &plan).await;
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED");
    assert_eq!(world().times(&plan, "book flight"), 1, "it was booked once and then found");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn timers_fire_in_order_and_never_early() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let waiting = Waiting { plan, within_ms: 300 };
    let run = cell.start::<Patience>("p1", &waiting).await;
    cell.ended::<Patience>(run).await;
    let record = cell.record(run).await;
    assert_eq!(record, ["slept sleep", "done note", "slept sleep", "done note"]);
    let early = "select ended_at - started_at >= interval '600 ms' from runs";
    assert!(cell.scalar::<bool>(early).await, "two naps of 300 ms take 600 ms at least");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_run_whose_hint_is_lost_is_found_by_looking() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let idle = cell.start::<Steps4>("s1", &Plan::new()).await;
    cell.ended::<Steps4>(idle).await;
    let mut tx = cell.pool.begin().await.unwrap();
    cell.client.start::<Steps4>(&mut tx, "s2", &Plan::new()).await.unwrap();
    tx.commit().await.unwrap();
    let ended = cell.until("it ends", "select not exists (select from tasks)");
    let soon = tokio::time::timeout(Duration::from_secs(5), ended).await;
    soon.expect("a worker looks a few times a second, whether it was told or not");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_timer_that_fell_due_while_nobody_was_there_fires_at_once() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 2_000 };
    let run = cell.start::<Parcel>("p1", &waiting).await;
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    worker.drain().await.unwrap();
    cell.until("the deadline passes", "select bool_and(due_at < now()) from tasks").await;
    let worker = cell.worker().await;
    assert_eq!(cell.ended::<Parcel>(run).await.state, "COMPENSATED", "its deadline is over");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_drained_worker_hands_its_runs_back_at_once() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book two");
    let worker = cell.worker().await;
    let run = cell.start::<Steps4>("s1", &plan).await;
    cell.until("it holds the run", "select exists (select 1 from tasks where owner is not null)")
        .await;
    gate.add_permits(1);
    worker.drain().await.unwrap();
    let held = "select count(*) from tasks where owner is not null";
    assert_eq!(cell.scalar::<i64>(held).await, 0, "nothing is held after a drain");
    gate.add_permits(10);
    let next = cell.worker().await;
    assert_eq!(cell.ended::<Steps4>(run).await.output, Some(4));
    assert_eq!(world().booked(&plan.trip).len(), 4, "each step has its effect once");
    next.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_worker_whose_every_place_is_taken_by_a_hanging_call_still_drains() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book one");
    let config = WorkerConfig {
        in_flight: 1,
        claim_batch: 1,
        drain: Duration::from_millis(200),
        ..WorkerConfig::default()
    };
    let worker = cell.worker_with(crate::trades::registry(), config).await;
    let run = cell.start::<Steps4>("s1", &plan).await;
    world().until_met(&plan, "book one", 1).await;
    let drained = tokio::time::timeout(Duration::from_secs(30), worker.drain()).await;
    drained.expect("a drain does not wait for the call").unwrap();
    let held = "select count(*) from tasks where owner is not null";
    assert_eq!(cell.scalar::<i64>(held).await, 0, "the run was given back");
    gate.add_permits(10);
    let next = cell.worker().await;
    assert_eq!(cell.ended::<Steps4>(run).await.output, Some(4), "and another worker ends it");
    next.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_thousand_runs_share_commits() {
    let cell = TestCell::new().await;
    for index in 0..1_000 {
        cell.start::<Steps4>(&format!("s{index}"), &Plan::new()).await;
    }
    let worker = cell.worker_with(crate::trades::registry(), WorkerConfig::default()).await;
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    let commits = "select count(distinct xmin::text) from steps";
    let commits: i64 = cell.scalar(commits).await;
    assert!(commits < 2_000, "5 turns each are far fewer than 5,000 commits: {commits}");
    worker.drain().await.unwrap();
    cell.audited().await;
}
