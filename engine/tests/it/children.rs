//! Children: awaited or on their own, in great numbers, and cancelled with their parents.

use std::time::Duration;

use makegood::{CHILD_NOT_COMPLETED, Cause, Ctx, Registry, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};

use crate::support::{TestCell, forgetful};
use crate::trades::{Note, Parcel, Plan, Trip, Waiting, line, registry, world};

/// Sends parcels and waits until all are signed for.
struct Family;

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Errand {
    trips: Vec<Plan>,
    parcels: Vec<Waiting>,
}

impl Workflow for Family {
    const NAME: &'static str = "family";
    type Input = Errand;
    type Output = usize;

    async fn run(ctx: Ctx, errand: Errand) -> WorkflowResult<usize> {
        let trips = ctx.all(errand.trips.iter().map(|trip| ctx.child::<Trip>(trip))).await?;
        let parcels = errand.parcels.iter().map(|parcel| ctx.child::<Parcel>(parcel));
        let parcels = ctx.all(parcels).await?;
        Ok(trips.len() + parcels.len())
    }
}

/// Counts to a number in children that do nothing else.
struct Many;

impl Workflow for Many {
    const NAME: &'static str = "many";
    type Input = u32;
    type Output = u32;

    async fn run(ctx: Ctx, count: u32) -> WorkflowResult<u32> {
        let numbers: Vec<u32> = (0..count).collect();
        let echoes = ctx.all(numbers.iter().map(|number| ctx.child::<Echo>(number))).await?;
        Ok(echoes.into_iter().sum())
    }
}

struct Echo;

impl Workflow for Echo {
    const NAME: &'static str = "echo";
    type Input = u32;
    type Output = u32;

    async fn run(_: Ctx, number: u32) -> WorkflowResult<u32> {
        Ok(number)
    }
}

/// Awaits children that have nothing to say.
struct Quiet;

impl Workflow for Quiet {
    const NAME: &'static str = "quiet";
    type Input = ();
    type Output = bool;

    async fn run(ctx: Ctx, (): ()) -> WorkflowResult<bool> {
        ctx.child::<Silent>(&()).await?;
        Ok(ctx.child::<Unsure>(&()).await?.is_none())
    }
}

struct Silent;

impl Workflow for Silent {
    const NAME: &'static str = "silent";
    type Input = ();
    type Output = ();

    async fn run(_: Ctx, (): ()) -> WorkflowResult<()> {
        Ok(())
    }
}

struct Unsure;

impl Workflow for Unsure {
    const NAME: &'static str = "unsure";
    type Input = ();
    type Output = Option<u32>;

