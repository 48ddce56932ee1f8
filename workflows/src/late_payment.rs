//! Money that comes after its checkout has ended goes back; the payment that an order keeps stays.

use activities::orders::PlacedOrder;
use activities::refunds::{FindStray, RecordReturns, ReturnStrays, Returns};
use makegood::{Ctx, LateSignal, Workflow, WorkflowResult};

/// Takes a payment hint that found its checkout ended.
pub struct LatePayment;

impl Workflow for LatePayment {
    const NAME: &'static str = "late_payment";
    type Input = LateSignal<PlacedOrder>;
    type Output = usize;

    async fn run(ctx: Ctx, late: LateSignal<PlacedOrder>) -> WorkflowResult<usize> {
        let order = late.input;
        let Some(stray) = ctx.step::<FindStray>(&order).await? else {
            return Ok(0); // No order at the gateway was ever shown to anybody.
        };
        let returned = ctx.step::<ReturnStrays>(&stray).await?;
        ctx.step::<RecordReturns>(&Returns { order, returned }).await
    }
}
