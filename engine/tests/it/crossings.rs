//! Things that cross: a cancel and a pivot, a refusal and a step after it, a timer and a hand-back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use makegood::{Ctx, Error, Failure, Refusal, Workflow, WorkflowResult};
use serde_json::json;

use crate::support::{TestCell, forgetful};
use crate::trades::{
    Book, Erase, Fault, Note, Plan, Signed, Unbook, booking, line, registry, world,
};

/// Its point of no return is outside.
struct Leap;

impl Workflow for Leap {
    const NAME: &'static str = "leap";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        ctx.step::<Book>(&booking(&plan, "flight")).undo::<Unbook>().await?;
        let (hotel, _) = ctx.pivot::<Book>(&booking(&plan, "hotel")).await?;
        Ok(hotel)
    }
}

#[tokio::test]
async fn a_cancel_acknowledged_before_a_pivot_outside_is_not_overtaken_by_it() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Leap>(), forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book flight");
    let run = cell.start::<Leap>("l1", &plan).await;
    world().until_met(&plan, "book flight", 1).await;
    cell.cancel::<Leap>("l1").await;
    gate.add_permits(9);
    assert_eq!(cell.ended::<Leap>(run).await.state, "COMPENSATED", "the answer is kept");
    assert_eq!(world().times(&plan, "book hotel"), 0, "the pivot was not tried");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn an_operator_undoes_nothing_while_the_pivot_may_have_happened() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Leap>(), forgetful()).await;
    let plan = Plan::new();
    // Before its effect, so that no look-up ever finds it.
    world().fail_early(&plan, "book hotel", &[Fault::Unknown; 9]);
    let run = cell.start::<Leap>("l1", &plan).await;
    assert!(cell.incident(run).await.starts_with("unknown_outcome"), "nobody can tell");
    let ada = cell.client.operator("ada", "make it good").unwrap();
    for refused in [ada.compensate(run).await, ada.cancel(run).await] {
        let Err(Error::Refused { refusal, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(*refusal, Refusal::PastPivot, "it may have happened");
    }
    world().fail_early(&plan, "book hotel", &[]);
    ada.retry(run).await.unwrap();
    assert_eq!(cell.ended::<Leap>(run).await.state, "COMPLETED");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Does not wait for its pivot, and wants everything undone.
struct Hasty;

impl Workflow for Hasty {
    const NAME: &'static str = "hasty";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Note>(&line(&plan, "packed")).undo::<Erase>().await?;
        let nap = std::pin::pin!(ctx.sleep(Duration::from_millis(50)));
        let hotel = booking(&plan, "hotel");
        let pivot = std::pin::pin!(ctx.pivot::<Book>(&hotel));
        let _ = futures::future::select(pivot, nap).await;
        Err(Failure::MadeGood(json!("too slow")))
    }
}

#[tokio::test]
async fn nothing_is_undone_past_a_pivot_that_the_program_did_not_wait_for() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Hasty>(), forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book hotel");
    let run = cell.start::<Hasty>("h1", &plan).await;
    world().until_met(&plan, "book hotel", 1).await;
    // Longer than its nap, and than a run with calls under way takes to look at its timers.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    gate.add_permits(9);
    let incident = cell.incident(run).await;
    assert!(incident.starts_with("rejected_past_pivot"), "{incident}");
    assert_eq!(world().times(&plan, "erase packed"), 0);
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Apologizes for a refusal, and passes it on.
struct Sorry;

impl Workflow for Sorry {
    const NAME: &'static str = "sorry";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        let (_, ctx) = ctx.pivot::<Note>(&line(&plan, "paid")).await?;
        let hotel = ctx.step::<Book>(&booking(&plan, "hotel")).await;
        if hotel.is_err() {
            ctx.step::<Note>(&line(&plan, "sorry")).await?;
        }
        hotel
    }
}

#[tokio::test]
async fn a_refusal_that_the_program_acted_upon_stays_on_record() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Sorry>(), forgetful()).await;
    let plan = Plan::rejecting("hotel");
    let run = cell.start::<Sorry>("s1", &plan).await;
    let first = cell.incident(run).await;
    assert!(first.starts_with("rejected_past_pivot"), "{first}");
    cell.client.retry(run, "ada", "looked").await.unwrap();
    let again = cell.incident(run).await;
    assert!(again.starts_with("rejected_past_pivot"), "its record still fits: {again}");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Books twice beside a long nap.
struct Sleeper;

impl Workflow for Sleeper {
    const NAME: &'static str = "sleeper";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        let (first, second) = (booking(&plan, "first"), booking(&plan, "second"));
        let both = async {
            ctx.step::<Book>(&first).await?;
            ctx.step::<Book>(&second).await
        };
        ctx.join(both, ctx.sleep(Duration::from_mins(10))).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_timer_goes_on_when_its_run_is_handed_back() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Sleeper>(), forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book first");
    cell.start::<Sleeper>("s1", &plan).await;
    cell.until("it naps", "select exists (select 1 from tasks where waits is not null)").await;
    let before: String = cell.scalar("select waits::text from tasks").await;
    let (drained, ()) = tokio::join!(worker.drain(), async { gate.add_permits(9) });
    drained.unwrap();
    assert_eq!(world().times(&plan, "book second"), 0, "it was handed back before that");
    let after: Option<String> = cell.scalar("select waits::text from tasks").await;
    assert_eq!(after, Some(before), "the nap ends when it would have ended");
}

/// Waits until the end of time.
struct Endless;

impl Workflow for Endless {
    const NAME: &'static str = "endless";
    type Input = Plan;
    type Output = bool;

    async fn run(ctx: Ctx, _: Plan) -> WorkflowResult<bool> {
        Ok(ctx.signal::<Signed>().until(DateTime::<Utc>::MAX_UTC).await?.is_some())
    }
}

#[tokio::test]
async fn a_wait_until_the_end_of_time_can_be_ended_by_its_signal() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Endless>(), forgetful()).await;
    let run = cell.start::<Endless>("e1", &Plan::new()).await;
    cell.waits().await;
    cell.signal::<Endless>("e1", &Signed { by: "ada".to_owned() }).await;
    assert_eq!(cell.ended::<Endless>(run).await.output, Some(true));
    worker.drain().await.unwrap();
}
