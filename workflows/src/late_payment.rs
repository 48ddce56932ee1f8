//! Money that comes after its checkout has ended goes back; the payment that an order keeps stays.

use std::time::Duration;

use activities::orders::PlacedOrder;
use activities::refunds::{FindKept, RecordReturns, ReturnStrays, Returns, Stray};
use makegood::{Ctx, LateSignal, Workflow, WorkflowResult};

/// Takes a payment hint that found its checkout ended.
pub struct LatePayment;

/// When a payment or a refund that is still under way is looked at again: both may take days.
const LOOK_AGAIN_SECS: [u64; 8] = [60, 600, 3_600, 43_200, 86_400, 86_400, 86_400, 86_400];

impl Workflow for LatePayment {
    const NAME: &'static str = "late_payment";
    type Input = LateSignal<PlacedOrder>;
    type Output = usize;

    async fn run(ctx: Ctx, late: LateSignal<PlacedOrder>) -> WorkflowResult<usize> {
        let order = late.input;
        let kept = ctx.step::<FindKept>(&order).await?;
        let stray = Stray { receipt: order.receipt.clone(), kept };
        let mut looks = LOOK_AGAIN_SECS.into_iter();
        loop {
            let found = ctx.step::<ReturnStrays>(&stray).await?;
            let is_under_way = found.is_under_way();
            let returns = Returns { order: order.clone(), returned: found.returned };
            let returned = ctx.step::<RecordReturns>(&returns).await?;
            match looks.next() {
                Some(pause) if is_under_way => ctx.sleep(Duration::from_secs(pause)).await?,
                Some(_) | None => return Ok(returned),
            }
        }
    }
}
