//! Limits of queues hold over all workers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use makegood::{
    Activity, ActivityResult, Attempt, Ctx, InTransaction, Outside, QueueLimits, Registry,
    StartOptions, WorkerConfig, Workflow, WorkflowResult,
};
use sqlx::PgConnection;

use crate::support::{TestCell, forgetful};
use crate::trades::{self, Plan, Steps4, world};

/// Who is inside, and how many there were at most, by place.
static INSIDE: Mutex<BTreeMap<String, (usize, usize)>> = Mutex::new(BTreeMap::new());

fn most_inside(place: &str) -> usize {
    INSIDE.lock().unwrap().get(place).map_or(0, |(_, most)| *most)
}

/// Is in a place for a while.
struct Visit;

impl Activity for Visit {
    const NAME: &'static str = "visit";
    type Kind = Outside;
    type Input = String;
    type Output = ();

    async fn run(&self, _: &mut Attempt, place: String) -> ActivityResult<()> {
        {
            let mut inside = INSIDE.lock().unwrap();
            let (now, most) = inside.entry(place.clone()).or_default();
            *now += 1;
            *most = (*most).max(*now);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        INSIDE.lock().unwrap().entry(place).or_default().0 -= 1;
        Ok(())
    }
}

/// Visits a place twice, with a rest in between.
struct Visitor;

impl Workflow for Visitor {
    const NAME: &'static str = "visitor";
    type Input = String;
    type Output = ();

    async fn run(ctx: Ctx, place: String) -> WorkflowResult<()> {
        ctx.step::<Visit>(&place).await?;
        ctx.sleep(Duration::from_millis(5)).await?;
        ctx.step::<Visit>(&place).await
    }
}

/// Says when it was its turn, by the database's clock.
struct Clock;

impl Activity for Clock {
    const NAME: &'static str = "clock";
    type Kind = InTransaction;
    type Input = ();
    type Output = DateTime<Utc>;

    async fn run(&self, tx: &mut PgConnection, (): ()) -> ActivityResult<DateTime<Utc>> {
        Ok(sqlx::query_scalar("select clock_timestamp()").fetch_one(tx).await?)
    }
}

/// Looks at the clock.
struct Glance;

impl Workflow for Glance {
    const NAME: &'static str = "glance";
    type Input = ();
    type Output = DateTime<Utc>;

