//! Callers that stall before their commit: they hold up their own runs, and nothing else.

use std::time::Duration;

use makegood::{Ctx, WorkerConfig, Workflow, WorkflowResult};
use sqlx::{Postgres, Transaction};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{TestCell, forgetful};
use crate::trades::{Book, Parcel, Plan, Signed, Waiting, booking, registry, world};

/// A caller that has sent this run a signal, and does not commit.
async fn stalled<W: Workflow>(cell: &TestCell, id: &str) -> Transaction<'static, Postgres> {
    let mut tx = cell.pool.begin().await.unwrap();
    let signed = Signed { by: "late".to_owned() };
    cell.client.signal::<W, Signed>(&mut tx, id, "s1", &signed).await.unwrap();
    tx
}

/// A parcel whose van is being booked for as long as the world hangs.
async fn loading(cell: &TestCell, id: &str) -> Uuid {
    let plan = Plan::new();
    world().hang(&plan, "book van");
    let run = cell.start::<Parcel>(id, &Waiting { plan: plan.clone(), within_ms: 60_000 }).await;
    world().until_met(&plan, "book van", 1).await;
    run
}

async fn sign(cell: &TestCell, id: &str) {
    cell.signal::<Parcel>(id, &Signed { by: "ada".to_owned() }).await;
}

#[tokio::test]
async fn the_runs_of_a_dead_worker_are_taken_over_beside_one_that_a_caller_has_locked() {
    let cell = TestCell::new().await;
    let first = cell.worker_with(registry(), forgetful()).await;
    let (locked, free) = (loading(&cell, "locked").await, loading(&cell, "free").await);
    let caller = stalled::<Parcel>(&cell, "locked").await;
    drop(first);
    let second = cell.worker_with(registry(), forgetful()).await;
    sign(&cell, "free").await;
    assert_eq!(cell.ended::<Parcel>(free).await.state, "COMPLETED", "it moves on");
    let renewed = "select exists (
      select from workers where alive and lease_until > started_at + interval '4 s')";
    cell.until("the lease is renewed meanwhile", renewed).await;
    caller.commit().await.unwrap();
    assert_eq!(cell.ended::<Parcel>(locked).await.state, "COMPLETED", "and the other follows");
    let workers: i64 = cell.scalar("select count(*) from workers").await;
    assert_eq!(workers, 2, "whoever takes over stays who it is");
    second.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_drain_hands_back_the_others_beside_a_run_that_a_caller_has_locked() {
    let cell = TestCell::new().await;
    let config = WorkerConfig { drain: Duration::from_millis(50), ..forgetful() };
    let first = cell.worker_with(registry(), config).await;
    let (locked, free) = (loading(&cell, "locked").await, loading(&cell, "free").await);
    let caller = stalled::<Parcel>(&cell, "locked").await;
    let drained = timeout(Duration::from_secs(15), first.drain()).await;
    drained.expect("a drain waits for no caller").unwrap();
    let back = format!("select due_at is not null from tasks where run_id = '{free}'");
    assert!(cell.scalar::<bool>(&back).await, "it can be claimed at once");
    caller.commit().await.unwrap();
    let second = cell.worker_with(registry(), forgetful()).await;
    assert_eq!(cell.ended::<Parcel>(locked).await.state, "COMPLETED", "the locked one follows");
    sign(&cell, "free").await;
    assert_eq!(cell.ended::<Parcel>(free).await.state, "COMPLETED");
    second.drain().await.unwrap();
    cell.audited().await;
}
/// Books something in a child.
struct Agency;

impl Workflow for Agency {
    const NAME: &'static str = "agency";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        ctx.child::<Desk>(&plan).await
    }
}

struct Desk;

impl Workflow for Desk {
    const NAME: &'static str = "desk";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        ctx.step::<Book>(&booking(&plan, "car")).await
    }
}

#[tokio::test]
async fn mail_to_a_run_that_a_caller_has_locked_holds_up_no_other_mail() {
    let cell = TestCell::new().await;
    let registry = registry().workflow::<Agency>().workflow::<Desk>();
    let worker = cell.worker_with(registry, forgetful()).await;
    let mut agencies = Vec::new();
    for id in ["locked", "free"] {
        let plan = Plan::new();
        let gate = world().hang(&plan, "book car");
        let run = cell.start::<Agency>(id, &plan).await;
        world().until_met(&plan, "book car", 1).await;
        agencies.push((run, gate));
    }
    let wait = "select count(*) = 2 from tasks where state = 'WAITING'";
    cell.until("both wait for their child", wait).await;
    let caller = stalled::<Agency>(&cell, "locked").await;
    let [(locked, first), (free, second)] = <[_; 2]>::try_from(agencies).ok().unwrap();
    first.add_permits(10);
    let sent = "select exists (select from mail)";
    cell.until("a letter waits for the caller", sent).await;
    second.add_permits(10);
    assert_eq!(cell.ended::<Agency>(free).await.state, "COMPLETED", "its letter comes through");
    caller.commit().await.unwrap();
    assert_eq!(cell.ended::<Agency>(locked).await.state, "COMPLETED", "and then the other");
    cell.until("all mail is delivered", "select not exists (select from mail)").await;
    worker.drain().await.unwrap();
    cell.audited().await;
}
