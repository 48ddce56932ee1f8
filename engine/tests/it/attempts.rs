//! Attempts: they count for their own step alone.

use std::sync::atomic::{AtomicU32, Ordering};

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Ctx, Outside, ReadOnly, Registry,
    RetryPolicy, WorkerConfig, Workflow, WorkflowResult,
};

use crate::support::{TestCell, forgetful};
use crate::trades::{Book, Fault, Note, Plan, booking, line, quick, registry, world};

/// Reads something that fails often.
struct Read;

impl Activity for Read {
    const NAME: &'static str = "read";
    type Kind = ReadOnly;
    type Input = String;
    type Output = ();

    async fn run(&self, _: &mut Attempt, trip: String) -> ActivityResult<()> {
        world().meet(&trip, "read")
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy { max_attempts: 25, ..quick() }
    }
}

/// Reads, and writes down what it read.
struct Reading;

impl Workflow for Reading {
    const NAME: &'static str = "reading";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Read>(&plan.trip).await?;
        let (_, _) = ctx.pivot::<Note>(&line(&plan, "paid")).await?;
        Ok(())
    }
}

#[tokio::test]
async fn failed_attempts_of_a_read_do_not_count_against_the_step_behind_it() {
    let cell = TestCell::new().await;
    let registry = registry().workflow::<Reading>().activity(Read);
    let worker = cell.worker_with(registry, WorkerConfig::default()).await;
    let plan = Plan::new();
    world().fail(&plan, "read", &[Fault::Retryable; 8]);
    world().fail(&plan, "note paid", &[Fault::Retryable; 3]);
    let run = cell.start::<Reading>("r1", &plan).await;
    assert_eq!(cell.ended::<Reading>(run).await.state, "COMPLETED");
    assert_eq!(world().times(&plan, "note paid"), 4, "it has all four attempts of its own");
    assert_eq!(world().times(&plan, "read"), 9, "the read's result is kept meanwhile");
    worker.drain().await.unwrap();
}

/// Fails a number of times, or never answers.
struct Moody {
    failures: AtomicU32,
    is_mute: bool,
}

impl Activity for Moody {
    const NAME: &'static str = "moody";
    type Kind = Outside;
    type Input = String;
    type Output = ();

    async fn run(&self, _: &mut Attempt, trip: String) -> ActivityResult<()> {
        world().meet(&trip, "moody")?;
        if self.is_mute {
            std::future::pending::<()>().await;
        }
        let left =
            self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        left.map_or(Ok(()), |_| Err(ActivityError::retryable("not now")))
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

/// Three steps, of which the first and the last can fail.
struct Survivor;

impl Workflow for Survivor {
    const NAME: &'static str = "survivor";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Read>(&plan.trip).await?;
        ctx.step::<Book>(&booking(&plan, "van")).await?;
        ctx.step::<Moody>(&plan.trip).await
    }
}

fn survivors(failures: u32, is_mute: bool) -> Registry {
    let moody = Moody { failures: AtomicU32::new(failures), is_mute };
    registry().workflow::<Survivor>().activity(Read).activity(moody)
}

#[tokio::test]
async fn attempts_of_an_earlier_step_do_not_count_after_a_takeover() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    world().fail(&plan, "read", &[Fault::Retryable; 3]);
    let first = cell.worker_with(survivors(0, true), forgetful()).await;
    let run = cell.start::<Survivor>("s1", &plan).await;
    world().until_met(&plan, "moody", 1).await;
    drop(first);
    let second = cell.worker_with(survivors(3, false), forgetful()).await;
    assert_eq!(cell.ended::<Survivor>(run).await.state, "COMPLETED");
    assert_eq!(world().times(&plan, "moody"), 5, "four attempts are the next owner's");
    second.drain().await.unwrap();
}
