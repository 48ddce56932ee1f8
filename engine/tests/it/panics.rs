//! Code of the caller's that panics where it is asked: it concerns its own run, and no other.

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Closing, Ctx, InBatch, InTransaction, Late,
    LateSignal, Outside, Registry, RetryPolicy, Workflow, WorkflowResult,
};
use sqlx::PgConnection;

use crate::support::{TestCell, forgetful};
use crate::trades::{Book, Plan, Signed, Steps4, booking, registry, world};

/// Nobody can say whether it has heard a signature.
struct Deaf;

impl Workflow for Deaf {
    const NAME: &'static str = "deaf";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Book>(&booking(&plan, "ear")).await?;
        Ok(())
    }

    fn closing() -> Option<Closing<Self>> {
        None
    }

    fn late_signal() -> Option<Late<Self>> {
        Some(Late::to::<Heard>().unless::<Signed>(|(), _| panic!("not a word")))
    }
}

/// Takes what came too late.
struct Heard;

impl Workflow for Heard {
    const NAME: &'static str = "heard";
    type Input = LateSignal<Plan>;
    type Output = ();

    async fn run(_: Ctx, _: LateSignal<Plan>) -> WorkflowResult<()> {
        Ok(())
    }
}

/// Fails, and panics when it is asked how often it may.
struct Rash;

impl Activity for Rash {
    const NAME: &'static str = "rash";
    type Kind = Outside;
    type Input = ();
    type Output = ();

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<()> {
        Err(ActivityError::retryable("no"))
    }

    fn retry(&self) -> RetryPolicy {
        panic!("never asked")
    }
}

/// The same, in the database.
struct RashNote;

impl Activity for RashNote {
    const NAME: &'static str = "rash_note";
    type Kind = InTransaction;
    type Input = ();
    type Output = ();

    async fn run(&self, _: &mut PgConnection, (): ()) -> ActivityResult<()> {
        Err(ActivityError::retryable("no"))
    }

    fn retry(&self) -> RetryPolicy {
        panic!("never asked")
    }
}

/// The same, in a batch.
struct RashBatch;

impl Activity for RashBatch {
    const NAME: &'static str = "rash_batch";
    type Kind = InBatch;
    type Input = ();
    type Output = ();

    async fn run(
        &self,
        _: &mut PgConnection,
        inputs: Vec<()>,
    ) -> ActivityResult<Vec<ActivityResult<()>>> {
        Ok(inputs.iter().map(|()| Err(ActivityError::retryable("no"))).collect())
    }

    fn retry(&self) -> RetryPolicy {
        panic!("never asked")
    }
}

/// Does one of them.
struct Reckless;

impl Workflow for Reckless {
    const NAME: &'static str = "reckless";
    type Input = String;
    type Output = ();

    async fn run(ctx: Ctx, what: String) -> WorkflowResult<()> {
        match what.as_str() {
            "note" => ctx.step::<RashNote>(&()).await,
            "batch" => ctx.step::<RashBatch>(&()).await,
            _ => ctx.step::<Rash>(&()).await,
        }
    }
}

fn rash() -> Registry {
    let registry = registry().workflow::<Deaf>().workflow::<Heard>().workflow::<Reckless>();
    registry.activity(Rash).activity(RashNote).activity(RashBatch)
}

/// The worker's incarnation was not lost, and it drives others on.
async fn unharmed(cell: &TestCell) {
    let run = cell.start::<Steps4>("other", &Plan::new()).await;
    assert_eq!(cell.ended::<Steps4>(run).await.output, Some(4), "others are driven on");
    let incarnations: i64 = cell.scalar("select count(*) from workers").await;
    assert_eq!(incarnations, 1, "the worker was not lost over it");
}

#[tokio::test]
async fn a_signal_of_which_nobody_can_say_whether_it_is_settled_reaches_its_handler() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(rash(), forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book ear");
    let run = cell.start::<Deaf>("d1", &plan).await;
    world().until_met(&plan, "book ear", 1).await;
    cell.signal::<Deaf>("d1", &Signed { by: "ada".to_owned() }).await;
    gate.add_permits(10);
    assert_eq!(cell.ended::<Deaf>(run).await.state, "COMPLETED");
    let handled = "select exists (select from runs where workflow = 'heard')";
    assert!(cell.scalar::<bool>(handled).await, "it is not lost");
    unharmed(&cell).await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// What happens to a run whose activity panics outside its own attempt.
async fn needs_a_person(what: &str) {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(rash(), forgetful()).await;
    let run = cell.start::<Reckless>("r1", &what.to_owned()).await;
    let incident = cell.incident(run).await;
    assert!(incident.starts_with("panic: ") && incident.contains("never asked"), "{incident}");
    unharmed(&cell).await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn an_outside_step_that_panics_when_it_is_asked_for_its_retries_needs_a_person() {
    needs_a_person("outside").await;
}

#[tokio::test]
async fn a_step_in_a_transaction_that_panics_when_it_is_asked_for_its_retries_needs_a_person() {
    needs_a_person("note").await;
}

#[tokio::test]
async fn a_step_in_a_batch_that_panics_when_it_is_asked_for_its_retries_needs_a_person() {
    needs_a_person("batch").await;
}
