//! Great numbers, children that nobody awaits, and records that the code has outgrown.

use std::time::Duration;

use makegood::{Ctx, Late, Registry, Signal, WorkerConfig, Workflow, WorkflowResult, replay_check};
use serde::{Deserialize, Serialize};

use crate::support::{TestCell, forgetful};
use crate::trades::{
    Book, Erase, Note, Parcel, Plan, Returns, Waiting, booking, line, registry, world,
};

#[derive(Debug, Serialize, Deserialize)]
struct Go;

impl Signal for Go {
    const KIND: &'static str = "go";
}

/// Does not wait for its child to end, but ends after it.
struct Impatient;

impl Workflow for Impatient {
    const NAME: &'static str = "impatient";
    type Input = Waiting;
    type Output = ();

    async fn run(ctx: Ctx, waiting: Waiting) -> WorkflowResult<()> {
        let nap = ctx.sleep(Duration::from_millis(20));
        let _ = ctx.first(ctx.child::<Parcel>(&waiting), nap).await;
        ctx.signal::<Go>().within(Duration::from_mins(10)).await?;
        Ok(())
    }

    fn late_signal() -> Option<Late<Self>> {
        Some(Late::to::<Returns>())
    }
}

#[tokio::test]
async fn a_childs_end_that_nobody_awaits_is_no_late_signal() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Impatient>(), forgetful()).await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 300 };
    let run = cell.start::<Impatient>("i1", &waiting).await;
    let told = "select exists (select 1 from signals where kind = '$child')";
    cell.until("the parent is told of its child", told).await;
    cell.signal::<Impatient>("i1", &Go).await;
    cell.ended::<Impatient>(run).await;
    let late: i64 = cell.scalar("select count(*) from runs where workflow = 'returns'").await;
    assert_eq!(late, 0, "nobody sent a signal too late");
    worker.drain().await.unwrap();
}

/// A child that nobody drives.
struct Chick;

impl Workflow for Chick {
    const NAME: &'static str = "chick";
    type Input = Plan;
    type Output = ();

    async fn run(_: Ctx, _: Plan) -> WorkflowResult<()> {
        Ok(())
    }
}

/// Awaits so many children that nobody drives.
struct Brood;

impl Workflow for Brood {
    const NAME: &'static str = "brood";
    type Input = u32;
    type Output = ();

    async fn run(ctx: Ctx, count: u32) -> WorkflowResult<()> {
        let plan = Plan::new();
        ctx.all((0..count).map(|_| ctx.child::<Chick>(&plan))).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_parent_looks_up_from_waiting_for_thousands_of_children() {
    let cell = TestCell::new().await;
    let worker =
        cell.worker_with(Registry::new().workflow::<Brood>(), WorkerConfig::default()).await;
    cell.start::<Brood>("b1", &4_000).await;
    cell.waits().await;
    cell.execute(
        "update tasks set due_at = now(), waits = (
           select jsonb_object_agg(key, '2020-01-01T00:00:00+00:00') from jsonb_each(waits))
         where state = 'WAITING'",
    )
    .await;
    let again = "select exists (select 1 from tasks where state = 'WAITING'
        and waits::text not like '%2020-%')";
    cell.until("it waits on", again).await;
    worker.drain().await.unwrap();
}

/// Knows two changes.
struct Changed;

impl Workflow for Changed {
    const NAME: &'static str = "changed";
    type Input = Plan;
    type Output = i32;

    async fn run(ctx: Ctx, _: Plan) -> WorkflowResult<i32> {
        let _ = ctx.version("first", 1);
        let second = ctx.version("second", 1);
        ctx.signal::<Go>().within(Duration::from_mins(10)).await?;
        Ok(second)
    }
}

/// The same, after the first change is everywhere.
struct Tidied;

impl Workflow for Tidied {
    const NAME: &'static str = "changed";
    type Input = Plan;
    type Output = i32;

