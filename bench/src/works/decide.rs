//! Who gets the last units: the shop's own first step, and its end when there are none left.
//! Leaves out the gateway: a run ends with its hold, or closed.

use activities::orders::{CloseOrder, PlacedOrder};
use activities::stock::{Hold, ReserveStock};
use domain::HoldId;
use makegood::{Closing, Ctx, Workflow, WorkflowResult};

/// Decides one order.
pub(crate) struct Decide;

impl Workflow for Decide {
    const NAME: &'static str = "bench_decide";
    type Input = PlacedOrder;
    type Output = HoldId;

    async fn run(ctx: Ctx, order: PlacedOrder) -> WorkflowResult<HoldId> {
        let hold = Hold {
            order_id: order.order_id,
            tenant_id: order.tenant_id,
            hold_id: order.hold_id,
            lines: order.lines,
            expires_at: order.expires_at,
        };
        ctx.step::<ReserveStock>(&hold).await
    }

    fn closing() -> Option<Closing<Self>> {
        Some(Closing::by::<CloseOrder>())
    }
}
