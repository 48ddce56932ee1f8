//! Four outside steps, each with its intent recorded before it is called.

use makegood::{Ctx, Workflow, WorkflowResult};

use super::Nothing;

/// Answers the length of all that its steps answered.
pub(crate) struct Steps4;

impl Workflow for Steps4 {
    const NAME: &'static str = "bench_steps4";
    type Input = String;
    type Output = usize;

    async fn run(ctx: Ctx, _: String) -> WorkflowResult<usize> {
        let mut length = 0_usize;
        for _ in 0..4 {
            length = length.saturating_add(ctx.step::<Nothing>(&()).await?.len());
        }
        Ok(length)
    }
}
