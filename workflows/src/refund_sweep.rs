//! Looks through the gateway's refunds by the clock: those made by hand, those that nobody told us of,
//! and those that a made-good checkout left under way get a run of their own.

use activities::refund_sweep::{
    CompareRefunds, FindUnwatched, ListRefunds, RefundPage, WatchRefunds,
};
use activities::refunding::Refunding;
use chrono::TimeDelta;
use makegood::{Ctx, Scheduled, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};

use crate::Refund;

/// Has every refund seen to.
pub struct RefundSweep;

/// What a sweep found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Refunds that the gateway told of.
    pub read: usize,
    /// Refunds that were under way and had nobody to see to them.
    pub unwatched: usize,
    /// Refunds that our books did not know, or knew otherwise.
    pub differing: usize,
}

/// The gateway's longest page: a shorter one is the last.
const PAGE: usize = 100;

impl Workflow for RefundSweep {
    const NAME: &'static str = "refund_sweep";
    /// How far back it looks, in hours.
    type Input = Scheduled<i64>;
    type Output = Swept;

    async fn run(
        ctx: Ctx,
        Scheduled { at, input: hours }: Scheduled<i64>,
    ) -> WorkflowResult<Swept> {
        let unwatched = ctx.step::<FindUnwatched>(&()).await?;
        carry(&ctx, &unwatched)?;
        let watched = unwatched.iter().map(|refund| refund.refund_id).collect();
        ctx.step::<WatchRefunds>(&watched).await?;

        let mut swept = Swept { read: 0, unwatched: unwatched.len(), differing: 0 };
        loop {
            let since = at - TimeDelta::hours(hours);
            let page = ctx.step::<ListRefunds>(&RefundPage { since, skip: swept.read }).await?;
            let differing = ctx.step::<CompareRefunds>(&page).await?;
            carry(&ctx, &differing)?;
            swept.read += page.len();
            swept.differing += differing.len();
            if page.len() < PAGE {
                return Ok(swept);
            }
        }
    }
}

/// A run for each. One that another run sees to as well is written down once all the same.
fn carry(ctx: &Ctx, refunds: &[Refunding]) -> WorkflowResult<()> {
    for refund in refunds {
        ctx.spawn::<Refund>(refund)?;
    }
    Ok(())
}
