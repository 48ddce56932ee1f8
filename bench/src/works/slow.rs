//! One outside step whose other side takes its time.

use std::time::Duration;

use makegood::{Activity, ActivityResult, Attempt, Ctx, Outside, Workflow, WorkflowResult};

/// Ends when its call is answered.
pub(crate) struct Slow;

impl Workflow for Slow {
    const NAME: &'static str = "bench_slow";
    type Input = ();
    type Output = ();

    async fn run(ctx: Ctx, (): ()) -> WorkflowResult<()> {
        ctx.step::<SlowCall>(&()).await
    }
}

/// Answers after so long, which each worker is told for itself.
pub(super) struct SlowCall(pub(super) Duration);

impl Activity for SlowCall {
    const NAME: &'static str = "bench_slow_call";
    type Kind = Outside;
    type Input = ();
    type Output = ();

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<()> {
        tokio::time::sleep(self.0).await;
        Ok(())
    }

    fn timeout(&self) -> Duration {
        self.0.saturating_add(Duration::from_mins(1))
    }
}
