//! How long an activity is waited for: per attempt, per silence, and for all attempts together.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Ctx, Outside, Registry, RetryPolicy,
    Workflow, WorkflowResult,
};

use crate::support::TestCell;
use crate::trades::registry;

/// Works longer than it may be silent; its first attempts forget to say that they are alive.
struct Dig {
    silent: AtomicU32,
}

const SILENCE: Duration = Duration::from_millis(150);

impl Activity for Dig {
    const NAME: &'static str = "dig";
    type Kind = Outside;
    type Input = ();
    type Output = u32;

    async fn run(&self, attempt: &mut Attempt, (): ()) -> ActivityResult<u32> {
        if self.silent.load(Ordering::SeqCst) > 0 {
            self.silent.fetch_sub(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        for _ in 0..20 {
            attempt.heartbeat();
            tokio::time::sleep(SILENCE / 5).await;
        }
        Ok(attempt.number)
    }

    fn heartbeat(&self) -> Option<Duration> {
        Some(SILENCE)
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy { initial: Duration::from_millis(1), ..RetryPolicy::attempts(3) }
    }
}

struct Garden;

impl Workflow for Garden {
    const NAME: &'static str = "garden";
    type Input = ();
    type Output = u32;

    async fn run(ctx: Ctx, (): ()) -> WorkflowResult<u32> {
        ctx.step::<Dig>(&()).await
    }
}

/// Never succeeds, and has no number of attempts to use up.
struct Wish;

impl Activity for Wish {
    const NAME: &'static str = "wish";
    type Kind = Outside;
    type Input = ();
    type Output = ();

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<()> {
        Err(ActivityError::retryable("not yet"))
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy {
            max_elapsed: Some(Duration::from_millis(300)),
            ..RetryPolicy::every(Duration::from_millis(20))
        }
    }
}

struct Dream;

impl Workflow for Dream {
    const NAME: &'static str = "dream";
    type Input = ();
    type Output = ();

    async fn run(ctx: Ctx, (): ()) -> WorkflowResult<()> {
        ctx.step::<Wish>(&()).await
    }
}

/// Knows that nobody is at home, and does not even knock, so many times.
struct Knock {
    away: AtomicU32,
}

impl Activity for Knock {
    const NAME: &'static str = "knock";
    type Kind = Outside;
    type Input = ();
    type Output = u32;

    async fn run(&self, attempt: &mut Attempt, (): ()) -> ActivityResult<u32> {
        if self.away.load(Ordering::SeqCst) > 0 {
            self.away.fetch_sub(1, Ordering::SeqCst);
            let after = Duration::from_millis(20);
            return Err(ActivityError::NotTried { message: "nobody is in".to_owned(), after });
        }
        Ok(attempt.number)
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy::never()
    }
}

struct Visit;

impl Workflow for Visit {
    const NAME: &'static str = "visit";
    type Input = ();
    type Output = u32;

    async fn run(ctx: Ctx, (): ()) -> WorkflowResult<u32> {
        ctx.step::<Knock>(&()).await
    }
}

fn gardens(silent: u32) -> Registry {
    let dig = Dig { silent: AtomicU32::new(silent) };
    registry().workflow::<Garden>().workflow::<Dream>().activity(dig).activity(Wish)
}

#[tokio::test]
async fn what_was_not_tried_is_tried_later_and_counts_no_attempt() {
    let cell = TestCell::new().await;
    for (id, short_wait) in [("memory", Duration::from_secs(1)), ("table", Duration::ZERO)] {
        let config = makegood::WorkerConfig { short_wait, ..makegood::WorkerConfig::default() };
        let knock = Knock { away: AtomicU32::new(5) };
        let visits = registry().workflow::<Visit>().activity(knock);
        let worker = cell.worker_with(visits, config).await;
        let run = cell.start::<Visit>(id, &()).await;
        assert_eq!(cell.ended::<Visit>(run).await.output, Some(1), "{id}: the first is the first");
        worker.drain().await.unwrap();
    }
}

#[tokio::test]
async fn an_attempt_that_says_it_is_alive_may_take_longer_than_its_silence() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(gardens(0), makegood::WorkerConfig::default()).await;
    let run = cell.start::<Garden>("g1", &()).await;
    assert_eq!(cell.ended::<Garden>(run).await.output, Some(1), "the first attempt succeeds");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_silent_attempt_is_given_up_and_made_again() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(gardens(2), makegood::WorkerConfig::default()).await;
    let run = cell.start::<Garden>("g1", &()).await;
    assert_eq!(cell.ended::<Garden>(run).await.output, Some(3), "two were silent");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn an_attempt_that_stays_silent_to_the_last_needs_a_person() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(gardens(9), makegood::WorkerConfig::default()).await;
    let run = cell.start::<Garden>("g1", &()).await;
    assert_eq!(cell.incident(run).await, "unknown_outcome: no heartbeat within 150ms");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn no_attempt_is_made_after_the_longest_time_for_all_of_them() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    worker.drain().await.unwrap();
    // Short pauses pass in memory, long ones leave it: the time counts across both.
    for (id, short_wait) in [("memory", Duration::from_secs(1)), ("table", Duration::ZERO)] {
        let config = makegood::WorkerConfig { short_wait, ..makegood::WorkerConfig::default() };
        let worker = cell.worker_with(gardens(0), config).await;
        let run = cell.start::<Dream>(id, &()).await;
        assert_eq!(cell.incident(run).await, "retries_used_up: not yet");
        let took: bool = cell
            .scalar(&format!(
                "select opened_at - r.started_at >= interval '250 ms'
                 from incidents i join runs r on r.run_id = i.run_id where r.workflow_id = '{id}'"
            ))
            .await;
        assert!(took, "it was tried for as long as it may take");
        worker.drain().await.unwrap();
    }
}
