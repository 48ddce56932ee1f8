//! Hostile surroundings: unreadable records, unwritable words, callers that stall, runs too long.

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Cancellation, Ctx, InTransaction, ReadOnly,
    Worker, WorkerConfig, Workflow, WorkflowResult,
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::support::TestCell;
use crate::trades::{
    Book, Note, Parcel, Plan, Signed, Steps4, Trip, Waiting, booking, line, registry, world,
};

#[tokio::test]
async fn a_record_that_cannot_be_read_needs_a_person_and_holds_up_no_other_run() {
    let cell = TestCell::new().await;
    let bad = cell.start::<Steps4>("bad", &Plan::new()).await;
    let good = cell.start::<Steps4>("good", &Plan::new()).await;
    cell.execute(&format!(
        "insert into steps (run_id, seq, kind, name, next, at)
         values ('{bad}', 0, 'intent', '', '{{\"x\": 1}}', now())"
    ))
    .await;
    cell.execute(&format!("update tasks set step_count = 1 where run_id = '{bad}'")).await;
    let worker = cell.worker().await;
    assert_eq!(cell.ended::<Steps4>(good).await.output, Some(4), "its neighbour is driven");
    let incident = cell.incident(bad).await;
    assert!(
        incident.starts_with("non_determinism: its record cannot be read"),
        "a person is told: {incident}"
    );
    assert_eq!(cell.record(bad).await, ["intent "], "nothing was guessed");
    let incarnations = "select count(*) from workers";
    assert_eq!(cell.scalar::<i64>(incarnations).await, 1, "the worker was not lost over it");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Asks for a person in words that PostgreSQL cannot store.
struct Mumble;

impl Activity for Mumble {
    const NAME: &'static str = "mumble";
    type Kind = InTransaction;
    type Input = ();
    type Output = ();

    async fn run(&self, _: &mut PgConnection, (): ()) -> ActivityResult<()> {
        Err(ActivityError::review("odd", "bytes \0from outside"))
    }
}

/// Answers with a value that PostgreSQL cannot store.
struct Garble;

impl Activity for Garble {
    const NAME: &'static str = "garble";
    type Kind = ReadOnly;
    type Input = ();
    type Output = String;

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<String> {
        Ok("bytes \0from outside".to_owned())
    }
}

/// Hears something garbled, unless it listens to nobody, and does something with it.
struct Hearsay;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Heard {
    plan: Plan,
    listens: bool,
    then: String,
}

impl Workflow for Hearsay {
    const NAME: &'static str = "hearsay";
    type Input = Heard;
    type Output = ();

    async fn run(ctx: Ctx, heard: Heard) -> WorkflowResult<()> {
        if heard.listens {
            ctx.step::<Garble>(&()).await?;
        }
        match heard.then.as_str() {
            "note" => drop(ctx.step::<Note>(&line(&heard.plan, "heard")).await?),
            "mumble" => ctx.step::<Mumble>(&()).await?,
            "book" => drop(ctx.step::<Book>(&booking(&heard.plan, "van")).await?),
            _ => {}
        }
        Ok(())
    }
}

fn heard(listens: bool, then: &str) -> Heard {
    Heard { plan: Plan::new(), listens, then: then.to_owned() }
}

async fn hearsay(cell: &TestCell) -> Worker {
    let registry = registry().workflow::<Hearsay>().activity(Mumble).activity(Garble);
    cell.worker_with(registry, WorkerConfig::default()).await
}

#[tokio::test]
async fn an_incident_whose_words_the_database_cannot_store_is_opened_without_them() {
    let cell = TestCell::new().await;
    let worker = hearsay(&cell).await;
    let run = cell.start::<Hearsay>("h1", &heard(false, "mumble")).await;
    assert_eq!(cell.incident(run).await, "odd: bytes from outside");
    assert_eq!(cell.state(run).await, "STUCK");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// What happens to a run that read something unstorable and goes on like this.
async fn unstorable(then: &str) {
    let cell = TestCell::new().await;
    let worker = hearsay(&cell).await;
    let run = cell.start::<Hearsay>("h1", &heard(true, then)).await;
    let incident = cell.incident(run).await;
    assert!(incident.starts_with("unwritable: "), "before {then}: {incident}");
    assert_eq!(cell.record(run).await.len(), 0, "nothing of it is recorded");
    let incarnations = "select count(*) from workers";
    assert_eq!(cell.scalar::<i64>(incarnations).await, 1, "the worker was not lost over it");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn an_answer_that_the_database_cannot_store_needs_a_person_at_the_end_of_a_run() {
    unstorable("end").await;
}

#[tokio::test]
async fn an_answer_that_the_database_cannot_store_needs_a_person_before_an_outside_step() {
    unstorable("book").await;
}

#[tokio::test]
async fn an_answer_that_the_database_cannot_store_needs_a_person_before_a_transaction() {
    unstorable("note").await;
}

#[tokio::test]
async fn an_answer_that_the_database_cannot_store_needs_a_person_before_one_that_fails() {
    unstorable("mumble").await;
}

#[tokio::test]
async fn callers_that_stall_before_their_commit_hold_up_their_own_runs_alone() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let mut stalled = Vec::new();
    // As many as there are committers by default.
    for id in ["p1", "p2", "p3"] {
        let plan = Plan::new();
        let gate = world().hang(&plan, "book van");
        let run =
            cell.start::<Parcel>(id, &Waiting { plan: plan.clone(), within_ms: 60_000 }).await;
        world().until_met(&plan, "book van", 1).await;
        let mut tx = cell.pool.begin().await.unwrap();
        let signed = Signed { by: "ada".to_owned() };
        cell.client.signal::<Parcel, Signed>(&mut tx, id, "s1", &signed).await.unwrap();
        gate.add_permits(10);
        cell.until_blocked_by(&mut tx).await;
        stalled.push((run, tx));
    }
    let other = cell.start::<Steps4>("other", &Plan::new()).await;
    assert_eq!(cell.ended::<Steps4>(other).await.output, Some(4), "an unrelated run goes on");
    for (run, tx) in stalled {
        tx.commit().await.unwrap();
        let ending = cell.ended::<Parcel>(run).await;
        assert_eq!(ending.output, Some(Some("ada".to_owned())), "and theirs, once they commit");
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_run_with_too_many_records_can_still_be_cancelled_and_undone() {
    let cell = TestCell::new().await;
    let config = WorkerConfig { steps_limit: 1, ..WorkerConfig::default() };
    let worker = cell.worker_with(registry(), config).await;
    let plan = Plan::new();
    let run = cell.start::<Trip>("t1", &plan).await;
    assert_eq!(cell.incident(run).await, "unwritable: the run has more than 1 records");
    assert_eq!(world().booked(&plan.trip).len(), 1, "the flight is booked");
    let mut tx = cell.pool.begin().await.unwrap();
    let answer = cell.client.cancel::<Trip>(&mut tx, "t1", &"too long").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(answer, Cancellation::Requested);
    cell.client.retry(run, "ada", "let it unwind").await.unwrap();
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPENSATED");
    assert!(world().booked(&plan.trip).is_empty(), "nothing stays booked");
    assert_eq!(world().times(&plan, "erase packed"), 1, "nor noted");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_retry_under_a_higher_limit_of_records_resumes_the_run() {
    let cell = TestCell::new().await;
    let config = WorkerConfig { steps_limit: 1, ..WorkerConfig::default() };
    let low = cell.worker_with(registry(), config).await;
    let plan = Plan::new();
    let run = cell.start::<Trip>("t1", &plan).await;
    cell.incident(run).await;
    low.drain().await.unwrap();
    cell.client.retry(run, "ada", "the limit was raised").await.unwrap();
    let worker = cell.worker().await;
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED");
    assert_eq!(world().times(&plan, "book flight"), 1, "nothing is done twice");
    worker.drain().await.unwrap();
    cell.audited().await;
}