    async fn run(_: Ctx, (): ()) -> WorkflowResult<Option<u32>> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_child_that_completed_with_nothing_to_say_has_completed() {
    let cell = TestCell::new().await;
    let registry = Registry::new().workflow::<Quiet>().workflow::<Silent>().workflow::<Unsure>();
    let worker = cell.worker_with(registry, forgetful()).await;
    let run = cell.start::<Quiet>("q1", &()).await;
    let ending = cell.ended::<Quiet>(run).await;
    assert_eq!((ending.state.as_str(), ending.output), ("COMPLETED", Some(true)));
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Starts a trip that goes its own way.
struct Agent;

impl Workflow for Agent {
    const NAME: &'static str = "agent";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.spawn::<Trip>(&plan)?;
        ctx.step::<Note>(&line(&plan, "sent off")).await?;
        ctx.make_good("not my business")
    }
}

fn families() -> Registry {
    registry().workflow::<Family>().workflow::<Many>().workflow::<Echo>().workflow::<Agent>()
}

fn parcel() -> Waiting {
    Waiting { plan: Plan::new(), within_ms: 60_000 }
}

#[tokio::test]
async fn a_parent_gets_the_outputs_of_its_children() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(families(), forgetful()).await;
    let errand = Errand { trips: vec![Plan::new(), Plan::new()], parcels: vec![] };
    let run = cell.start::<Family>("f1", &errand).await;
    assert_eq!(cell.ended::<Family>(run).await.output, Some(2));
    let mail: i64 = cell.scalar("select count(*) from mail").await;
    assert_eq!(mail, 0, "all mail is delivered");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_child_that_is_made_good_makes_its_parent_good() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(families(), forgetful()).await;
    let errand = Errand { trips: vec![Plan::new(), Plan::rejecting("hotel")], parcels: vec![] };
    let run = cell.start::<Family>("f1", &errand).await;
    let ending = cell.ended::<Family>(run).await;
    assert_eq!(ending.state, "COMPENSATED");
    let Some(Cause::Rejected(rejection)) = ending.cause else { panic!("{:?}", ending.cause) };
    assert_eq!((rejection.step.as_str(), rejection.code.as_str()), ("trip", CHILD_NOT_COMPLETED));
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_cancel_reaches_the_children_and_waits_until_they_are_undone() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(families(), forgetful()).await;
    let parcels = vec![parcel(), parcel()];
    let errand = Errand { trips: vec![], parcels: parcels.clone() };
    let run = cell.start::<Family>("f1", &errand).await;
    cell.until(
        "both parcels wait",
        "select count(*) = 2 from run_states where workflow = 'parcel' and state = 'WAITING'",
    )
    .await;
    let mut tx = cell.pool.begin().await.unwrap();
    cell.client.cancel::<Family>(&mut tx, "f1", &"enough").await.unwrap();
    tx.commit().await.unwrap();
    cell.client.wake();
    assert_eq!(cell.ended::<Family>(run).await.state, "COMPENSATED");
    for parcel in &parcels {
        assert_eq!(world().booked(&parcel.plan.trip), [], "its van is sent back");
    }
    let late: i64 = cell
        .scalar(
            "select count(*) from runs c join runs p on p.run_id = c.parent_run_id
             where c.ended_state = 'COMPENSATED' and c.ended_at <= p.ended_at",
        )
        .await;
    assert_eq!(late, 2, "both children ended undone, and before their parent");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_thousand_children_are_joined() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(families(), forgetful()).await;
    let other = cell.worker_with(families(), forgetful()).await;
    let run = cell.start::<Many>("m1", &1_000).await;
    assert_eq!(cell.ended::<Many>(run).await.output, Some(499_500));
    let ended: i64 = cell
        .scalar("select count(*) from runs where workflow = 'echo' and ended_state = 'COMPLETED'")
        .await;
    assert_eq!(ended, 1_000);
    worker.drain().await.unwrap();
    other.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_child_of_its_own_goes_on_when_its_parent_is_made_good() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(families(), forgetful()).await;
    let run = cell.start::<Agent>("a1", &Plan::new()).await;
    assert_eq!(cell.ended::<Agent>(run).await.state, "COMPENSATED");
    cell.until(
        "the trip completes",
        "select exists (select 1 from runs where workflow = 'trip' and ended_state = 'COMPLETED')",
    )
    .await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn mail_that_its_worker_did_not_live_to_deliver_is_delivered_by_another() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(families(), forgetful()).await;
    let waiting = parcel();
    let errand = Errand { trips: vec![], parcels: vec![waiting.clone()] };
    let run = cell.start::<Family>("f1", &errand).await;
    cell.until(
        "the parcel waits",
        "select exists (select 1 from run_states where workflow = 'parcel' and state = 'WAITING')",
    )
    .await;
    worker.drain().await.unwrap();
    // As a worker leaves it that dies between the commit of a child's end and the delivery.
    let child = "(select run_id from runs where workflow = 'parcel')";
    cell.execute(&format!(
        "insert into mail (mail_id, run_id, signal_id, kind, payload)
         select gen_random_uuid(), parent_run_id, '$child:' || run_id, '$child',
           '{{\"state\":\"COMPLETED\",\"output\":\"Ada\",\"cause\":null}}'
         from runs where run_id = {child}"
    ))
    .await;
    let worker = cell.worker_with(families(), forgetful()).await;
    assert_eq!(cell.ended::<Family>(run).await.output, Some(1));
    worker.drain().await.unwrap();
    let _ = Duration::ZERO;
}
