//! Money that comes after its checkout has ended: it pays the order after all, or goes back.

use std::time::Duration;

use activities::late_money::{
    AskPerson, FindLateMoney, JudgeLateMoney, Late, Revival, ReviveOrder, Verdict,
};
use activities::orders::PlacedOrder;
use activities::refunds::{FindKept, RecordReturns, ReturnStrays, Returns, Stray};
use makegood::{Ctx, Failure, Forward, LateSignal, Workflow, WorkflowResult};

use crate::Checkout;

/// Takes a payment hint that found its checkout ended.
pub struct LatePayment;

/// When money that is still under way is looked at again: another attempt that may want it ends
/// soon, a payment may take days. A refund that has not left yet is the sweep's business.
const LOOK_AGAIN_SECS: [u64; 10] = [2, 10, 60, 600, 3_600, 43_200, 86_400, 86_400, 86_400, 86_400];

impl Workflow for LatePayment {
    const NAME: &'static str = "late_payment";
    type Input = LateSignal<PlacedOrder>;
    type Output = ();

    async fn run(ctx: Ctx, late: LateSignal<PlacedOrder>) -> WorkflowResult<()> {
        let order = late.input;
        // Nobody can undo that money came: from here on it pays its order or goes back.
        let (_, ctx) = ctx.pivot::<FindKept>(&order).await?;
        let mut looks = LOOK_AGAIN_SECS.into_iter();
        let mut has_asked = false;
        loop {
            let found = ctx.step::<FindLateMoney>(&order).await?;
            let late = Late { order: order.clone(), found, has_asked };
            let mut verdict = ctx.step::<JudgeLateMoney>(&late).await?;
            if verdict == Verdict::Ask {
                has_asked = true;
                verdict = ctx.step::<AskPerson>(&late).await?;
            }
            if verdict == Verdict::Fulfil {
                verdict = fulfil(&ctx, &late).await?;
            }
            if verdict == Verdict::Return {
                verdict = give_back(&ctx, &order).await?;
            }
            match looks.next() {
                Some(pause) if verdict != Verdict::Done => {
                    ctx.sleep(Duration::from_secs(pause)).await?;
                }
                Some(_) | None => return Ok(()),
            }
        }
    }
}

/// Lets another attempt at the order find the money where the first one left it. If that cannot
/// have the stock, the money goes back.
async fn fulfil(ctx: &Forward, late: &Late) -> WorkflowResult<Verdict> {
    let Some(whole) = late.whole() else { return Ok(Verdict::Return) };
    let revival = Revival {
        order: late.order.clone(),
        opened: whole.gateway_order_id.clone(),
        workflow_id: ctx.next_child_id::<Checkout>(),
        hold_id: ctx.uuid().into(),
    };
    let Some(attempt) = ctx.step::<ReviveOrder>(&revival).await? else { return Ok(Verdict::Wait) };
    match ctx.child::<Checkout>(&attempt).await {
        Ok(_) => Ok(Verdict::Done),
        Err(Failure::Rejected(_)) => Ok(Verdict::Return),
        Err(fault) => Err(fault),
    }
}

/// Sends back whatever came in but what the order keeps.
async fn give_back(ctx: &Forward, order: &PlacedOrder) -> WorkflowResult<Verdict> {
    let kept = ctx.step::<FindKept>(order).await?;
    let found = ctx.step::<ReturnStrays>(&Stray { receipt: order.receipt.clone(), kept }).await?;
    let returns = Returns { order: order.clone(), returned: found.returned };
    ctx.step::<RecordReturns>(&returns).await?;
    Ok(if found.open { Verdict::Wait } else { Verdict::Done })
}
