//! Transactions that are rolled back, and records that are refused: what came before is kept.

use std::time::Duration;

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Ctx, GivenUndo, InBatch, InTransaction,
    Outside, RetryPolicy, StepId, Workflow, WorkflowResult,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use crate::support::{TestCell, forgetful};
use crate::trades::{Book, Erase, Fault, Note, Plan, Unbook, booking, line, registry, world};

/// A value that no column of JSON takes.
const UNWRITABLE: &str = "\u{0}";

/// Two steps that share a transaction.
struct Pair;

impl Workflow for Pair {
    const NAME: &'static str = "pair";
    type Input = Plan;
    type Output = i64;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<i64> {
        let version = ctx.version("note", 3);
        ctx.step::<Note>(&line(&plan, "one")).undo::<Erase>().await?;
        let two = ctx.step::<Note>(&line(&plan, "two")).await?;
        Ok(two + i64::from(version))
    }
}

#[tokio::test]
async fn a_step_that_sticks_leaves_the_steps_of_its_transaction_done() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Pair>(), forgetful()).await;
    let plan = Plan::new();
    world().fail(&plan, "note two", &[Fault::Review]);
    let run = cell.start::<Pair>("p1", &plan).await;
    cell.incident(run).await;
    let step = StepId { name: "note".to_owned(), occurrence: 1 };
    let ada = cell.client.operator("ada", "looked").unwrap();
    ada.skip_step(run, &step, &json!(7), GivenUndo::Forget).await.unwrap();
    assert_eq!(cell.ended::<Pair>(run).await.output, Some(10), "the given result is its answer");
    assert_eq!(world().times(&plan, "note one"), 1, "what was done is not done again");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_given_result_leaves_the_version_marker_of_the_same_name() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Pair>(), forgetful()).await;
    let plan = Plan::new();
    world().fail(&plan, "note one", &[Fault::Review]);
    let run = cell.start::<Pair>("p1", &plan).await;
    cell.incident(run).await;
    let step = StepId { name: "note".to_owned(), occurrence: 0 };
    let ada = cell.client.operator("ada", "looked").unwrap();
    ada.skip_step(run, &step, &json!(7), GivenUndo::Forget).await.unwrap();
    let note: i64 = {
        let output = cell.ended::<Pair>(run).await.output.unwrap();
        output - cell.scalar::<i64>("select max(note_id) from notes").await
    };
    assert_eq!(note, 3, "it goes by the version that it began with");
    worker.drain().await.unwrap();
}

/// Answers with what it is given, once and for all.
struct Stamp;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Text(String);

impl Activity for Stamp {
    const NAME: &'static str = "stamp";
    type Kind = InBatch;
    type Input = Text;
    type Output = Text;

    async fn run(
        &self,
        _: &mut PgConnection,
        texts: Vec<Text>,
    ) -> ActivityResult<Vec<ActivityResult<Text>>> {
        let stamped = |text: Text| Text(text.0.replace("nul", UNWRITABLE));
        Ok(texts.into_iter().map(|text| Ok(stamped(text))).collect())
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy::never()
    }
}

struct Stamped;

impl Workflow for Stamped {
    const NAME: &'static str = "stamped";
    type Input = Text;
    type Output = ();

    async fn run(ctx: Ctx, text: Text) -> WorkflowResult<()> {
        ctx.step::<Stamp>(&text).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_written_costs_its_batch_no_attempt() {
    let cell = TestCell::new().await;
    let mut tx = cell.pool.begin().await.unwrap();
    for number in 0..50 {
        let text = Text(if number == 7 { "nul".to_owned() } else { number.to_string() });
        cell.client.start::<Stamped>(&mut tx, &number.to_string(), &text).await.unwrap();
    }
    tx.commit().await.unwrap();
    let registry = registry().workflow::<Stamped>().activity(Stamp);
    let worker = cell.worker_with(registry, forgetful()).await;
    let left = "select not exists (select 1 from tasks where incident_id is null)";
    cell.until("all end", left).await;
    let completed: i64 =
        cell.scalar("select count(*) from runs where ended_state = 'COMPLETED'").await;
    assert_eq!(completed, 49, "its neighbours are served");
    let class: String = cell.scalar("select class from incidents").await;
    assert_eq!(class, "unwritable", "and its own trouble is named");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Stamps, with a booking beside that takes its time.
struct StampedBeside;

impl Workflow for StampedBeside {
    const NAME: &'static str = "stamped_beside";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        let other = booking(&plan, "quick");
        let stamp = async {
            ctx.step::<Book>(&other).undo::<Unbook>().await?;
            ctx.step::<Stamp>(&Text("nul".to_owned())).await
        };
        let slow = booking(&plan, "slow");
        ctx.join(ctx.step::<Book>(&slow).undo::<Unbook>(), stamp).await?;
        Ok(())
    }
}

#[tokio::test]
async fn what_was_recorded_before_a_batch_that_was_rolled_back_is_kept_in_order() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book slow");
    let registry = registry().workflow::<StampedBeside>().activity(Stamp);
    let worker = cell.worker_with(registry, forgetful()).await;
    let run = cell.start::<StampedBeside>("s1", &plan).await;
    world().until_met(&plan, "book quick", 1).await;
    world().until_met(&plan, "book slow", 1).await;
    gate.add_permits(9);
    cell.incident(run).await;
    worker.drain().await.unwrap();
    cell.audited().await;
    assert_eq!(world().times(&plan, "book quick"), 1, "{:?}", cell.record(run).await);
}

/// Answers in its transaction with what cannot be written.
struct Nul;

impl Activity for Nul {
    const NAME: &'static str = "nul";
    type Kind = InTransaction;
    type Input = Plan;
    type Output = String;

