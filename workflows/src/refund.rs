//! A refund: asked for at the gateway, followed until the money has left, written down.

use std::time::Duration;

use activities::refunding::{
    AskRefund, Asking, BookRefund, Booking, CloseRefund, FindRefund, LookAfterRefund, News,
    ReadRefund, RefundHint, Refunding,
};
use domain::RefundStatus;
use makegood::{Closing, Ctx, Forward, Late, LateSignal, Workflow, WorkflowResult};

/// Carries one refund to processed or failed. It takes days, and every webhook may be lost.
pub struct Refund;

/// When a refund that is under way is looked at again, and how often after that, without end.
const LOOK_AGAIN_SECS: [u64; 6] = [60, 120, 300, 900, 3_600, 21_600];
const THEN_EVERY_SECS: u64 = 43_200;

impl Workflow for Refund {
    const NAME: &'static str = "refund";
    type Input = Refunding;
    type Output = RefundStatus;

    async fn run(ctx: Ctx, refund: Refunding) -> WorkflowResult<RefundStatus> {
        let mut asking = Asking { refund, round: 0 };
        let (mut news, ctx) = ctx.pivot::<AskRefund>(&asking).await?;
        let mut pauses = LOOK_AGAIN_SECS.into_iter();
        let mut pause = pauses.next().unwrap_or(THEN_EVERY_SECS);
        loop {
            let booking = Booking { refund: asking.refund.clone(), news };
            let status = ctx.step::<BookRefund>(&booking).await?;
            if status != RefundStatus::Pending {
                return look_after(&ctx, &asking.refund, status).await;
            }
            // News does not make the next look later: it may be that nothing is decided yet.
            if ctx.signal::<RefundHint>().within(Duration::from_secs(pause)).await?.is_none() {
                pause = pauses.next().unwrap_or(THEN_EVERY_SECS);
            }
            news = match booking.news {
                News::Stands(standing) => {
                    let names = (standing.gateway_payment_id, standing.gateway_refund_id);
                    ctx.step::<ReadRefund>(&names).await?
                }
                News::NotNow { .. } | News::Refused { .. } => {
                    asking.round += 1;
                    ctx.step::<AskRefund>(&asking).await?
                }
            };
        }
    }

    fn closing() -> Option<Closing<Self>> {
        Some(Closing::by::<CloseRefund>())
    }

    fn late_signal() -> Option<Late<Self>> {
        // News of what it has settled already concerns nobody; a bank may yet refuse what had left.
        Some(Late::to::<LateRefund>().unless::<RefundHint>(|ended: &RefundStatus, hint| {
            *ended == RefundStatus::Failed || hint.status != RefundStatus::Failed
        }))
    }
}

/// Takes a hint that found its refund ended: what had left may have come back.
pub struct LateRefund;

impl Workflow for LateRefund {
    const NAME: &'static str = "late_refund";
    type Input = LateSignal<Refunding>;
    type Output = RefundStatus;

    async fn run(ctx: Ctx, late: LateSignal<Refunding>) -> WorkflowResult<RefundStatus> {
        let refund = late.input;
        let Some(made) = ctx.step::<FindRefund>(&refund.refund_id).await? else {
            return Ok(RefundStatus::Failed);
        };
        let news = ctx.step::<ReadRefund>(&(refund.gateway_payment_id.clone(), made)).await?;
        let (status, ctx) =
            ctx.pivot::<BookRefund>(&Booking { refund: refund.clone(), news }).await?;
        look_after(&ctx, &refund, status).await
    }
}

async fn look_after(
    ctx: &Forward,
    refund: &Refunding,
    status: RefundStatus,
) -> WorkflowResult<RefundStatus> {
    if status == RefundStatus::Failed {
        ctx.step::<LookAfterRefund>(refund).await?;
    }
    Ok(status)
}
