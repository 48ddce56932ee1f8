//! What is asked for outside a transaction is done whole, or not at all.

use makegood::{
    Cancellation, Ctx, Delivery, Overlap, Schedule, Scheduled, Started, Workflow, WorkflowResult,
};
use sqlx::Acquire;

use crate::support::TestCell;
use crate::trades::{Parcel, Plan, Signed, Trip, Waiting, registry};

/// Makes the second half of what a client does fail until it is lifted.
async fn hindrance(cell: &TestCell, table: &str, check: &str) {
    cell.execute(&format!(
        "alter table {table} add constraint hindrance check ({check}) not valid"
    ))
    .await;
}

async fn lift(cell: &TestCell, table: &str) {
    cell.execute(&format!("alter table {table} drop constraint hindrance")).await;
}

async fn start(cell: &TestCell) -> Result<Started, makegood::Error> {
    let mut conn = cell.pool.acquire().await.unwrap();
    let waiting = Waiting { plan: Plan::new(), within_ms: 600_000 };
    cell.client.start::<Parcel>(&mut conn, "p", &waiting).await
}

async fn sign(cell: &TestCell) -> Result<Delivery, makegood::Error> {
    let mut conn = cell.pool.acquire().await.unwrap();
    let signed = Signed { by: "ada".to_owned() };
    cell.client.signal::<Parcel, _>(&mut conn, "p", "s1", &signed).await
}

async fn cancel(cell: &TestCell) -> Result<Cancellation, makegood::Error> {
    let mut conn = cell.pool.acquire().await.unwrap();
    cell.client.cancel::<Parcel>(&mut conn, "p", &"no").await
}

#[tokio::test]
async fn a_start_that_fails_half_way_has_not_begun() {
    let cell = TestCell::new().await;
    hindrance(&cell, "tasks", "lane < 0").await;
    start(&cell).await.unwrap_err();
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 0, "no run without a task");
    lift(&cell, "tasks").await;
    assert!(start(&cell).await.unwrap().created, "and its repeat starts it");
    cell.audited().await;
}

#[tokio::test]
async fn a_signal_or_a_cancel_that_fails_half_way_was_not_sent() {
    let cell = TestCell::new().await;
    let run = start(&cell).await.unwrap().run_id;
    hindrance(&cell, "tasks", "mailbox = 0").await;
    sign(&cell).await.unwrap_err();
    cancel(&cell).await.unwrap_err();
    assert_eq!(cell.scalar::<i64>("select count(*) from signals").await, 0, "nothing is half sent");
    lift(&cell, "tasks").await;
    assert_eq!(sign(&cell).await.unwrap(), Delivery::Queued, "its repeat is the first");
    assert_eq!(cancel(&cell).await.unwrap(), Cancellation::Requested);
    let worker = cell.worker().await;
    assert_eq!(cell.ended::<Parcel>(run).await.state, "COMPENSATED");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Rests.
struct Rest;

impl Workflow for Rest {
    const NAME: &'static str = "rest";
    type Input = Scheduled<Plan>;
    type Output = ();

    async fn run(_: Ctx, _: Scheduled<Plan>) -> WorkflowResult<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_firing_that_fails_half_way_starts_no_run() {
    let cell = TestCell::new().await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let yearly = Schedule::new("rest", "0 0 1 1 *").unwrap().overlap(Overlap::Skip);
    cell.client.schedule::<Rest, _>(&mut conn, &yearly, &Plan::new()).await.unwrap();
    hindrance(&cell, "schedules", "fired = 0").await;
    cell.client.fire_schedule(&mut conn, "rest").await.unwrap_err();
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 0);
    lift(&cell, "schedules").await;
    let run = cell.client.fire_schedule(&mut conn, "rest").await.unwrap().run_id;
    cell.client.wake();
    let worker =
        cell.worker_with(registry().workflow::<Rest>(), makegood::WorkerConfig::default()).await;
    cell.ended::<Rest>(run).await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_transaction_of_the_callers_own_is_neither_ended_nor_left_out() {
    let cell = TestCell::new().await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    cell.client.start::<Trip>(&mut tx, "sqlx's", &Plan::new()).await.unwrap();
    tx.rollback().await.unwrap();
    sqlx::query("begin").execute(&mut *conn).await.unwrap();
    cell.client.start::<Trip>(&mut conn, "by hand", &Plan::new()).await.unwrap();
    sqlx::query("rollback").execute(&mut *conn).await.unwrap();
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 0, "both were rolled back");
}
