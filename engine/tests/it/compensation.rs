//! Compensation: from the record, in reverse, each until done or parked, nothing past the pivot.

use crate::support::TestCell;
use crate::trades::{Fault, Plan, Trip, world};

#[tokio::test]
async fn a_rejected_step_undoes_the_earlier_ones_in_reverse_order() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::rejecting("hotel");
    let run = cell.start::<Trip>("t1", &plan).await;
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPENSATED");
    assert_eq!(
        cell.record(run).await,
        [
            "done note",
            "done book",
            "rejected book",
            "compensating ",
            "undone book",
            "undone note",
            "closed close_trip"
        ],
    );
    assert_eq!(
        world().events(&plan),
        ["note packed", "book flight", "unbook flight", "erase packed"],
        "the latest step is undone first, and the rejected one not at all"
    );
    let note: String = cell.scalar("select note from notes").await;
    assert!(note.starts_with("closed: Rejected("), "the closing activity ended it: {note}");
    assert!(note.ends_with("\"flight\",1"), "with what the undos answered: {note}");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_failed_undo_is_tried_again_until_it_passes() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::rejecting("hotel");
    world().fail(&plan, "unbook flight", &[Fault::Retryable, Fault::Unknown]);
    world().fail(&plan, "erase packed", &[Fault::Retryable]);
    let run = cell.start::<Trip>("t1", &plan).await;
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPENSATED");
    assert!(world().booked(&plan.trip).is_empty(), "nothing stays booked");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn an_undo_that_never_passes_parks_the_run_and_is_not_dropped() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::rejecting("hotel");
    world().fail(&plan, "unbook flight", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>("t1", &plan).await;
    cell.until("it is stuck", "select exists (select 1 from tasks where state = 'STUCK')").await;
    let class: String = cell.scalar("select class from incidents").await;
    assert_eq!(class, "compensation_failed");
    assert_eq!(world().times(&plan, "erase packed"), 0, "earlier steps wait for their turn");
    cell.client.retry(run, "ada", "again").await.unwrap();
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPENSATED");
    assert!(world().booked(&plan.trip).is_empty(), "nothing stays booked");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_refusal_past_the_pivot_parks_the_run_and_undoes_nothing() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    world().fail(&plan, "note announced", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>("t1", &plan).await;
    cell.until("it is stuck", "select exists (select 1 from tasks where state = 'STUCK')").await;
    assert_eq!(world().booked(&plan.trip).len(), 2, "there is only forward");
    cell.client.retry(run, "ada", "again").await.unwrap();
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED");
    worker.drain().await.unwrap();
}
