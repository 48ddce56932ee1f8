//! Signals: early, twice, late, or never; none is lost.

use std::time::Duration;

use makegood::{Cancellation, Delivery, Error};
use uuid::Uuid;

use crate::support::TestCell;
use crate::trades::{Fault, Parcel, Plan, Returns, Signed, Steps4, Trip, Waiting, world};

fn waiting() -> Waiting {
    Waiting { plan: Plan::new(), within_ms: 20_000 }
}

async fn sign(cell: &TestCell, id: &str, signal_id: &str) -> Delivery {
    let mut tx = cell.pool.begin().await.unwrap();
    let signed = Signed { by: signal_id.to_owned() };
    let delivery =
        cell.client.signal::<Parcel, Signed>(&mut tx, id, signal_id, &signed).await.unwrap();
    tx.commit().await.unwrap();
    cell.client.wake();
    delivery
}

async fn waits(cell: &TestCell, run: Uuid) {
    let sql =
        format!("select exists (select 1 from tasks where state = 'WAITING' and run_id = '{run}')");
    cell.until("it waits", &sql).await;
}

#[tokio::test]
async fn a_signal_wakes_the_run_that_waits_for_it() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let run = cell.start::<Parcel>("p1", &waiting()).await;
    waits(&cell, run).await;
    assert_eq!(sign(&cell, "p1", "ada").await, Delivery::Queued);
    let ending = cell.ended::<Parcel>(run).await;
    assert_eq!(ending.output, Some(Some("ada".to_owned())));
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_signal_that_comes_before_the_wait_is_taken_and_a_repeat_is_not() {
    let cell = TestCell::new().await;
    let run = cell.start::<Parcel>("p1", &waiting()).await;
    assert_eq!(sign(&cell, "p1", "ada").await, Delivery::Queued, "before any step was taken");
    assert_eq!(sign(&cell, "p1", "ada").await, Delivery::Repeated, "the sender's id is known");
    let worker = cell.worker().await;
    assert_eq!(cell.ended::<Parcel>(run).await.output, Some(Some("ada".to_owned())));
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 1, "no late handler");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_signal_for_nobody_is_refused_so_that_its_sender_keeps_it() {
    let cell = TestCell::new().await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let signed = Signed { by: "ada".to_owned() };
    let sent = cell.client.signal::<Parcel, Signed>(&mut conn, "p9", "s1", &signed).await;
    assert!(matches!(sent, Err(Error::RunNotFound(_))), "nobody has that id");
}

