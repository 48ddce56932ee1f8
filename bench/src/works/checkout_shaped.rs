//! The shape of a checkout without its shop: three outside steps, a signal, one outside step.

use makegood::{Ctx, Signal, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};

use super::{Nothing, OUTPUT_LENGTH, PATIENCE};

/// Answers the length of all that its steps and its signal said.
pub(crate) struct CheckoutShaped;

/// The word that a run waits for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Go {
    payment: String,
}

impl Default for Go {
    fn default() -> Self {
        Self { payment: "p".repeat(OUTPUT_LENGTH) }
    }
}

impl Signal for Go {
    const KIND: &'static str = "bench_go";
}

impl Workflow for CheckoutShaped {
    const NAME: &'static str = "bench_checkout_shaped";
    type Input = String;
    type Output = usize;

    async fn run(ctx: Ctx, _: String) -> WorkflowResult<usize> {
        let mut length = 0_usize;
        for _ in 0..3 {
            length = length.saturating_add(ctx.step::<Nothing>(&()).await?.len());
        }
        if let Some(go) = ctx.signal::<Go>().within(PATIENCE).await? {
            length = length.saturating_add(go.payment.len());
        }
        Ok(length.saturating_add(ctx.step::<Nothing>(&()).await?.len()))
    }
}