    async fn run(&self, _: &mut PgConnection, _: Plan) -> ActivityResult<String> {
        Ok(UNWRITABLE.to_owned())
    }
}

struct Show;

impl Workflow for Show {
    const NAME: &'static str = "show";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.publish("doing", &"before");
        ctx.step::<Nul>(&plan).await?;
        ctx.publish("doing", &"after");
        ctx.step::<Book>(&booking(&plan, "seat")).await?;
        Ok(())
    }
}

#[tokio::test]
async fn what_is_shown_is_not_ahead_of_a_transaction_that_was_rolled_back() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Show>().activity(Nul), forgetful()).await;
    let run = cell.start::<Show>("s1", &Plan::new()).await;
    cell.incident(run).await;
    let shown: Option<String> = cell.client.published(run, "doing").await.unwrap();
    assert_eq!(shown.as_deref(), Some("before"));
    worker.drain().await.unwrap();
}

/// Fails in its transaction, and is tried again after a minute.
struct Stubborn;

impl Activity for Stubborn {
    const NAME: &'static str = "stubborn";
    type Kind = InTransaction;
    type Input = Plan;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, plan: Plan) -> ActivityResult<()> {
        sqlx::query("insert into notes (trip, note) values ($1, 'no')")
            .bind(plan.trip)
            .execute(tx)
            .await?;
        Err(ActivityError::retryable("not now"))
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy::every(Duration::from_mins(1))
    }
}

struct Mule;

impl Workflow for Mule {
    const NAME: &'static str = "mule";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Book>(&booking(&plan, "cart")).undo::<Unbook>().await?;
        ctx.step::<Stubborn>(&plan).await
    }
}

#[tokio::test]
async fn a_cancel_that_comes_while_an_attempt_fails_does_not_wait_for_the_next() {
    let cell = TestCell::new().await;
    let worker =
        cell.worker_with(registry().workflow::<Mule>().activity(Stubborn), forgetful()).await;
    let plan = Plan::new();
    let mut hold = cell.pool.begin().await.unwrap();
    sqlx::query("lock table notes in share mode").execute(&mut *hold).await.unwrap();
    let run = cell.start::<Mule>("m1", &plan).await;
    cell.until_blocked_by(&mut hold).await;
    cell.cancel::<Mule>("m1").await;
    hold.commit().await.unwrap();
    assert_eq!(cell.ended::<Mule>(run).await.state, "COMPENSATED", "and not after a minute");
    assert_eq!(world().booked(&plan.trip), []);
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// The same, outside.
struct NulOutside;

impl Activity for NulOutside {
    const NAME: &'static str = "nul_outside";
    type Kind = Outside;
    type Input = Plan;
    type Output = String;

    async fn run(&self, _: &mut Attempt, plan: Plan) -> ActivityResult<String> {
        world().meet(&plan.trip, "nul")?;
        Ok(UNWRITABLE.to_owned())
    }
}

struct Beside;

impl Workflow for Beside {
    const NAME: &'static str = "beside";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        let (slow, next) = (booking(&plan, "slow"), booking(&plan, "next"));
        let other = async {
            ctx.step::<NulOutside>(&plan).await?;
            ctx.step::<Book>(&next).await
        };
        ctx.join(ctx.step::<Book>(&slow).undo::<Unbook>(), other).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_run_whose_records_are_refused_is_not_given_to_a_person_with_a_call_under_way() {
    let cell = TestCell::new().await;
    let registry = registry().workflow::<Beside>().activity(NulOutside);
    let worker = cell.worker_with(registry, forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book slow");
    let run = cell.start::<Beside>("b1", &plan).await;
    world().until_met(&plan, "nul", 1).await;
    world().until_met(&plan, "book slow", 1).await;
    // Long enough for an incident to come too early.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let open: i64 = cell.scalar("select count(*) from incidents").await;
    assert_eq!(open, 0, "the slow call has not answered");
    gate.add_permits(9);
    let incident = cell.incident(run).await;
    assert!(incident.starts_with("unwritable"), "{incident}");
    worker.drain().await.unwrap();
    cell.audited().await;
}
