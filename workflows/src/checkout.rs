//! The checkout: reserve stock, open the payment, await it, then settle, or make good.

use activities::hints::PaymentHint;
use activities::notify::AnnounceOrder;
use activities::orders::{CloseOrder, PlacedOrder, Reason};
use activities::payments::{
    CapturePayment, CreateGatewayOrder, OpenPayment, Paid, ReadPayment, Reading, Session,
};
use activities::refunds::{RecordReturns, ReturnCaptures, ReturnStrays, Returns, Stray};
use activities::settlement::{SettlePayment, Settlement};
use activities::stock::{Hold, ReleaseStock, ReserveStock};
use domain::OrderId;
use makegood::{Closing, Ctx, Late, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};

use crate::LatePayment;

/// Carries one order from its placing to paid, or to the equivalent of never having been placed.
pub struct Checkout;

impl Workflow for Checkout {
    const NAME: &'static str = "checkout";
    type Input = PlacedOrder;
    type Output = Receipt;

    async fn run(ctx: Ctx, order: PlacedOrder) -> WorkflowResult<Receipt> {
        ctx.step::<ReserveStock>(&hold(&order)).undo::<ReleaseStock>().await?;
        let gateway_order_id =
            ctx.step::<CreateGatewayOrder>(&order).undo::<ReturnCaptures>().await?;
        let session = Session { order, gateway_order_id };
        ctx.step::<OpenPayment>(&session).await?;

        let (paid, strays) = loop {
            let hint = ctx.signal::<PaymentHint>().until(session.order.expires_at).await?;
            // The gateway's word counts, not the browser's; and it may know what no hint told us.
            match ctx.step::<ReadPayment>(&session).await? {
                Reading::Captured { paid, strays } => break (paid, strays),
                Reading::Authorized { paid } => {
                    ctx.step::<CapturePayment>(&paid).await?;
                    break (paid, false);
                }
                Reading::Failed { why } => return ctx.make_good(Reason::PaymentFailed { why }),
                Reading::Pending => match hint {
                    None => return ctx.make_good(Reason::Expired),
                    Some(hint) if hint.forged => return ctx.make_good(bad_signature()),
                    Some(_) => {}
                },
            }
        };

        let settlement = Settlement { session, paid };
        let (_, ctx) = ctx.pivot::<SettlePayment>(&settlement).await?;
        ctx.step::<AnnounceOrder>(&settlement.session.order).await?;
        if strays {
            let returned = ctx.step::<ReturnStrays>(&beside(&settlement)).await?.returned;
            let order = settlement.session.order.clone();
            ctx.step::<RecordReturns>(&Returns { order, returned }).await?;
        }
        Ok(receipt(settlement))
    }

    fn closing() -> Option<Closing<Self>> {
        Some(Closing::by::<CloseOrder>())
    }

    fn late_signal() -> Option<Late<Self>> {
        Some(Late::to::<LatePayment>().unless::<PaymentHint>(|receipt: &Receipt, hint| {
            hint.gateway_payment_id.as_ref() == Some(&receipt.paid.gateway_payment_id)
        }))
    }
}

/// What a completed checkout ends with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The order.
    pub order_id: OrderId,
    /// The payment that pays it.
    pub paid: Paid,
}

fn hold(order: &PlacedOrder) -> Hold {
    Hold {
        order_id: order.order_id,
        tenant_id: order.tenant_id.clone(),
        hold_id: order.hold_id,
        lines: order.lines.clone(),
        expires_at: order.expires_at,
    }
}

fn bad_signature() -> Reason {
    Reason::PaymentFailed { why: "bad_signature".to_owned() }
}

fn beside(settled: &Settlement) -> Stray {
    let kept = Some(settled.paid.gateway_payment_id.clone());
    Stray { receipt: settled.session.order.receipt.clone(), kept }
}

fn receipt(settled: Settlement) -> Receipt {
    Receipt { order_id: settled.session.order.order_id, paid: settled.paid }
}
