//! Leases: what a slow or frozen worker has let go of is moved on, by itself or by another.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use makegood::{
    Activity, ActivityResult, Ctx, Database, InTransaction, Registry, Worker, WorkerConfig,
    Workflow, WorkflowResult, inspect,
};
use sqlx::PgConnection;
use tokio::sync::oneshot;

use crate::support::TestCell;
use crate::trades::{Book, Line, Note, Plan, Trip, booking, line, registry, world};

fn leased(ms: u64) -> WorkerConfig {
    WorkerConfig { lease: Duration::from_millis(ms), ..WorkerConfig::default() }
}

/// Books two rooms; the world is told when its program leaves a worker's memory.
struct Watched;

struct Forgotten(Plan);

impl Drop for Forgotten {
    fn drop(&mut self) {
        world().meet(&self.0.trip, "forgotten").unwrap();
    }
}

impl Workflow for Watched {
    const NAME: &'static str = "watched";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        let _forgotten = Forgotten(plan.clone());
        ctx.step::<Book>(&booking(&plan, "one")).await?;
        ctx.step::<Book>(&booking(&plan, "two")).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_renewal_that_took_longer_than_the_lease_does_not_keep_runs_that_were_let_go() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book one");
    let worker = cell.worker_with(registry().workflow::<Watched>(), leased(1_500)).await;
    let run = cell.start::<Watched>("w1", &plan).await;
    world().until_met(&plan, "book one", 1).await;
    // As if the disk were slow: the renewal hangs in the database, beyond the lease.
    let mut slow = cell.pool.begin().await.unwrap();
    sqlx::query("select 1 from workers for no key update").execute(&mut *slow).await.unwrap();
    cell.until_blocked_by(&mut slow).await;
    while worker.is_ready() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The worker may not act any more, so it lets its run go; then the renewal comes through.
    gate.add_permits(10);
    world().until_met(&plan, "forgotten", 1).await;
    slow.commit().await.unwrap();
    assert_eq!(cell.ended::<Watched>(run).await.state, "COMPLETED", "it is claimed again");
    assert_eq!(world().times(&plan, "book one"), 1, "and what was booked is found");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_worker_that_drains_is_seen_to_do_so_while_a_call_is_still_under_way() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book flight");
    let worker = cell.worker_with(registry(), leased(15_000)).await;
    cell.start::<Trip>(&plan.trip, &plan).await;
    world().until_met(&plan, "book flight", 1).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    assert!(!inspect::workers(&mut conn).await.unwrap()[0].draining, "it takes what comes");
    let drained = tokio::spawn(worker.drain());
    let told = tokio::time::timeout(Duration::from_secs(5), async {
        while !inspect::workers(&mut conn).await.unwrap()[0].draining {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    told.await.expect("it is told at once, and not with the next renewal of its lease");
    gate.add_permits(10);
    drained.await.unwrap().unwrap();
    assert!(!inspect::workers(&mut conn).await.unwrap()[0].draining, "it has ended");
}

/// Writes a line; the worker that has the key stops dead in it, its transaction open.
struct Freeze(Arc<Mutex<Option<Receiver<()>>>>);

impl Activity for Freeze {
    const NAME: &'static str = "freeze";
    type Kind = InTransaction;
    type Input = Line;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, line: Line) -> ActivityResult<()> {
        Note.run(tx, line.clone()).await?;
        let key = self.0.lock().unwrap().take();
        if let Some(key) = key {
            world().meet(&line.trip, "frozen")?;
            // Blocks the thread, and with it everything that this worker does.
            let _ = key.recv();
        }
        Ok(())
    }
}

struct Icy;

impl Workflow for Icy {
    const NAME: &'static str = "icy";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Freeze>(&line(&plan, "written")).await
    }
}

fn icy(key: Option<Receiver<()>>) -> Registry {
    registry().workflow::<Icy>().activity(Freeze(Arc::new(Mutex::new(key))))
}

/// A worker on a thread of its own, so that all of it can be frozen at once.
struct Apart {
    thaw: Sender<()>,
    drain: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Apart {
    fn start(database: Database) -> Self {
        let (thaw, key) = channel();
        let (drain, draining) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let worker = Worker::start(&database, icy(Some(key)), leased(1_000)).await;
                let _ = draining.await;
                worker.unwrap().drain().await.unwrap();
            });
        });
        Self { thaw, drain, thread }
    }
}

#[tokio::test]
async fn a_worker_frozen_inside_a_transaction_is_taken_over_and_its_writes_count_for_nothing() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let apart = Apart::start(cell.database.clone());
    let run = cell.start::<Icy>("i1", &plan).await;
    world().until_met(&plan, "frozen", 1).await;
    let worker = cell.worker_with(icy(None), leased(1_000)).await;
    assert_eq!(cell.ended::<Icy>(run).await.state, "COMPLETED", "another worker has taken over");
    apart.thaw.send(()).unwrap();
    cell.until(
        "the frozen one comes back under a new id",
        "select count(*) = 2 from workers where alive",
    )
    .await;
    assert_eq!(cell.scalar::<i64>("select count(*) from notes").await, 1, "written once");
    assert_eq!(cell.record(run).await, ["done freeze"]);
    apart.drain.send(()).unwrap();
    tokio::task::spawn_blocking(|| apart.thread.join().unwrap()).await.unwrap();
    worker.drain().await.unwrap();
    cell.audited().await;
}