    async fn run(ctx: Ctx, (): ()) -> WorkflowResult<DateTime<Utc>> {
        let begun = ctx.step::<Clock>(&()).await?;
        ctx.sleep(Duration::from_millis(10)).await?;
        Ok(begun)
    }
}

fn registry() -> Registry {
    Registry::new().workflow::<Visitor>().workflow::<Glance>().activity(Visit).activity(Clock)
}

fn ids(name: &str, runs: usize) -> impl Iterator<Item = String> {
    (0..runs).map(move |index| format!("{name}{index}"))
}

#[tokio::test]
async fn no_more_runs_than_the_limit_are_in_the_memory_of_all_workers() {
    let cell = TestCell::new().await;
    cell.client.set_queue("narrow", QueueLimits::new().concurrency(3)).await.unwrap();
    let narrow = StartOptions::new().queue("narrow");
    let place = format!("narrow {}", cell.database.cell());
    let wide = format!("wide {}", cell.database.cell());
    cell.start_all::<Visitor>(ids("n", 60), &place, &narrow).await;
    let one = cell.worker_with(registry(), forgetful()).await;
    let two = cell.worker_with(registry(), forgetful()).await;
    cell.start_all::<Visitor>(ids("w", 60), &wide, &StartOptions::new()).await;
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    assert_eq!(most_inside(&place), 3, "the limit holds, and is made use of");
    assert!(most_inside(&wide) > 3, "no other queue is limited by it");
    one.drain().await.unwrap();
    two.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_place_that_is_free_again_is_taken_at_once() {
    let cell = TestCell::new().await;
    cell.client.set_queue("single", QueueLimits::new().concurrency(1)).await.unwrap();
    let single = StartOptions::new().queue("single");
    let plans: Vec<Plan> = (0..4).map(|_| Plan::new()).collect();
    let mut gates = Vec::new();
    for (index, plan) in plans.iter().enumerate() {
        gates.push(world().hang(plan, "book one"));
        cell.start_all::<Steps4>([format!("s{index}")], plan, &single).await;
    }
    let config = WorkerConfig { poll_cap: Duration::from_mins(1), ..WorkerConfig::default() };
    let worker = cell.worker_with(trades::registry(), config).await;
    world().until_met(&plans[0], "book one", 1).await;
    let mut took = Duration::ZERO;
    for next in 1..4 {
        // Pauses double: the look after the one at about 4 s is at about 8 s.
        tokio::time::sleep(Duration::from_millis(4_800)).await;
        gates[next - 1].add_permits(1);
        let freed = tokio::time::Instant::now();
        world().until_met(&plans[next], "book one", 1).await;
        took += freed.elapsed();
    }
    assert!(took < Duration::from_secs(8), "three places were taken after {took:?}");
    gates[3].add_permits(1);
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn two_workers_do_not_claim_from_a_limited_queue_at_once() {
    let cell = TestCell::new().await;
    cell.client.set_queue("narrow", QueueLimits::new().concurrency(3)).await.unwrap();
    // As another worker does while it counts and claims.
    let mut claim = cell.pool.begin().await.unwrap();
    sqlx::query("select queue from queues for update").execute(&mut *claim).await.unwrap();
    let narrow = StartOptions::new().queue("narrow");
    cell.start_all::<Glance>(ids("n", 9), &(), &narrow).await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    for wide in ["w1", "w2"] {
        let run = cell.start::<Glance>(wide, &()).await;
        assert_eq!(cell.ended::<Glance>(run).await.state, "COMPLETED", "others are not held up");
    }
    let untouched = "select count(*) from tasks where epoch = 0";
    assert_eq!(cell.scalar::<i64>(untouched).await, 9, "nobody claims from it meanwhile");
    claim.commit().await.unwrap();
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_limit_that_is_set_while_workers_run_soon_holds_and_a_lifted_one_does_not() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let (before, after) =
        (format!("before {}", cell.database.cell()), format!("after {}", cell.database.cell()));
    let late = StartOptions::new().queue("late");
    cell.client.pause_queue("late").await.unwrap();
    cell.client.set_queue("late", QueueLimits::new().concurrency(2)).await.unwrap();
    cell.start_all::<Visitor>(ids("b", 30), &before, &late).await;
    cell.client.resume_queue("late").await.unwrap();
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    assert_eq!(most_inside(&before), 2, "the limit holds for a worker that was there before it");
    cell.client.set_queue("late", QueueLimits::new()).await.unwrap();
    // A worker knows of it after a poll at the latest; a new one knows at once.
    worker.drain().await.unwrap();
    let worker = cell.worker_with(registry(), forgetful()).await;
    cell.start_all::<Visitor>(ids("a", 60), &after, &late).await;
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    assert!(most_inside(&after) > 2, "a lifted limit limits nothing");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn runs_begin_no_faster_than_the_rate_by_the_database_s_clock() {
    let cell = TestCell::new().await;
    let rate = QueueLimits::new().rate(5, Duration::from_secs(4));
    cell.client.set_queue("slow", rate).await.unwrap();
    cell.start_all::<Glance>(ids("g", 15), &(), &StartOptions::new().queue("slow")).await;
    let one = cell.worker_with(registry(), forgetful()).await;
    let two = cell.worker_with(registry(), forgetful()).await;
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    // Five are there at the start, the others come one each 800 ms.
    let early = "select count(*) from (
          select (output #>> '{}')::timestamptz - min(started_at) over () as after,
            row_number() over (order by output #>> '{}') as place
          from runs
        ) r
        where after < greatest(0, place - 5) * interval '800 ms'";
    assert_eq!(cell.scalar::<i64>(early).await, 0, "no run begins before there is a token for it");
    let took = "select extract(epoch from max(ended_at) - min(started_at))::float8 from runs";
    let took: f64 = cell.scalar(took).await;
    // One for each period would be 40 s.
    assert!(took < 20.0, "and none waits much longer than it must: {took} s for 8 s of tokens");
    one.drain().await.unwrap();
    two.drain().await.unwrap();
}

#[tokio::test]
async fn no_more_runs_than_the_rate_begin_until_there_are_tokens_again() {
    let cell = TestCell::new().await;
    let rate = QueueLimits::new().rate(5, Duration::from_hours(1));
    cell.client.set_queue("slow", rate).await.unwrap();
    cell.start_all::<Glance>(ids("g", 15), &(), &StartOptions::new().queue("slow")).await;
    let one = cell.worker_with(registry(), forgetful()).await;
    let two = cell.worker_with(registry(), forgetful()).await;
    cell.until("five begin and end", "select count(*) = 10 from tasks").await;
    for other in ["o1", "o2", "o3"] {
        let run = cell.start::<Glance>(other, &()).await;
        assert_eq!(cell.ended::<Glance>(run).await.state, "COMPLETED", "other queues are served");
    }
    let untouched = "select count(*) from tasks where epoch = 0";
    assert_eq!(cell.scalar::<i64>(untouched).await, 10, "the others wait for their tokens");
    let rate = QueueLimits::new().rate(5, Duration::from_millis(100));
    cell.client.set_queue("slow", rate).await.unwrap();
    cell.until("they come with a higher rate", "select not exists (select 1 from tasks)").await;
    one.drain().await.unwrap();
    two.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn runs_that_go_on_need_no_token() {
    let cell = TestCell::new().await;
    let rate = QueueLimits::new().rate(2, Duration::from_hours(1));
    cell.client.set_queue("seldom", rate).await.unwrap();
    let seldom = StartOptions::new().queue("seldom");
    let place = "anywhere".to_owned();
    cell.start_all::<Visitor>(ids("o", 1), &place, &seldom).await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    // It rests in between, and so is claimed twice: once with a token to spare, and free of charge.
    cell.until("it ends", "select count(*) = 1 from runs where ended_state is not null").await;
    cell.start_all::<Visitor>(ids("p", 3), &place, &seldom).await;
    // This one goes on when there is no token left.
    cell.until("one more", "select count(*) = 2 from runs where ended_state is not null").await;
    let untouched = "select count(*) from tasks where epoch = 0";
    assert_eq!(cell.scalar::<i64>(untouched).await, 2, "the others wait for their hour");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_full_queue_of_a_high_priority_does_not_hold_up_others() {
    let cell = TestCell::new().await;
    let rate = QueueLimits::new().rate(1, Duration::from_hours(1));
    cell.client.set_queue("full", rate).await.unwrap();
    let full = StartOptions::new().queue("full").priority(makegood::Priority::High);
    cell.start_all::<Glance>(ids("f", 50), &(), &full).await;
    cell.start_all::<Glance>(ids("g", 50), &(), &StartOptions::new()).await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let ended = "select count(*) = 51 from runs where ended_state is not null";
    cell.until("all others end, and the one that may begin", ended).await;
    worker.drain().await.unwrap();
}
