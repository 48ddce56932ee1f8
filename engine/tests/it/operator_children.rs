//! A child that failed behind its parent's pivot: it starts anew, or gets its output from a person.

use makegood::{
    Ctx, Error, GivenUndo, Operator, Refusal, Registry, StepId, Workflow, WorkflowResult,
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{TestCell, forgetful};
use crate::trades::{Fault, Note, Plan, Trip, line, registry, world};

/// Pays, then sends two trips off and awaits them.
struct Tour;

impl Workflow for Tour {
    const NAME: &'static str = "tour";
    type Input = [Plan; 2];
    type Output = Vec<String>;

    async fn run(ctx: Ctx, trips: [Plan; 2]) -> WorkflowResult<Vec<String>> {
        let (_, ctx) = ctx.pivot::<Note>(&line(&trips[0], "paid for all")).await?;
        ctx.all(trips.iter().map(|trip| ctx.child::<Trip>(trip))).await
    }
}

/// Pays while a trip is under way already.
struct Rush;

impl Workflow for Rush {
    const NAME: &'static str = "rush";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        let trip = ctx.child::<Trip>(&plan).await;
        let (_, _) = ctx.pivot::<Note>(&line(&plan, "paid for all")).await?;
        trip
    }
}

fn sagas() -> Registry {
    registry().workflow::<Tour>().workflow::<Rush>()
}

fn ada(cell: &TestCell) -> Operator {
    cell.client.operator("ada", "looked").unwrap()
}

fn trip(occurrence: i32) -> StepId {
    StepId { name: Trip::NAME.to_owned(), occurrence }
}

/// A tour whose second trip finds no hotel.
async fn stuck_tour(cell: &TestCell) -> (Uuid, [Plan; 2]) {
    let trips = [Plan::new(), Plan::new()];
    world().fail_early(&trips[1], "book hotel", &[Fault::Rejected]);
    let run = cell.start::<Tour>(&trips[0].trip, &trips).await;
    let incident = cell.incident(run).await;
    assert!(incident.contains("rejected_past_pivot: CHILD_NOT_COMPLETED"), "{incident}");
    (run, trips)
}

