//! Whose turn it is: priorities are strict, and shares of one priority get equal turns.

use makegood::{Ctx, Priority, StartOptions, Worker, WorkerConfig, Workflow, WorkflowResult};

use crate::support::TestCell;
use crate::trades::{Line, Note, registry};

/// Notes that it was its turn.
struct Turn;

impl Workflow for Turn {
    const NAME: &'static str = "turn";
    type Input = Line;
    type Output = ();

    async fn run(ctx: Ctx, line: Line) -> WorkflowResult<()> {
        ctx.step::<Note>(&line).await?;
        Ok(())
    }
}

fn turn(whose: &str) -> Line {
    Line { trip: uuid::Uuid::now_v7().simple().to_string(), note: whose.to_owned() }
}

/// A worker with room for so many runs.
async fn worker(cell: &TestCell, room: usize) -> Worker {
    let config = WorkerConfig { in_flight: room, claim_batch: room, ..WorkerConfig::default() };
    cell.worker_with(registry().workflow::<Turn>(), config).await
}

async fn start(cell: &TestCell, whose: &str, runs: usize, options: &StartOptions) {
    let ids = (0..runs).map(|index| format!("{whose}{index}"));
    cell.start_all::<Turn>(ids, &turn(whose), options).await;
}

#[tokio::test]
async fn a_higher_priority_always_comes_first() {
    let cell = TestCell::new().await;
    let of = |priority| StartOptions::new().priority(priority);
    start(&cell, "low", 20, &of(Priority::Low)).await;
    start(&cell, "normal", 20, &of(Priority::Normal)).await;
    start(&cell, "high", 20, &of(Priority::High)).await;
    let worker = worker(&cell, 1).await;
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    let order = "select string_agg(distinct note || ' ' || part, ',' order by note || ' ' || part)
        from (select note, (row_number() over (order by note_id) - 1) / 20 as part from notes) n";
    let order: String = cell.scalar(order).await;
    assert_eq!(
        order, "high 0,low 2,normal 1",
        "high, then normal, then low, the last started first"
    );
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_locked_run_of_a_high_priority_does_not_hold_up_lower_ones() {
    let cell = TestCell::new().await;
    start(&cell, "high", 1, &StartOptions::new().priority(Priority::High)).await;
    let mut hold = cell.pool.begin().await.unwrap();
    sqlx::query("select 1 from tasks for update").execute(&mut *hold).await.unwrap();
    start(&cell, "low", 5, &StartOptions::new().priority(Priority::Low)).await;
    let worker = worker(&cell, 4).await;
    let low = "select count(*) = 5 from notes where note = 'low'";
    cell.until("the low ones end while somebody holds the high one's row", low).await;
    hold.commit().await.unwrap();
    cell.until("it is claimed once it is free", "select not exists (select 1 from tasks)").await;
    worker.drain().await.unwrap();
}

/// How many runs of a share with 2,000 queued ones come before the only one of another.
async fn before_the_only_one(room: usize) -> i64 {
    let cell = TestCell::new().await;
    start(&cell, "many", 2_000, &StartOptions::new().share("many")).await;
    start(&cell, "only", 1, &StartOptions::new().share("only")).await;
    let worker = worker(&cell, room).await;
    let met = "select exists (select 1 from notes where note = 'only')";
    cell.until("the only one has its turn", met).await;
    let before = "select count(*) from notes
        where note_id < (select note_id from notes where note = 'only')";
    let before = cell.scalar(before).await;
    worker.drain().await.unwrap();
    before
}

#[tokio::test]
async fn a_tenant_with_thousands_of_runs_delays_another_by_one_turn_at_most() {
    let before = before_the_only_one(1).await;
    assert!(before <= 2, "with room for one run the other's comes second, not {before} later");
    let before = before_the_only_one(16).await;
    assert!(before <= 16, "with room for 16 it comes with the first claim, not {before} later");
}

#[tokio::test]
async fn shares_get_equal_turns_however_many_lanes_they_have() {
    let cell = TestCell::new().await;
    let many = |queue: &str| StartOptions::new().queue(queue).share("many");
    for queue in ["a", "b", "c", "d"] {
        let ids = (0..100).map(|index| format!("{queue}{index}"));
        cell.start_all::<Turn>(ids, &turn("many"), &many(queue)).await;
    }
    start(&cell, "one", 100, &StartOptions::new().share("one")).await;
    // Nobody gets on, so that what is claimed first can be counted.
    let mut hold = cell.pool.begin().await.unwrap();
    sqlx::query("lock table notes in share mode").execute(&mut *hold).await.unwrap();
    let worker = worker(&cell, 40).await;
    let full = "select count(*) = 40 from tasks where owner is not null";
    cell.until("every place is taken", full).await;
    let of_one = "select count(*) from tasks k join lanes l on l.lane = k.lane
        where k.owner is not null and l.share = 'one'";
    assert_eq!(cell.scalar::<i64>(of_one).await, 20, "half of the places");
    hold.commit().await.unwrap();
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn runs_that_go_on_are_not_behind_thousands_that_have_not_begun() {
    let cell = TestCell::new().await;
    start(&cell, "first", 1, &StartOptions::new()).await;
    // As if it had been claimed before, and were due again, after all the others.
    start(&cell, "many", 2_000, &StartOptions::new()).await;
    cell.execute(
        "update tasks set epoch = 1, due_at = now()
         where run_id = (select run_id from runs where workflow_id = 'first0')",
    )
    .await;
    let worker = worker(&cell, 4).await;
    let met = "select exists (select 1 from notes where note = 'first')";
    cell.until("it has its turn", met).await;
    let before = "select count(*) from notes
        where note_id < (select note_id from notes where note = 'first')";
    let before: i64 = cell.scalar(before).await;
    assert!(before <= 4, "it comes with the first claim, not {before} later");
    worker.drain().await.unwrap();
}
