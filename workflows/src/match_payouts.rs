//! What the gateway says it paid out, compared each night with our captures, refunds and ledger.

use activities::reconcile::{
    CheckPayouts, CloseReport, Closed, FindOverdue, ListPayouts, OpenReport, Opened, Opening,
    Overdue, PayoutCheck, PayoutPage, Tally,
};
use chrono::Days;
use domain::ReportKind;
use makegood::{Ctx, Scheduled, Workflow, WorkflowResult};

/// Compares the payouts of the last days; each is looked at on several nights, since the gateway's
/// day is not ours and lines may come late.
pub struct MatchPayouts;

const DAYS: u64 = 3;

impl Workflow for MatchPayouts {
    const NAME: &'static str = "match_payouts";
    type Input = Scheduled<()>;
    type Output = Tally;

    async fn run(ctx: Ctx, Scheduled { at, .. }: Self::Input) -> WorkflowResult<Tally> {
        let report_id = ctx.run_id();
        let opening = Opening { report_id, kind: ReportKind::Payouts, deep_every_secs: 0 };
        if ctx.step::<OpenReport>(&opening).await? == Opened::Busy {
            return Ok(Tally { was_busy: true, ..Tally::default() });
        }
        let mut asked = 0;
        for back in 0..=DAYS {
            let mut page = PayoutPage { day: (at - Days::new(back)).date_naive(), skip: 0 };
            loop {
                let listed = ctx.step::<ListPayouts>(&page).await?;
                page.skip += listed.read;
                asked += listed.read;
                if !listed.lines.is_empty() {
                    let lines = listed.lines;
                    ctx.step::<CheckPayouts>(&PayoutCheck { report_id, lines }).await?;
                }
                if !listed.has_more {
                    break;
                }
            }
        }
        ctx.step::<FindOverdue>(&Overdue { report_id, at }).await?;
        ctx.step::<CloseReport>(&Closed { report_id, asked }).await
    }
}
