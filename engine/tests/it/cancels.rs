//! Cancels: however often and whenever one is asked for, its answer is kept.

use makegood::{Cancellation, Ctx, WorkerConfig, Workflow, WorkflowResult};

use crate::support::TestCell;
use crate::trades::{
    Book, Look, Note, Parcel, Plan, Trip, Waiting, booking, line, registry, world,
};

/// Pays, and sends what was paid for.
struct Sending;

impl Workflow for Sending {
    const NAME: &'static str = "sending";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        ctx.step::<Look>(&plan.trip).await?;
        let (_, ctx) = ctx.pivot::<Note>(&line(&plan, "paid")).await?;
        ctx.step::<Book>(&booking(&plan, "parcel")).await
    }
}

#[tokio::test]
async fn a_run_that_is_cancelled_twice_is_undone_and_ends() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let waiting = Waiting { plan: plan.clone(), within_ms: 600_000 };
    let run = cell.start::<Parcel>("p1", &waiting).await;
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    let mut tx = cell.pool.begin().await.unwrap();
    for _ in 0..2 {
        let answer = cell.client.cancel::<Parcel>(&mut tx, "p1", &"no").await.unwrap();
        assert_eq!(answer, Cancellation::Requested, "the run lives until it has taken it");
    }
    tx.commit().await.unwrap();
    cell.client.wake();
    assert_eq!(cell.ended::<Parcel>(run).await.state, "COMPENSATED");
    assert_eq!(world().times(&plan, "unbook van"), 1, "it is undone once");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_cancel_acknowledged_before_the_pivot_is_not_overtaken_by_it() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book hotel");
    let run = cell.start::<Trip>("t1", &plan).await;
    world().until_met(&plan, "book hotel", 1).await;
    let mut tx = cell.pool.begin().await.unwrap();
    let answer = cell.client.cancel::<Trip>(&mut tx, "t1", &"no").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(answer, Cancellation::Requested);
    gate.add_permits(10);
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPENSATED", "the answer is kept");
    assert_eq!(world().times(&plan, "note paid"), 0, "the pivot was not tried");
    assert!(world().booked(&plan.trip).is_empty(), "what was booked is cancelled");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_cancel_that_waited_for_the_pivot_to_commit_is_told_that_it_is_too_late() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Sending>(), WorkerConfig::default()).await;
    let plan = Plan::new();
    // The pivot's transaction is held up between its look for a cancel and its commit.
    let mut hold = cell.pool.begin().await.unwrap();
    sqlx::query("lock table notes in share mode").execute(&mut *hold).await.unwrap();
    let gate = world().hang(&plan, "book parcel");
    let run = cell.start::<Sending>("s1", &plan).await;
    cell.until_blocked_by(&mut hold).await;
    let (client, pool) = (cell.client.clone(), cell.pool.clone());
    let cancelling = tokio::spawn(async move {
        let mut tx = pool.begin().await.unwrap();
        let answer = client.cancel::<Sending>(&mut tx, "s1", &"no").await.unwrap();
        tx.commit().await.unwrap();
        answer
    });
    let waits = "select exists (
        select from pg_stat_activity a, pg_locks l
        where l.pid = any(pg_blocking_pids(a.pid)) and l.granted and l.mode = 'RowShareLock'
          and l.relation = 'tasks'::regclass)";
    cell.until("the cancel waits for the pivot", waits).await;
    hold.commit().await.unwrap();
    let answer = cancelling.await.unwrap();
    assert_eq!(answer, Cancellation::PastPivot, "nothing is promised that cannot be kept");
    gate.add_permits(10);
    assert_eq!(cell.ended::<Sending>(run).await.state, "COMPLETED");
    worker.drain().await.unwrap();
    cell.audited().await;
}
