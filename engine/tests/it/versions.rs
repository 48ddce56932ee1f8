//! Versions: a worker claims only what it can run, and undoes what it cannot.

use makegood::{
    Activity, ActivityResult, Attempt, Cancellation, Carried, Ctx, Error, ReadOnly, Registry,
    Signal, StartOptions, Worker, Workflow, WorkflowResult,
};
use serde::{Deserialize, Serialize};

use crate::support::{TestCell, forgetful};
use crate::trades::{Book, Erase, Fault, Note, Plan, Unbook, booking, line, world};

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

/// The old version of a workflow that jumps: its pivot is outside.
struct Leap;

impl Workflow for Leap {
    const NAME: &'static str = "aged";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Note>(&line(&plan, "old")).undo::<Erase>().await?;
        let (_, _) = ctx.pivot::<Book>(&booking(&plan, "jump")).await?;
        Ok(())
    }
}

/// The old version of a workflow that is long at a booking.
struct Long;

impl Workflow for Long {
    const NAME: &'static str = "aged";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Note>(&line(&plan, "old")).undo::<Erase>().await?;
        ctx.step::<Book>(&booking(&plan, "long")).undo::<Unbook>().await?;
        Ok(())
    }
}

fn knowing<W: Workflow>() -> Registry {
    let registry = Registry::new().workflow::<W>().activity(Note).activity(Erase);
    registry.activity(Book).activity(Unbook)
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

#[tokio::test]
async fn a_run_that_was_told_to_turn_back_and_lost_its_last_worker_is_undone_by_a_new_one() {
    for by_operator in [false, true] {
        let cell = TestCell::new().await;
        let plan = Plan::new();
        let _gate = world().hang(&plan, "book long");
        let last = cell.worker_with(knowing::<Long>(), forgetful()).await;
        let run = cell.start::<Long>("old", &plan).await;
        world().until_met(&plan, "book long", 1).await;
        if by_operator {
            let ada = cell.client.operator("ada", "no more").unwrap();
            assert_eq!(ada.compensate(run).await.unwrap(), Carried::Ordered);
        } else {
            cancel(&cell).await;
        }
        drop(last);
        let worker = cell.worker_with(knowing::<New>(), forgetful()).await;
        assert_eq!(
            cell.ended::<Long>(run).await.state,
            "COMPENSATED",
            "what was asked for is done"
        );
        assert_eq!(world().times(&plan, "erase old"), 1, "from the record");
        worker.drain().await.unwrap();
        cell.audited().await;
    }
}

#[tokio::test]
async fn a_paused_run_that_was_cancelled_is_undone_by_a_new_worker_when_it_is_resumed() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let run = waiting(&cell, &plan).await;
    let ada = cell.client.operator("ada", "wait").unwrap();
    assert_eq!(ada.pause(run).await.unwrap(), Carried::Done);
    cancel(&cell).await;
    assert_eq!(cell.state(run).await, "PAUSED", "a person has to resume it");
    let worker = cell.worker_with(knowing::<New>(), forgetful()).await;
    ada.resume(run).await.unwrap();
    assert_eq!(cell.ended::<Old>(run).await.state, "COMPENSATED");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_cancelled_run_whose_pivot_may_have_happened_is_left_to_its_own_version() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    world().fail_early(&plan, "book jump", &[Fault::Retryable, Fault::Rejected]);
    let gate = world().hang(&plan, "before book jump");
    let first = cell.worker_with(knowing::<Leap>(), forgetful()).await;
    let run = cell.start::<Leap>("old", &plan).await;
    cell.until("it leaps", "select exists (select 1 from steps where next is not null)").await;
    gate.add_permits(10);
    first.drain().await.unwrap();
    cancel(&cell).await;
    let newer = cell.worker_with(knowing::<New>(), forgetful()).await;
    let new = cell.start::<New>("new", &Plan::new()).await;
    assert_eq!(cell.ended::<New>(new).await.state, "COMPLETED", "what it can run it runs");
    assert_eq!(cell.state(run).await, "RUNNING", "nobody but its own version can tell");
    assert_eq!(cell.scalar::<i64>("select count(*) from incidents").await, 0);
    let own = cell.worker_with(knowing::<Leap>(), forgetful()).await;
    assert_eq!(cell.ended::<Leap>(run).await.state, "COMPENSATED", "the pivot was refused");
    for worker in [newer, own] {
        worker.drain().await.unwrap();
    }
    cell.audited().await;
}

/// Another activity by the name of `Note`.
struct Impostor;

impl Activity for Impostor {
    const NAME: &'static str = "note";
    type Kind = ReadOnly;
    type Input = ();
    type Output = ();

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_same_type_may_be_registered_by_two_who_need_it() {
    let cell = TestCell::new().await;
    let registry = knowing::<Old>().workflow::<Old>().activity(Note);
    Worker::start(&cell.database, registry, forgetful()).await.unwrap().drain().await.unwrap();
}

#[tokio::test]
async fn a_name_that_two_share_is_refused_since_one_would_run_as_the_other() {
    let cell = TestCell::new().await;
    let workflows = knowing::<Old>().workflow::<New>();
    let activities = knowing::<Old>().activity(Impostor);
    for (registry, name) in [(workflows, "as aged;"), (activities, "as note;")] {
        match Worker::start(&cell.database, registry, forgetful()).await {
            Err(Error::Unfit(why)) => assert!(why.contains(name), "{why}"),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{name} has two meanings"),
        }
    }
}
