//! The comparison of our books with the gateway, by the clock: whatever got lost on the way (a
//! webhook, a browser, a worker) is found here, and told to the saga whose it is.

use activities::reconcile::{
    AskGateway, AwaitedPage, Check, CheckBooks, CloseReport, Closed, FindAwaited, FindUnknown,
    Findings, ListCaptures, MatchReceipts, News, OpenReport, Opened, Opening, Question,
    ReadReceipts, RecordFindings, Tally, TellCheckouts, Window,
};
use chrono::TimeDelta;
use domain::ReportKind;
use makegood::{Ctx, Scheduled, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Checkout;

/// Asks the gateway about every payment that is awaited and every capture that we do not know.
pub struct Reconcile;

/// How a comparison is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconcileRule {
    /// How old a payment is before anybody asks, in seconds: younger ones have their webhook yet to
    /// come.
    pub age_secs: u32,
    /// How old the last look at the whole time of late money may be before another is due; 0 looks
    /// at all of it now.
    pub deep_every_secs: u32,
}

impl Workflow for Reconcile {
    const NAME: &'static str = "reconcile";
    type Input = Scheduled<ReconcileRule>;
    type Output = Tally;

    async fn run(ctx: Ctx, Scheduled { at, input }: Self::Input) -> WorkflowResult<Tally> {
        let ReconcileRule { age_secs, deep_every_secs } = input;
        let report_id = ctx.run_id();
        let opening = Opening { report_id, kind: ReportKind::Books, deep_every_secs };
        let Opened::Open { since, is_deep } = ctx.step::<OpenReport>(&opening).await? else {
            return Ok(Tally { was_busy: true, ..Tally::default() });
        };
        let mut asked = 0;

        let mut page = AwaitedPage { age_secs, after: None };
        loop {
            let awaited = ctx.step::<FindAwaited>(&page).await?;
            let Some(last) = awaited.last() else { break };
            page.after = Some(last.payment_id);
            asked += awaited.len();
            let said = ctx.step::<AskGateway>(&Question { report_id, awaited }).await?;
            tell(&ctx, report_id, said.news).await?;
            record(&ctx, report_id, said.findings).await?;
        }

        let to = at - TimeDelta::seconds(age_secs.into());
        let mut window = Window { from: since, to, skip: 0 };
        loop {
            let listed = ctx.step::<ListCaptures>(&window).await?;
            window.skip += listed.read;
            asked += listed.read;
            if !listed.captured.is_empty() {
                let unknown = ctx.step::<FindUnknown>(&listed.captured).await?;
                tell(&ctx, report_id, unknown.news).await?;
                if !unknown.strangers.is_empty() {
                    let named = ctx.step::<ReadReceipts>(&unknown.strangers).await?;
                    let (news, findings) = ctx.step::<MatchReceipts>(&named).await?;
                    tell(&ctx, report_id, news).await?;
                    record(&ctx, report_id, findings).await?;
                }
            }
            if !listed.has_more {
                break;
            }
        }

        ctx.step::<CheckBooks>(&Check { report_id, is_deep }).await?;
        ctx.step::<CloseReport>(&Closed { report_id, asked }).await
    }
}

async fn tell(ctx: &Ctx, report_id: Uuid, news: Vec<News>) -> WorkflowResult<()> {
    if news.is_empty() {
        return Ok(());
    }
    let findings = ctx.step::<TellCheckouts<Checkout>>(&news).await?;
    record(ctx, report_id, findings).await
}

async fn record(
    ctx: &Ctx,
    report_id: Uuid,
    findings: Vec<activities::reconcile::Finding>,
) -> WorkflowResult<()> {
    if !findings.is_empty() {
        ctx.step::<RecordFindings>(&Findings { report_id, findings }).await?;
    }
    Ok(())
}