    async fn run(ctx: Ctx, _: Plan) -> WorkflowResult<i32> {
        let second = ctx.version("second", 1);
        ctx.signal::<Go>().within(Duration::from_mins(10)).await?;
        Ok(second)
    }
}

#[tokio::test]
async fn a_marker_that_is_not_asked_for_any_more_does_not_hide_the_next() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Changed>(), forgetful()).await;
    let run = cell.start::<Changed>("c1", &Plan::new()).await;
    cell.waits().await;
    worker.drain().await.unwrap();
    let worker = cell.worker_with(registry().workflow::<Tidied>(), forgetful()).await;
    cell.signal::<Tidied>("c1", &Go).await;
    assert_eq!(cell.ended::<Tidied>(run).await.output, Some(1), "what it said on the first time");
    worker.drain().await.unwrap();
}

/// Notes, and waits.
struct Old;

impl Workflow for Old {
    const NAME: &'static str = "ward";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Note>(&line(&plan, "old")).undo::<Erase>().await?;
        ctx.signal::<Go>().within(Duration::from_mins(10)).await?;
        Ok(())
    }
}

/// The same program under a new number.
struct New;

impl Workflow for New {
    const NAME: &'static str = "ward";
    const VERSION: i32 = 2;
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        Old::run(ctx, plan).await
    }
}

struct Guardian;

impl Workflow for Guardian {
    const NAME: &'static str = "guardian";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.child::<Old>(&plan).await
    }
}

async fn guarded(cell: &TestCell, plan: &Plan) -> uuid::Uuid {
    let old = registry().workflow::<Guardian>().workflow::<Old>();
    let worker = cell.worker_with(old, forgetful()).await;
    let run = cell.start::<Guardian>("g1", plan).await;
    let both = "select count(*) = 2 from tasks where state = 'WAITING'";
    cell.until("both wait", both).await;
    worker.drain().await.unwrap();
    run
}

#[tokio::test]
async fn a_child_of_an_old_version_is_undone_with_its_parent() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let run = guarded(&cell, &plan).await;
    let new = registry().workflow::<Guardian>().workflow::<New>();
    let worker = cell.worker_with(new, forgetful()).await;
    cell.cancel::<Guardian>("g1").await;
    assert_eq!(cell.ended::<Guardian>(run).await.state, "COMPENSATED");
    assert_eq!(world().times(&plan, "erase old"), 1, "from the record");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_run_of_a_version_that_the_code_does_not_run_is_named() {
    let cell = TestCell::new().await;
    guarded(&cell, &Plan::new()).await;
    let new = registry().workflow::<Guardian>().workflow::<New>();
    let found = replay_check(&cell.database, &new, &WorkerConfig::default(), |_| {}).await.unwrap();
    assert_eq!((found.fit, found.misfits.len()), (1, 1), "the child waits for its old code");
    assert_eq!(found.misfits[0].difference, "no workflow ward version 1 is registered");
}

/// Books so many things at once.
struct Crowd;

impl Workflow for Crowd {
    const NAME: &'static str = "crowd";
    type Input = Plan;
    type Output = usize;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<usize> {
        let wishes: Vec<_> = (0..1_000).map(|n| booking(&plan, &n.to_string())).collect();
        let booked = ctx.all(wishes.iter().map(|wish| ctx.step::<Book>(wish))).await?;
        Ok(booked.len())
    }
}

#[tokio::test]
async fn a_thousand_steps_at_once_are_done_and_handed_back() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Crowd>(), forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book 999");
    let run = cell.start::<Crowd>("c1", &plan).await;
    world().until_met(&plan, "book 999", 1).await;
    gate.add_permits(999);
    worker.drain().await.unwrap();
    let worker = cell.worker_with(registry().workflow::<Crowd>(), forgetful()).await;
    assert_eq!(cell.ended::<Crowd>(run).await.output, Some(1_000));
    worker.drain().await.unwrap();
}
