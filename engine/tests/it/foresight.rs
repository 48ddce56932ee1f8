//! What a verb would do, tried and taken back; and verbs on a run that moved on meanwhile.

use makegood::{Carried, Error, GivenUndo, Operator, Refusal, RunState, StepId, Verb, VerbKind};
use serde_json::json;
use uuid::Uuid;

use crate::support::TestCell;
use crate::trades::{Fault, Plan, Steps4, Trip, world};

fn ada(cell: &TestCell) -> Operator {
    cell.client.operator("ada", "looked").unwrap()
}

async fn stuck_trip(cell: &TestCell) -> Uuid {
    let plan = Plan::new();
    world().fail_early(&plan, "book flight", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>(&plan.trip, &plan).await;
    cell.incident(run).await;
    run
}

/// Every row of the tables that a verb writes to, as text.
async fn everything(cell: &TestCell) -> String {
    cell.scalar(
        "select concat(
           (select jsonb_agg(k order by k.run_id) from tasks k),
           (select jsonb_agg(r order by r.run_id) from runs r),
           (select jsonb_agg(s order by s.run_id, s.seq) from steps s),
           (select jsonb_agg(g order by g.run_id, g.signal_id) from signals g),
           (select jsonb_agg(i order by i.incident_id) from incidents i),
           (select jsonb_agg(a order by a.action_id) from operator_actions a))",
    )
    .await
}

fn each_verb() -> Vec<Verb> {
    let step = StepId { name: "book".to_owned(), occurrence: 0 };
    let cut = makegood::Cut::Row(1);
    vec![
        Verb::Retry,
        Verb::ResumeForward,
        Verb::SkipStep { step: step.clone(), result: json!("given"), undo: GivenUndo::Keep },
        Verb::EditInput { step, input: json!({}) },
        Verb::Compensate,
        Verb::Cancel,
        Verb::Terminate,
        Verb::Pause,
        Verb::Resume,
        Verb::Close,
        Verb::Fork { cut, workflow_id: "{}-again".to_owned() },
    ]
}

#[tokio::test]
async fn what_a_verb_would_do_is_told_and_not_done() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let run = stuck_trip(&cell).await;
    worker.drain().await.unwrap();
    let before = everything(&cell).await;
    assert_eq!(each_verb().len(), VerbKind::ALL.len(), "every verb is looked at");
    for verb in each_verb() {
        let seen = ada(&cell).foresee(run, &verb).await.unwrap();
        assert_eq!(seen.before["state"], "STUCK", "{verb:?}");
        assert_eq!(seen.after.is_some(), seen.refusal.is_none(), "{verb:?}");
        assert_eq!(everything(&cell).await, before, "{verb:?} has changed something");
    }
    let retry = ada(&cell).foresee(run, &Verb::Retry).await.unwrap();
    assert_eq!(retry.after, Some(json!({ "state": "RUNNING" })));
    assert_eq!(retry.carried, Some(Carried::Done));
    let back = ada(&cell).foresee(run, &Verb::Compensate).await.unwrap();
    let step = |name: &str| StepId { name: name.to_owned(), occurrence: 0 };
    assert_eq!(
        back.undoes,
        [step("book"), step("note")],
        "the flight may be booked, for all we know"
    );
    assert_eq!(retry.undoes, [], "a retry undoes nothing");
    let resume = ada(&cell).foresee(run, &Verb::Resume).await.unwrap();
    assert_eq!(resume.refusal, Some(Refusal::IsStuck), "why not is told, too");
    cell.audited().await;
}

#[tokio::test]
async fn a_verb_on_a_run_that_moved_on_since_it_was_looked_at_is_refused_and_changes_nothing() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let run = stuck_trip(&cell).await;
    worker.drain().await.unwrap();
    let seen = ada(&cell).foresee(run, &Verb::Close).await.unwrap();
    let again = ada(&cell).foresee(run, &Verb::Retry).await.unwrap();
    assert_eq!(seen.version, again.version, "looking changes nothing");
    ada(&cell).retry(run).await.unwrap();
    let before = everything(&cell).await;
    for verb in each_verb() {
        let late = ada(&cell).expecting(&seen.version).carry_out(run, &verb).await;
        let Err(Error::Refused { refusal, .. }) = late else { panic!("{verb:?}: {late:?}") };
        assert_eq!(*refusal, Refusal::MovedOn { state: RunState::Running }, "{verb:?}");
    }
    assert_eq!(everything(&cell).await, before, "the second operator is told, and does nothing");
    let now = ada(&cell).foresee(run, &Verb::Pause).await.unwrap();
    ada(&cell).expecting(&now.version).pause(run).await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_run_that_came_back_to_the_same_trouble_is_another_than_the_one_that_was_looked_at() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    world().fail_early(&plan, "book flight", &[Fault::Retryable; 8]);
    let run = cell.start::<Trip>(&plan.trip, &plan).await;
    cell.incident(run).await;
    let seen = ada(&cell).foresee(run, &Verb::Close).await.unwrap();
    ada(&cell).retry(run).await.unwrap();
    let twice = "select count(*) = 2 from incidents";
    cell.until("it is stuck again", twice).await;
    let late = ada(&cell).expecting(&seen.version).close(run).await;
    assert!(matches!(late, Err(Error::Refused { .. })), "{late:?}");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_run_that_a_worker_holds_can_be_stopped_though_it_moves_all_the_time() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let first = world().hang(&plan, "book one");
    let second = world().hang(&plan, "book three");
    let run = cell.start::<Steps4>("busy", &plan).await;
    world().until_met(&plan, "book one", 1).await;
    let seen = ada(&cell).foresee(run, &Verb::Pause).await.unwrap();
    assert_eq!(seen.carried, Some(Carried::Ordered));
    first.add_permits(10);
    world().until_met(&plan, "book three", 1).await;
    let paused = ada(&cell).expecting(&seen.version).pause(run).await;
    assert_eq!(paused.unwrap(), Carried::Ordered, "two steps more are no other way");
    second.add_permits(10);
    cell.until("it is paused", "select exists (select 1 from tasks where state = 'PAUSED')").await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn where_a_run_is_stuck_is_told_with_what_it_was_tried_with() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let run = stuck_trip(&cell).await;
    let at = ada(&cell).stuck_at(run).await.unwrap().unwrap();
    assert_eq!((at.step.to_string().as_str(), at.is_undo), ("book#0", false));
    assert_eq!(at.input.unwrap()["what"], "flight");

    let plan = Plan::rejecting("hotel");
    world().fail(&plan, "unbook flight", &[Fault::Retryable; 4]);
    let back = cell.start::<Trip>(&plan.trip, &plan).await;
    cell.incident(back).await;
    let at = ada(&cell).stuck_at(back).await.unwrap().unwrap();
    assert_eq!((at.step.to_string().as_str(), at.is_undo), ("book#0", true));
    assert!(at.input.unwrap()["idempotency_key"].is_string(), "an undo's input is whole");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn the_record_of_an_action_names_the_request_that_asked_for_it() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let run = stuck_trip(&cell).await;
    worker.drain().await.unwrap();
    ada(&cell).in_request("req-81").retry(run).await.unwrap();
    let kept: String = cell.scalar("select request_id from operator_actions").await;
    assert_eq!(kept, "req-81");
}
