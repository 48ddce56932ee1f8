//! What operators write into a record: given results, other inputs, the way forward and the way back.

use std::time::Duration;

use makegood::{
    Activity, ActivityError, ActivityResult, Carried, Cause, Closing, Ctx, Error, GivenUndo,
    InTransaction, MadeGood, Operator, Refusal, StepId, WorkerConfig, Workflow, WorkflowResult,
};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::support::TestCell;
use crate::trades::{
    Book, Fault, Parcel, Plan, Signed, Trip, Unbook, Waiting, booking, registry, world,
};

fn step(name: &str, occurrence: i32) -> StepId {
    StepId { name: name.to_owned(), occurrence }
}

fn ada(cell: &TestCell) -> Operator {
    cell.client.operator("ada", "looked").unwrap()
}

/// A trip that is stuck at this event.
async fn stuck_trip(cell: &TestCell, plan: &Plan, event: &str) -> Uuid {
    if event.starts_with("book") {
        world().fail_early(plan, event, &[Fault::Retryable; 4]);
    } else {
        world().fail(plan, event, &[Fault::Retryable; 4]);
    }
    let run = cell.start::<Trip>(&plan.trip, plan).await;
    cell.incident(run).await;
    run
}

#[tokio::test]
async fn a_given_result_is_the_steps_answer_and_its_effect_is_undone_if_the_operator_says_so() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    for (undo, unbooked) in [(GivenUndo::Keep, 1), (GivenUndo::Forget, 0)] {
        let plan = Plan::rejecting("hotel");
        let run = stuck_trip(&cell, &plan, "book flight").await;
        let wrong = ada(&cell).skip_step(run, &step("book", 1), &json!("x"), undo).await;
        let Err(Error::Refused { refusal, .. }) = wrong else { panic!("{wrong:?}") };
        let at = Some(step("book", 0));
        assert_eq!(*refusal, Refusal::NotAtStep { at }, "only where it is stuck");
        ada(&cell).skip_step(run, &step("book", 0), &json!("by telephone"), undo).await.unwrap();
        assert_eq!(cell.ended::<Trip>(run).await.state, "COMPENSATED", "the hotel is full");
        assert_eq!(world().times(&plan, "unbook flight"), unbooked, "{undo:?}");
        assert_eq!(world().times(&plan, "book flight"), 0, "the step was never taken");
    }
    let plan = Plan::new();
    let run = stuck_trip(&cell, &plan, "book flight").await;
    let given = json!("by telephone");
    ada(&cell).skip_step(run, &step("book", 0), &given, GivenUndo::Keep).await.unwrap();
    let ending = cell.ended::<Trip>(run).await;
    assert_eq!(ending.output.as_deref(), Some("by telephone"), "the program went on with it");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_given_result_of_a_step_in_a_transaction_keeps_its_undo_and_its_pivot() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    for (undo, erased) in [(GivenUndo::Keep, 1), (GivenUndo::Forget, 0)] {
        let plan = Plan::rejecting("hotel");
        let run = stuck_trip(&cell, &plan, "note packed").await;
        ada(&cell).skip_step(run, &step("note", 0), &json!(7), undo).await.unwrap();
        assert_eq!(cell.ended::<Trip>(run).await.state, "COMPENSATED");
        assert_eq!(world().times(&plan, "erase packed"), erased, "{undo:?}");
    }
    let plan = Plan::new();
    world().fail(&plan, "note announced", &[Fault::Rejected]);
    let run = stuck_trip(&cell, &plan, "note paid").await;
    ada(&cell).skip_step(run, &step("note", 1), &json!(8), GivenUndo::Keep).await.unwrap();
    let announced = "select exists (select 1 from incidents where resolved_at is null
        and class = 'rejected_past_pivot' and step = 'note' and occurrence = 2)";
    cell.until("a refusal of the next step undoes nothing", announced).await;
    let back = ada(&cell).compensate(run).await;
    let Err(Error::Refused { refusal, .. }) = back else { panic!("{back:?}") };
    assert_eq!(*refusal, Refusal::PastPivot, "the given step was the pivot");
    ada(&cell).skip_step(run, &step("note", 2), &json!(9), GivenUndo::Keep).await.unwrap();
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED", "it can be given, too");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_given_result_that_the_program_cannot_read_is_given_again() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let run = stuck_trip(&cell, &Plan::new(), "book flight").await;
    let flight = step("book", 0);
    ada(&cell).skip_step(run, &flight, &json!({"no": "text"}), GivenUndo::Keep).await.unwrap();
    let incident = cell.incident(run).await;
    assert!(
        incident.starts_with("non_determinism: the record of book cannot be read"),
        "{incident}"
    );
    ada(&cell).skip_step(run, &flight, &json!("text"), GivenUndo::Keep).await.unwrap();
    assert_eq!(cell.ended::<Trip>(run).await.output.as_deref(), Some("text"));
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn an_undo_at_which_a_run_is_stuck_can_be_declared_done_or_get_another_input() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::rejecting("hotel");
    world().fail(&plan, "unbook flight", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>("declared", &plan).await;
    cell.incident(run).await;
    let forward = ada(&cell).resume_forward(run).await;
    assert_eq!(forward.unwrap(), Carried::Done, "nothing is undone yet: it could go on");
    // The hotel is still full, so that it comes back; now the undo passes or is stuck again.
    cell.ended::<Trip>(run).await;

    let plan = Plan::rejecting("hotel");
    world().fail(&plan, "unbook flight", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>("waived", &plan).await;
    cell.incident(run).await;
    let done = json!("by telephone");
    ada(&cell).skip_step(run, &step("book", 0), &done, GivenUndo::Forget).await.unwrap();
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPENSATED");
    assert_eq!(world().times(&plan, "unbook flight"), 4, "it is not tried any more");
    let note = format!("select note from notes where trip = '{}'", plan.trip);
    let closed: String = cell.scalar(&note).await;
    assert!(closed.ends_with("\"by telephone\",1"), "the closing is told so: {closed}");

    let plan = Plan::rejecting("hotel");
    world().fail(&plan, "unbook flight", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>("edited", &plan).await;
    cell.incident(run).await;
    let call: serde_json::Value =
        cell.scalar("select call -> 'input' from incidents where resolved_at is null").await;
    let mut input = call.clone();
    input["input"]["what"] = json!("plane");
    ada(&cell).edit_input_and_retry(run, &step("book", 0), &input).await.unwrap();
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPENSATED");
    assert_eq!(world().times(&plan, "unbook plane"), 1, "with the new input");
    assert!(world().booked(&plan.trip).is_empty(), "and the old key");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Regrets at once, and cannot say goodbye.
struct Farewell;

impl Workflow for Farewell {
    const NAME: &'static str = "farewell";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Book>(&booking(&plan, "room")).undo::<Unbook>().await?;
        ctx.make_good("changed my mind")
    }

    fn closing() -> Option<Closing<Self>> {
        Some(Closing::by::<Mute>())
    }
}

/// Is refused, unless it was told another trip.
struct Mute;

impl Activity for Mute {
    const NAME: &'static str = "mute";
    type Kind = InTransaction;
    type Input = MadeGood<Plan>;
    type Output = ();

    async fn run(&self, _: &mut PgConnection, ended: MadeGood<Plan>) -> ActivityResult<()> {
        match ended.input.trip.as_str() {
            "spoken" => Ok(()),
            _ => Err(ActivityError::rejected("MUTE")),
        }
    }
}

#[tokio::test]
async fn a_closing_at_which_a_run_is_stuck_can_be_declared_done_or_get_another_input() {
    let cell = TestCell::new().await;
    let registry = registry().workflow::<Farewell>().activity(Mute);
    let worker = cell.worker_with(registry, WorkerConfig::default()).await;
    let closing = step("mute", 0);
    for edits in [false, true] {
        let plan = Plan::new();
        let run = cell.start::<Farewell>(&plan.trip, &plan).await;
        assert!(cell.incident(run).await.starts_with("compensation_failed: mute was refused"));
        if edits {
            let call: serde_json::Value = cell
                .scalar("select call -> 'input' from incidents where resolved_at is null")
                .await;
            let mut input = call.clone();
            input["input"]["trip"] = json!("spoken");
            ada(&cell).edit_input_and_retry(run, &closing, &input).await.unwrap();
        } else {
            let done = json!(null);
            ada(&cell).skip_step(run, &closing, &done, GivenUndo::Forget).await.unwrap();
        }
        assert_eq!(cell.ended::<Farewell>(run).await.state, "COMPENSATED");
        assert!(world().booked(&plan.trip).is_empty(), "and everything is undone");
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn an_edited_input_is_what_the_step_is_tried_with_and_what_its_undo_is_told() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    for (event, at, input, undo) in [
        ("book flight", step("book", 0), json!({"what": "train", "reject": false}), "unbook train"),
        ("note packed", step("note", 0), json!({"note": "bags"}), "erase bags"),
    ] {
        let plan = Plan::rejecting("hotel");
        let run = stuck_trip(&cell, &plan, event).await;
        let mut input = input;
        input["trip"] = json!(plan.trip);
        ada(&cell).edit_input_and_retry(run, &at, &input).await.unwrap();
        assert_eq!(cell.ended::<Trip>(run).await.state, "COMPENSATED", "the hotel is full");
        assert_eq!(world().times(&plan, undo), 1, "{:?}", world().events(&plan));
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_run_resumed_forward_tries_the_refused_step_again() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    world().fail_early(&plan, "book hotel", &[Fault::Rejected]);
    world().fail(&plan, "unbook flight", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>("t1", &plan).await;
    cell.incident(run).await;
    ada(&cell).resume_forward(run).await.unwrap();
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED");
    assert_eq!(world().times(&plan, "book flight"), 1, "what was done is not done again");
    assert_eq!(world().booked(&plan.trip).len(), 2, "and the hotel has a room now");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_cancelled_run_resumed_forward_waits_again_and_can_be_cancelled_again() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let waiting = Waiting { plan: plan.clone(), within_ms: 600_000 };
    let run = cell.start::<Parcel>("p1", &waiting).await;
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    world().fail(&plan, "unbook van", &[Fault::Retryable; 4]);
    let cancel = async |reason: &str| {
        let mut tx = cell.pool.begin().await.unwrap();
        cell.client.cancel::<Parcel>(&mut tx, "p1", &reason).await.unwrap();
        tx.commit().await.unwrap();
        cell.client.wake();
    };
    cancel("by mistake").await;
    cell.incident(run).await;
    ada(&cell).resume_forward(run).await.unwrap();
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    cancel("this time for good").await;
    let ending = cell.ended::<Parcel>(run).await;
    let again = json!("this time for good");
    assert!(matches!(ending.cause, Some(Cause::Cancelled { reason }) if reason == again));
    assert!(world().booked(&plan.trip).is_empty(), "it is undone");
    let forward = ada(&cell).resume_forward(run).await;
    assert!(matches!(forward, Err(Error::Refused { .. })), "an ended run stays as it is");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_run_of_which_something_is_undone_cannot_be_resumed_forward() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::rejecting("hotel");
    world().fail(&plan, "erase packed", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>("t1", &plan).await;
    cell.incident(run).await;
    let forward = ada(&cell).resume_forward(run).await;
    let Err(Error::Refused { refusal, .. }) = forward else { panic!("{forward:?}") };
    assert_eq!(*refusal, Refusal::HasUndone, "the flight is gone");
    ada(&cell).retry(run).await.unwrap();
    cell.ended::<Trip>(run).await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_stuck_run_that_an_operator_has_made_good_says_who_decided_it() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let run = stuck_trip(&cell, &plan, "book hotel").await;
    ada(&cell).compensate(run).await.unwrap();
    let ending = cell.ended::<Trip>(run).await;
    assert_eq!(ending.state, "COMPENSATED");
    let (actor, reason) = ("ada".to_owned(), "looked".to_owned());
    assert_eq!(ending.cause, Some(Cause::Operator { actor, reason }));
    assert!(world().booked(&plan.trip).is_empty(), "nothing stays booked");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_step_in_doubt_when_its_run_was_made_good_is_looked_up_when_it_is_resumed_forward() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book hotel");
    let first = cell.worker().await;
    let run = cell.start::<Trip>("t1", &plan).await;
    world().until_met(&plan, "book hotel", 1).await;
    // It dies inside the step, and somebody else buries it.
    drop(first);
    cell.execute("update workers set alive = false, ended_at = now()").await;
    cell.execute("update tasks set owner = null, due_at = now() + interval '1 h', step_count = -1")
        .await;
    assert_eq!(ada(&cell).compensate(run).await.unwrap(), Carried::Done, "nobody holds it");
    assert_eq!(ada(&cell).resume_forward(run).await.unwrap(), Carried::Done);
    gate.add_permits(10);
    let second = cell.worker().await;
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED");
    assert_eq!(world().times(&plan, "book hotel"), 1, "it is found, not booked again");
    second.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_closed_run_undoes_nothing_and_the_action_names_the_signals_it_did_not_take() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    world().fail(&plan, "note delivered", &[Fault::Retryable; 4]);
    let waiting = Waiting { plan: plan.clone(), within_ms: 600_000 };
    let run = cell.start::<Parcel>("p1", &waiting).await;
    let send = async |id: &str| {
        let mut tx = cell.pool.begin().await.unwrap();
        let signed = Signed { by: "eve".to_owned() };
        cell.client.signal::<Parcel, Signed>(&mut tx, "p1", id, &signed).await.unwrap();
        tx.commit().await.unwrap();
        cell.client.wake();
    };
    send("s1").await;
    cell.incident(run).await;
    send("s2").await;
    ada(&cell).close(run).await.unwrap();
    let ending = cell.client.ending::<Parcel>(run, Duration::ZERO).await.unwrap();
    assert_eq!(ending.unwrap().state, "CLOSED", "at once");
    assert_eq!(world().times(&plan, "unbook van"), 0, "nothing is undone");
    // Between the stuck step and its pivot nothing was committed: the first signal was not taken.
    let taken = cell.record(run).await.contains(&"signal signed".to_owned());
    let untaken = "select after ->> 'untaken_signals' from operator_actions";
    let named = if taken { r#"["signed s2"]"# } else { r#"["signed s1", "signed s2"]"# };
    assert_eq!(cell.scalar::<String>(untaken).await, named);
    worker.drain().await.unwrap();
    cell.audited().await;
}
