//! Answers that come while the program cannot be polled: the record stays one that it can replay.

use makegood::{Ctx, Late, LateSignal, Registry, Workflow, WorkflowResult};

use crate::support::{TestCell, forgetful};
use crate::trades::{
    Book, Erase, Fault, Note, Parcel, Plan, Unbook, Waiting, booking, line, registry, world,
};

/// Books three things at once and looks at its watch after each.
struct Watch;

impl Workflow for Watch {
    const NAME: &'static str = "watch";
    type Input = Plan;
    type Output = usize;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<usize> {
        let book = |what: &'static str| {
            let (ctx, wish) = (&ctx, booking(&plan, what));
            async move {
                ctx.step::<Book>(&wish).undo::<Unbook>().await?;
                Ok(ctx.now())
            }
        };
        let branches = [book("flight"), book("hotel"), book("car")];
        Ok(ctx.all(branches).await?.len())
    }
}

/// Past its pivot: a booking, and beside it some steps after which it looks at its watch.
struct Beside;

impl Workflow for Beside {
    const NAME: &'static str = "beside";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        let (_, ctx) = ctx.pivot::<Note>(&line(&plan, "paid")).await?;
        let wish = booking(&plan, "parcel");
        let note = async {
            ctx.step::<Book>(&booking(&plan, "van")).await?;
            ctx.step::<Note>(&line(&plan, "packed")).await?;
            ctx.step::<Book>(&booking(&plan, "ferry")).await?;
            Ok(ctx.now())
        };
        Ok(ctx.join(ctx.step::<Book>(&wish), note).await?.0)
    }
}

/// Shows how far it has come.
struct Shown;

impl Workflow for Shown {
    const NAME: &'static str = "shown";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.publish("stage", &1);
        ctx.step::<Note>(&line(&plan, "one")).undo::<Erase>().await?;
        ctx.publish("stage", &2);
        ctx.step::<Note>(&line(&plan, "two")).await?;
        Ok(())
    }
}

/// Awaits a parcel, and has somebody for late signals.
struct Awaiting;

impl Workflow for Awaiting {
    const NAME: &'static str = "awaiting";
    type Input = Waiting;
    type Output = Option<String>;

    async fn run(ctx: Ctx, waiting: Waiting) -> WorkflowResult<Option<String>> {
        ctx.child::<Parcel>(&waiting).await
    }

    fn late_signal() -> Option<Late<Self>> {
        Some(Late::to::<Afterwards>())
    }
}

struct Afterwards;

impl Workflow for Afterwards {
    const NAME: &'static str = "afterwards";
    type Input = LateSignal<Waiting>;
    type Output = ();

    async fn run(_: Ctx, _: LateSignal<Waiting>) -> WorkflowResult<()> {
        Ok(())
    }
}

fn all() -> Registry {
    registry()
        .workflow::<Watch>()
        .workflow::<Beside>()
        .workflow::<Shown>()
        .workflow::<Awaiting>()
        .workflow::<Afterwards>()
}

#[tokio::test]
async fn answers_that_come_while_a_run_is_in_trouble_can_be_replayed() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let held = ["flight", "hotel"].map(|what| world().hang(&plan, &format!("book {what}")));
    let car = world().hang(&plan, "before book car");
    world().fail(&plan, "book car", &[Fault::Review]);
    let worker = cell.worker_with(all(), forgetful()).await;
    let run = cell.start::<Watch>("w1", &plan).await;
    for what in ["flight", "hotel"] {
        world().until_met(&plan, &format!("book {what}"), 1).await;
    }
    car.add_permits(9);
    world().until_met(&plan, "book car", 1).await;
    for gate in &held {
        gate.add_permits(9);
    }
    assert_eq!(cell.incident(run).await, "odd: a person must look");
    cell.client.retry(run, "ada", "looked at").await.unwrap();
    assert_eq!(cell.ended::<Watch>(run).await.output, Some(3), "the record fits the program");
    assert_eq!(world().booked(&plan.trip).len(), 3, "each is booked once");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_step_that_was_refused_past_the_pivot_beside_others_is_tried_again() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    world().fail_early(&plan, "book parcel", &[Fault::Rejected]);
    let van = world().hang(&plan, "book van");
    let worker = cell.worker_with(all(), forgetful()).await;
    let run = cell.start::<Beside>("b1", &plan).await;
    world().until_met(&plan, "book van", 1).await;
    van.add_permits(9);
    assert_eq!(cell.incident(run).await, "rejected_past_pivot: NO: no");
    cell.client.retry(run, "ada", "it is allowed now").await.unwrap();
    assert!(cell.ended::<Beside>(run).await.output.is_some(), "the parcel is tried again");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn what_led_to_a_step_that_needs_a_person_is_committed_and_shown() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    world().fail(&plan, "note two", &[Fault::Review]);
    let worker = cell.worker_with(all(), forgetful()).await;
    let run = cell.start::<Shown>("s1", &plan).await;
    assert_eq!(cell.incident(run).await, "odd: a person must look");
    let shown: Option<u32> = cell.client.published(run, "stage").await.unwrap();
    assert_eq!(cell.record(run).await, ["done note"], "the first note is on record");
    assert_eq!(shown, Some(2), "and what it led to is shown");
    cell.client.retry(run, "ada", "looked at").await.unwrap();
    cell.ended::<Shown>(run).await;
    assert_eq!(cell.client.published(run, "stage").await.unwrap(), Some(2));
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn the_end_of_a_child_is_no_late_signal() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(all(), forgetful()).await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 60_000 };
    let run = cell.start::<Awaiting>("a1", &waiting).await;
    cell.until(
        "the parcel waits",
        "select exists (select 1 from run_states where workflow = 'parcel' and state = 'WAITING')",
    )
    .await;
    let mut tx = cell.pool.begin().await.unwrap();
    cell.client.cancel::<Awaiting>(&mut tx, "a1", &"enough").await.unwrap();
    tx.commit().await.unwrap();
    cell.client.wake();
    assert_eq!(cell.ended::<Awaiting>(run).await.state, "COMPENSATED");
    let late: i64 = cell.scalar("select count(*) from runs where workflow = 'afterwards'").await;
    assert_eq!(late, 0, "it is no news from outside");
    worker.drain().await.unwrap();
    cell.audited().await;
}
