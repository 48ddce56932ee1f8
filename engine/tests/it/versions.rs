//! Versions: a worker claims only what it can run, and undoes what it cannot.

use makegood::{Cancellation, Ctx, Registry, Signal, StartOptions, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};

use crate::support::{TestCell, forgetful};
use crate::trades::{Erase, Fault, Note, Plan, line, world};

#[derive(Debug, Serialize, Deserialize)]
struct Go;

impl Signal for Go {
    const KIND: &'static str = "go";
}

/// Notes, and waits.
struct Old;

impl Workflow for Old {
    const NAME: &'static str = "aged";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        ctx.step::<Note>(&line(&plan, "old")).undo::<Erase>().await?;
        ctx.signal::<Go>().within(std::time::Duration::from_mins(10)).await?;
        Ok("old".to_owned())
    }
}

/// The same workflow in another version, with nothing in common.
struct New;

impl Workflow for New {
    const NAME: &'static str = "aged";
    const VERSION: i32 = 2;
    type Input = Plan;
    type Output = String;

    async fn run(_: Ctx, _: Plan) -> WorkflowResult<String> {
        Ok("new".to_owned())
    }
}

/// A version that runs the old ones too.
struct Patient;

impl Workflow for Patient {
    const NAME: &'static str = "aged";
    const VERSION: i32 = 3;
    const RUNS: std::ops::RangeInclusive<i32> = 1..=3;
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        ctx.step::<Note>(&line(&plan, "old")).undo::<Erase>().await?;
        Ok("patient".to_owned())
    }
}

fn knowing<W: Workflow>() -> Registry {
    Registry::new().workflow::<W>().activity(Note).activity(Erase)
}

#[tokio::test]
async fn runs_that_nobody_can_run_stay_untouched_and_hold_up_no_other() {
    let cell = TestCell::new().await;
    let ids = (0..600).map(|index| format!("old{index}"));
    cell.start_all::<Old>(ids, &Plan::new(), &StartOptions::new()).await;
    let worker = cell.worker_with(knowing::<New>(), forgetful()).await;
    let new = cell.start::<New>("new", &Plan::new()).await;
    assert_eq!(cell.ended::<New>(new).await.output.as_deref(), Some("new"));
    let untouched = "select count(*) from tasks where epoch = 0 and due_at <= now()";
    assert_eq!(cell.scalar::<i64>(untouched).await, 600, "the old ones wait, as they were");
    worker.drain().await.unwrap();
    let worker = cell.worker_with(knowing::<Patient>(), forgetful()).await;
    cell.until("a worker that can runs them", "select not exists (select 1 from tasks)").await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// A run of the old version that waits, its worker gone.
async fn waiting(cell: &TestCell, plan: &Plan) -> uuid::Uuid {
    let worker = cell.worker_with(knowing::<Old>(), forgetful()).await;
    let run = cell.start::<Old>("old", plan).await;
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    worker.drain().await.unwrap();
    run
}

async fn cancel(cell: &TestCell) {
    let mut tx = cell.pool.begin().await.unwrap();
    let cancelled = cell.client.cancel::<Old>(&mut tx, "old", &"no more").await.unwrap();
    assert_eq!(cancelled, Cancellation::Requested);
    tx.commit().await.unwrap();
    cell.client.wake();
}

#[tokio::test]
async fn a_cancelled_run_of_an_old_version_is_undone_without_its_code() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let run = waiting(&cell, &plan).await;
    let worker = cell.worker_with(knowing::<New>(), forgetful()).await;
    cancel(&cell).await;
    assert_eq!(cell.ended::<Old>(run).await.state, "COMPENSATED");
    assert_eq!(world().times(&plan, "erase old"), 1, "from the record");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn an_undo_that_was_begun_by_the_old_code_is_ended_by_the_new() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let run = waiting(&cell, &plan).await;
    world().fail(&plan, "erase old", &[Fault::Retryable; 2]);
    let worker = cell.worker_with(knowing::<Old>(), forgetful()).await;
    cancel(&cell).await;
    world().until_met(&plan, "erase old", 1).await;
    worker.drain().await.unwrap();
    let worker = cell.worker_with(knowing::<New>(), forgetful()).await;
    assert_eq!(cell.ended::<Old>(run).await.state, "COMPENSATED");
    worker.drain().await.unwrap();
    cell.audited().await;
}