#[tokio::test]
async fn a_signal_that_finds_the_run_ended_goes_to_its_handler() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let waiting = Waiting { within_ms: 1, ..waiting() };
    let run = cell.start::<Parcel>("p1", &waiting).await;
    assert_eq!(cell.ended::<Parcel>(run).await.state, "COMPENSATED", "nobody signed in time");
    assert_eq!(sign(&cell, "p1", "ada").await, Delivery::Late);
    assert_eq!(sign(&cell, "p1", "ada").await, Delivery::Repeated);
    let late: Uuid = cell.scalar("select run_id from runs where workflow = 'returns'").await;
    assert_eq!(cell.ended::<Returns>(late).await.output, Some("ada".to_owned()));
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn signals_that_a_run_did_not_take_go_to_its_handler_when_it_ends() {
    let cell = TestCell::new().await;
    let run = cell.start::<Parcel>("p1", &waiting()).await;
    for name in ["ada", "bob", "cleo"] {
        sign(&cell, "p1", name).await;
    }
    let worker = cell.worker().await;
    assert_eq!(cell.ended::<Parcel>(run).await.output, Some(Some("ada".to_owned())));
    let late = "select count(*) from runs where workflow = 'returns'";
    assert_eq!(cell.scalar::<i64>(late).await, 2, "the two that nobody took");
    cell.until("they end", "select not exists (select 1 from tasks)").await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_signal_that_the_completed_run_has_settled_needs_no_handler() {
    let cell = TestCell::new().await;
    let run = cell.start::<Parcel>("p1", &waiting()).await;
    let again = Signed { by: "ada".to_owned() };
    sign(&cell, "p1", "ada").await;
    let mut conn = cell.pool.acquire().await.unwrap();
    for id in ["twin of ada", "another twin"] {
        let sent = cell.client.signal::<Parcel, Signed>(&mut conn, "p1", id, &again).await;
        assert_eq!(sent.unwrap(), Delivery::Queued);
    }
    let worker = cell.worker().await;
    cell.ended::<Parcel>(run).await;
    let late = cell.client.signal::<Parcel, Signed>(&mut conn, "p1", "late twin", &again).await;
    assert_eq!(late.unwrap(), Delivery::Late);
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 1, "ada has signed");
    sign(&cell, "p1", "bob").await;
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 2, "bob has not");
    cell.until("it ends", "select not exists (select 1 from tasks)").await;
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn no_signal_is_lost_between_a_wait_and_its_park() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let mut sent = Vec::new();
    for index in 0..300 {
        let id = format!("p{index}");
        let run = cell.start::<Parcel>(&id, &waiting()).await;
        // At once, so that it meets the run on its way into its wait.
        sign(&cell, &id, "ada").await;
        sent.push(run);
    }
    for run in sent {
        let ending = cell.ended::<Parcel>(run).await;
        assert_eq!(ending.output, Some(Some("ada".to_owned())), "every run got its signal");
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_signal_that_comes_while_a_step_is_tried_again_is_kept_for_its_wait() {
    let cell = TestCell::new().await;
    let config = makegood::WorkerConfig { short_wait: Duration::ZERO, ..Default::default() };
    let worker = cell.worker_with(crate::trades::registry(), config).await;
    let waiting = waiting();
    world().fail_early(&waiting.plan, "book van", &[Fault::Retryable; 2]);
    let gate = world().hang(&waiting.plan, "before book van");
    let run = cell.start::<Parcel>("p1", &waiting).await;
    cell.until("it is under way", "select exists (select 1 from tasks where owner is not null)")
        .await;
    // While the first attempt is under way, so that its pause meets a full mailbox.
    sign(&cell, "p1", "ada").await;
    gate.add_permits(10);
    assert_eq!(cell.ended::<Parcel>(run).await.output, Some(Some("ada".to_owned())));
    worker.drain().await.unwrap();
    cell.audited().await;
}

async fn cancel<W: makegood::Workflow>(cell: &TestCell, id: &str) -> Cancellation {
    let mut tx = cell.pool.begin().await.unwrap();
    let answer = cell.client.cancel::<W>(&mut tx, id, &"changed my mind").await.unwrap();
    tx.commit().await.unwrap();
    cell.client.wake();
    answer
}

#[tokio::test]
async fn a_cancelled_run_undoes_what_it_did() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let waiting = waiting();
    let run = cell.start::<Parcel>("p1", &waiting).await;
    waits(&cell, run).await;
    assert_eq!(cancel::<Parcel>(&cell, "p1").await, Cancellation::Requested);
    let ending = cell.ended::<Parcel>(run).await;
    assert_eq!(ending.state, "COMPENSATED");
    assert!(
        matches!(ending.cause, Some(makegood::Cause::Cancelled { reason }) if reason == "changed my mind"),
        "the reason is kept"
    );
    assert!(world().booked(&waiting.plan.trip).is_empty(), "the van is not booked any more");
    assert_eq!(cancel::<Parcel>(&cell, "p1").await, Cancellation::Ended);
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_run_that_never_waits_takes_its_cancel_before_it_ends() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book two");
    let run = cell.start::<Steps4>("s1", &plan).await;
    cell.until("it is under way", "select exists (select 1 from tasks where owner is not null)")
        .await;
    assert_eq!(cancel::<Steps4>(&cell, "s1").await, Cancellation::Requested);
    gate.add_permits(10);
    assert_eq!(
        cell.ended::<Steps4>(run).await.state,
        "COMPENSATED",
        "an acknowledged cancel counts"
    );
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_cancel_past_the_pivot_is_refused() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    world().fail(&plan, "note announced", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>("t1", &plan).await;
    cell.until("it is stuck", "select exists (select 1 from tasks where state = 'STUCK')").await;
    // The pivot's note and the failing one are one transaction: nothing is durable past the pivot.
    assert_eq!(cell.state(run).await, "STUCK");
    cell.client.retry(run, "ada", "again").await.unwrap();
    cell.ended::<Trip>(run).await;
    assert_eq!(cancel::<Trip>(&cell, "t1").await, Cancellation::PastPivot);
    worker.drain().await.unwrap();
}
