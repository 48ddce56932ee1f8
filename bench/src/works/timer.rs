//! Sleeps until a time, by the database's clock.

use chrono::{DateTime, Utc};
use makegood::{Ctx, Workflow, WorkflowResult};

/// Ends when it is due.
pub(crate) struct Timer;

impl Workflow for Timer {
    const NAME: &'static str = "bench_timer";
    type Input = DateTime<Utc>;
    type Output = ();

    async fn run(ctx: Ctx, due: DateTime<Utc>) -> WorkflowResult<()> {
        ctx.sleep_until(due).await
    }
}
