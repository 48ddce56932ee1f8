//! Named queues: who serves them, what pauses them, and what people see of them.

use std::time::Duration;

use makegood::{
    Ctx, Error, QueueLimits, Rate, StartOptions, WorkerConfig, Workflow, WorkflowResult,
};

use crate::support::TestCell;
use crate::trades::{Book, Parcel, Plan, Steps4, Waiting, booking, registry, world};

fn queue(name: &str) -> StartOptions {
    StartOptions::new().queue(name)
}

async fn start(cell: &TestCell, id: &str, options: &StartOptions) {
    cell.start_all::<Steps4>([id.to_owned()], &Plan::new(), options).await;
}

fn ended(id: &str) -> String {
    format!(
        "select exists (select 1 from runs where workflow_id = '{id}' and ended_at is not null)"
    )
}

/// How many runs were never claimed.
async fn untouched(cell: &TestCell) -> i64 {
    cell.scalar("select count(*) from tasks where epoch = 0").await
}

#[tokio::test]
async fn a_worker_serves_only_its_queues() {
    let cell = TestCell::new().await;
    start(&cell, "a", &queue("a")).await;
    start(&cell, "b", &queue("b")).await;
    let config = WorkerConfig { queues: vec!["b".to_owned()], ..WorkerConfig::default() };
    let worker = cell.worker_with(registry(), config).await;
    cell.until("its own is driven", &ended("b")).await;
    assert_eq!(untouched(&cell).await, 1, "the other queue's is not");
    let all = cell.worker().await;
    cell.until("a worker without a list serves all", &ended("a")).await;
    worker.drain().await.unwrap();
    all.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn nothing_is_claimed_from_a_paused_queue_until_it_is_resumed() {
    let cell = TestCell::new().await;
    cell.client.pause_queue("p").await.unwrap();
    let worker = cell.worker().await;
    start(&cell, "p", &queue("p")).await;
    start(&cell, "q", &queue("q")).await;
    cell.until("other queues are served", &ended("q")).await;
    start(&cell, "r", &queue("r")).await;
    cell.until("and again", &ended("r")).await;
    assert_eq!(untouched(&cell).await, 1, "the paused one is not");
    cell.client.resume_queue("p").await.unwrap();
    cell.until("it is served again", &ended("p")).await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_paused_queue_with_limits_keeps_them_and_a_pause_survives_new_limits() {
    let cell = TestCell::new().await;
    let limits = QueueLimits::new().concurrency(3).rate(7, Duration::from_mins(1));
    cell.client.set_queue("p", limits).await.unwrap();
    cell.client.pause_queue("p").await.unwrap();
    let listed = cell.client.queues().await.unwrap();
    let p = listed.iter().find(|queue| queue.name == "p").unwrap();
    assert_eq!((p.limits, p.paused), (limits, true));
    cell.client.set_queue("p", QueueLimits::new().concurrency(4)).await.unwrap();
    let listed = cell.client.queues().await.unwrap();
    assert!(listed.iter().any(|q| q.paused && q.limits == QueueLimits::new().concurrency(4)));
}

#[tokio::test]
async fn people_see_what_is_in_a_queue() {
    let cell = TestCell::new().await;
    cell.client.pause_queue("late").await.unwrap();
    start(&cell, "l1", &queue("late")).await;
    start(&cell, "l2", &queue("late").share("other")).await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 600_000 };
    cell.start::<Parcel>("p1", &waiting).await;
    let worker = cell.worker().await;
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    let seen = cell.client.queues().await.unwrap();
    let counts: Vec<_> =
        seen.iter().map(|q| (q.name.as_str(), q.paused, q.due, q.later, q.held)).collect();
    assert_eq!(counts, [("default", false, 0, 1, 0), ("late", true, 2, 0, 0)]);
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_start_that_is_rolled_back_leaves_no_lane_that_is_only_remembered() {
    let cell = TestCell::new().await;
    let mut tx = cell.pool.begin().await.unwrap();
    let options = queue("new").share("tenant-1");
    let plan = Plan::new();
    cell.client.start_with::<Steps4>(&mut tx, "s1", &plan, &options).await.unwrap();
    tx.rollback().await.unwrap();
    let worker = cell.worker().await;
    start(&cell, "s1", &options).await;
    cell.until("the same client's next start is found", &ended("s1")).await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_run_keeps_the_queue_that_it_was_started_in() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    cell.start_all::<Steps4>(["s1".to_owned()], &plan, &queue("first")).await;
    cell.start_all::<Steps4>(["s1".to_owned()], &plan, &queue("second")).await;
    let found = "select l.queue from tasks k join lanes l on l.lane = k.lane";
    assert_eq!(cell.scalar::<String>(found).await, "first", "the same id is the same run");
}

#[tokio::test]
async fn names_and_limits_out_of_range_are_refused_with_a_reason() {
    let cell = TestCell::new().await;
    let mut tx = cell.pool.begin().await.unwrap();
    for options in [queue(""), queue(&"q".repeat(101)), StartOptions::new().share("s".repeat(101))]
    {
        let refused = cell.client.start_with::<Steps4>(&mut tx, "s", &Plan::new(), &options).await;
        assert!(matches!(refused, Err(Error::Queue(_))), "{options:?}: {refused:?}");
    }
    let zero = Rate { starts: 1, per: Duration::ZERO };
    for limits in [
        QueueLimits::new().concurrency(0),
        QueueLimits::new().concurrency(u32::MAX),
        QueueLimits::new().rate(0, Duration::from_secs(1)),
        QueueLimits { rate: Some(zero), ..QueueLimits::default() },
        QueueLimits::new().rate(1, Duration::MAX),
    ] {
        let refused = cell.client.set_queue("q", limits).await;
        assert!(matches!(refused, Err(Error::Queue(_))), "{limits:?}: {refused:?}");
    }
}

/// Naps, and then books.
struct Nap;

impl Workflow for Nap {
    const NAME: &'static str = "nap";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.sleep(Duration::from_mins(10)).await?;
        ctx.step::<Book>(&booking(&plan, "breakfast")).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_rate_slows_the_runs_that_begin_and_not_those_that_go_on() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "before book breakfast");
    let worker = cell.worker_with(registry().workflow::<Nap>(), WorkerConfig::default()).await;
    let naps = (0..80).map(|index| format!("n{index}"));
    cell.start_all::<Nap>(naps, &plan, &queue("slow")).await;
    cell.until("all nap", "select count(*) = 80 from tasks where state = 'WAITING'").await;
    cell.client
        .set_queue("slow", QueueLimits::new().rate(1, Duration::from_hours(1)))
        .await
        .unwrap();
    // The worker learns of the limits with this one, which uses the rate up.
    cell.start_all::<Nap>(["first".to_owned()], &plan, &queue("slow")).await;
    cell.until("it begins", "select count(*) = 81 from tasks where state = 'WAITING'").await;
    cell.execute("update queues set empty_at = '-infinity'").await;
    cell.execute(
        "update tasks k
         set due_at = now(),
             waits = (select jsonb_object_agg(key, '2001-01-01T00:00:00Z') from jsonb_object_keys(k.waits) key)",
    )
    .await;
    cell.client.wake();
    cell.until("all go on", "select count(*) = 81 from tasks where owner is not null").await;
    // A claim writes the row, and what follows up to the booking does not.
    let claims = "select count(distinct xmin::text) from tasks where owner is not null";
    let claims: i64 = cell.scalar(claims).await;
    assert!(claims < 20, "they were not claimed one by one: {claims}");
    gate.add_permits(1_000);
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn how_a_queue_stands_is_told_without_a_look_at_every_run_that_waits() {
    let cell = TestCell::new().await;
    start(&cell, "one", &queue("q")).await;
    cell.execute(
        "insert into tasks (run_id, lane, state, waits, due_at)
         select gen_random_uuid(), l.lane, 'WAITING', '{}', now() + interval '1 hour'
         from lanes l, generate_series(1, 5000)",
    )
    .await;
    cell.execute("update tasks set due_at = now() - interval '90 s' where state = 'RUNNING'").await;
    cell.execute("analyze tasks").await;
    let mut tx = cell.pool.begin().await.unwrap();
    let read = "select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables
                where schemaname = current_schema() and relname = 'tasks'";
    // What the connection read before is counted until it is reported.
    let before: i64 = sqlx::query_scalar(read).fetch_one(&mut *tx).await.unwrap();
    let status = makegood::inspect::status(&mut tx).await.unwrap();
    assert!((90..200).contains(&status.oldest_due_secs), "{status:?}");
    let after: i64 = sqlx::query_scalar(read).fetch_one(&mut *tx).await.unwrap();
    let read = after - before;
    assert!(read < 6_000, "each run is counted once, and not looked at again: {read}");
    let seen = cell.client.queues().await.unwrap();
    let counts: Vec<_> = seen.iter().map(|q| (q.name.as_str(), q.due, q.later)).collect();
    assert_eq!(counts, [("q", 1, 5_000)]);
}