#[tokio::test]
async fn a_child_that_failed_behind_the_pivot_starts_anew_when_its_parent_is_retried() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(sagas(), forgetful()).await;
    let (run, trips) = stuck_tour(&cell).await;
    ada(&cell).retry(run).await.unwrap();
    let ending = cell.ended::<Tour>(run).await;
    assert_eq!(ending.output.map(|flights| flights.len()), Some(2), "{}", ending.state);
    assert_eq!(world().times(&trips[0], "book hotel"), 1, "the other child was left alone");
    assert_eq!(world().times(&trips[1], "unbook flight"), 1, "the first time came to nothing");
    assert_eq!(world().times(&trips[1], "book flight"), 2, "the second brought it about");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_child_can_start_anew_with_another_input_and_again_if_that_fails() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(sagas(), forgetful()).await;
    let (run, trips) = stuck_tour(&cell).await;
    let wrong = ada(&cell).edit_input_and_retry(run, &trip(0), &json!(Plan::new())).await;
    let Err(Error::Refused { refusal, .. }) = wrong else { panic!("{wrong:?}") };
    assert_eq!(*refusal, Refusal::NotAtStep { at: Some(trip(1)) }, "only the one that failed");
    let full = Plan::rejecting("hotel");
    ada(&cell).edit_input_and_retry(run, &trip(1), &json!(full)).await.unwrap();
    let again = cell.incident(run).await;
    assert!(again.contains("CHILD_NOT_COMPLETED"), "{again}");
    assert_eq!(world().times(&full, "unbook flight"), 1, "it was tried, and undone");
    let free = Plan::new();
    ada(&cell).edit_input_and_retry(run, &trip(1), &json!(free)).await.unwrap();
    assert_eq!(cell.ended::<Tour>(run).await.state, "COMPLETED");
    assert_eq!(world().times(&free, "book hotel"), 1);
    assert_eq!(world().times(&trips[1], "book hotel"), 0, "nothing was done with the old input");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn the_output_of_a_child_that_failed_can_be_given_and_given_again() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(sagas(), forgetful()).await;
    let (run, trips) = stuck_tour(&cell).await;
    ada(&cell).skip_step(run, &trip(1), &json!({"no": "text"}), GivenUndo::Keep).await.unwrap();
    let incident = cell.incident(run).await;
    assert!(incident.starts_with("non_determinism"), "a trip answers with a text: {incident}");
    let given = json!("by telephone");
    ada(&cell).skip_step(run, &trip(1), &given, GivenUndo::Keep).await.unwrap();
    let flights = cell.ended::<Tour>(run).await.output.unwrap();
    assert_eq!(flights[1], "by telephone", "the program went on with it");
    assert_eq!(world().times(&trips[1], "book flight"), 1, "and nobody booked again");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn so_can_that_of_a_child_whose_failure_the_parent_learnt_before_its_pivot() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(sagas(), forgetful()).await;
    let plan = Plan::new();
    world().fail_early(&plan, "book hotel", &[Fault::Rejected]);
    let run = cell.start::<Rush>(&plan.trip, &plan).await;
    let incident = cell.incident(run).await;
    assert!(incident.contains("rejected_past_pivot: CHILD_NOT_COMPLETED"), "{incident}");
    let given = json!("by telephone");
    ada(&cell).skip_step(run, &trip(0), &given, GivenUndo::Keep).await.unwrap();
    let ending = cell.ended::<Rush>(run).await;
    assert_eq!(ending.output.as_deref(), Some("by telephone"), "{}", ending.state);
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn of_a_fan_out_the_child_that_failed_first_starts_anew_though_others_ended_since() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(sagas(), forgetful()).await;
    let trips = [Plan::new(), Plan::new()];
    world().fail_early(&trips[0], "book hotel", &[Fault::Rejected]);
    let gate = world().hang(&trips[1], "book flight");
    let run = cell.start::<Tour>(&trips[0].trip, &trips).await;
    world().until_met(&trips[1], "book flight", 1).await;
    world().until_met(&trips[0], "unbook flight", 1).await;
    gate.add_permits(9);
    let incident = cell.incident(run).await;
    assert!(incident.contains("CHILD_NOT_COMPLETED"), "{incident}");
    ada(&cell).retry(run).await.unwrap();
    assert_eq!(cell.ended::<Tour>(run).await.state, "COMPLETED");
    assert_eq!(world().times(&trips[1], "book flight"), 1, "the other child was left alone");
    assert_eq!(world().times(&trips[0], "book hotel"), 1);
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_child_that_was_closed_as_it_stood_is_not_done_twice_by_a_retry() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(sagas(), forgetful()).await;
    let trips = [Plan::new(), Plan::new()];
    world().fail_early(&trips[1], "book hotel", &[Fault::Retryable; 4]);
    let run = cell.start::<Tour>(&trips[0].trip, &trips).await;
    let stuck = "select run_id from incidents where resolved_at is null and step = 'book'";
    cell.until("a trip is stuck", &format!("select exists ({stuck})")).await;
    let child: Uuid = sqlx::query_scalar(stuck).fetch_one(&cell.pool).await.unwrap();
    ada(&cell).close(child).await.unwrap();
    let incident = cell.incident(run).await;
    assert!(incident.contains("it ended CLOSED"), "{incident}");
    let again = ada(&cell).retry(run).await;
    let Err(Error::Refused { refusal, .. }) = again else { panic!("{again:?}") };
    assert_eq!(*refusal, Refusal::ChildNotUndone { child }, "its flight is booked");
    ada(&cell).skip_step(run, &trip(1), &json!("by train"), GivenUndo::Keep).await.unwrap();
    assert_eq!(cell.ended::<Tour>(run).await.state, "COMPLETED");
    assert_eq!(world().times(&trips[1], "book flight"), 1, "once");
    worker.drain().await.unwrap();
    cell.audited().await;
}
