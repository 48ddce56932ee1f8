//! Hostile surroundings: unreadable records, unwritable words, callers that stall, runs too long.

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Cancellation, Ctx, InTransaction, ReadOnly,
    WorkerConfig, Workflow, WorkflowResult,
};
use sqlx::PgConnection;

use crate::support::TestCell;
use crate::trades::{Parcel, Plan, Signed, Steps4, Trip, Waiting, registry, world};

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
struct Nul;

impl Activity for Nul {
    const NAME: &'static str = "nul";
    type Kind = InTransaction;
    type Input = ();
    type Output = ();

    async fn run(&self, _: &mut PgConnection, (): ()) -> ActivityResult<()> {
        Err(ActivityError::review("odd", "bytes \0from outside"))
    }
}

/// Answers with a value that PostgreSQL cannot store.
struct NulAnswer;

impl Activity for NulAnswer {
    const NAME: &'static str = "nul_answer";
    type Kind = ReadOnly;
    type Input = ();
    type Output = String;

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<String> {
        Ok("bytes \0from outside".to_owned())
    }
}

struct Nuls;

impl Workflow for Nuls {
    const NAME: &'static str = "nuls";
    type Input = bool;
    type Output = ();

    async fn run(ctx: Ctx, as_answer: bool) -> WorkflowResult<()> {
        if as_answer {
            ctx.step::<NulAnswer>(&()).await?;
        }
        ctx.step::<Nul>(&()).await
    }
}

#[tokio::test]
async fn words_that_the_database_cannot_store_still_reach_a_person() {
    let cell = TestCell::new().await;
    let registry = registry().workflow::<Nuls>().activity(Nul).activity(NulAnswer);
    let worker = cell.worker_with(registry, WorkerConfig::default()).await;
    let words = cell.start::<Nuls>("words", &false).await;
    assert_eq!(cell.incident(words).await, "odd: bytes from outside");
    let answer = cell.start::<Nuls>("answer", &true).await;
    let incident = cell.incident(answer).await;
    assert!(incident.starts_with("unwritable: "), "its answer cannot be recorded: {incident}");
    for run in [words, answer] {
        assert_eq!(cell.state(run).await, "STUCK");
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn callers_that_stall_before_their_commit_hold_up_their_own_runs_alone() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let mut stalled = Vec::new();
    // As many as there are lanes by default.
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
