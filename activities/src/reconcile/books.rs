//! Our own tables, looked at without the gateway: what a run or an order left behind.

use makegood::{Activity, ActivityResult, InTransaction, inspect};
use metrics::counter;
use serde::{Deserialize, Serialize};
use store::{Conn, audit, reconciliation, stock, webhooks};
use uuid::Uuid;

use super::{fixed, flagged};

/// The most of one kind that one look finds.
const MOST: i64 = 100;

/// Dedupe of webhooks lasts longer than the gateway's replays, which reach back 15 days.
const KEEP_WEBHOOKS_SECS: i64 = 30 * 86_400;

/// A payment may come in for 3 days, 5 by some of the gateway's pages; its webhook may be early
/// that long, never longer.
const AWAIT_MATCH_SECS: i64 = 6 * 86_400;

/// Which look is taken, and for which report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Check {
    /// The report.
    pub report_id: Uuid,
    /// Whether all invariants are asked too, the engine's and the shop's, which reads whole tables.
    pub is_deep: bool,
}

/// Looks at holds, orders and invariants, releases what nobody will release, and forgets webhooks
/// that are done with.
pub struct CheckBooks;

impl Activity for CheckBooks {
    const NAME: &'static str = "check_books";
    type Kind = InTransaction;
    type Input = Check;
    type Output = usize;

    async fn run(&self, tx: &mut Conn, check: Check) -> ActivityResult<usize> {
        let mut findings = Vec::new();
        let leftovers = reconciliation::leftover_holds(tx, MOST).await?;
        for hold in stock::release(tx, &leftovers).await? {
            findings.push(fixed("leftover_hold", &hold, "its order has ended: released"));
        }
        for order in reconciliation::orders_without_run(tx, MOST).await? {
            let detail = "it waits, and no live run carries it";
            findings.push(flagged("order_without_run", &order, detail));
        }
        for order in reconciliation::late_orders(tx, MOST).await? {
            let detail = "it waits past its deadline: see its run";
            findings.push(flagged("order_past_deadline", &order, detail));
        }
        if check.is_deep {
            let before = findings.len();
            for broken in audit::violations(tx).await? {
                findings.push(flagged(broken.invariant, &broken.subject, broken.detail));
            }
            for broken in inspect::faults(tx).await? {
                findings.push(flagged(broken.invariant, &broken.subject, broken.detail));
            }
            let broken = u64::try_from(findings.len().saturating_sub(before)).unwrap_or(u64::MAX);
            counter!("makegood_promises_broken_total").increment(broken);
        }
        reconciliation::add_findings(tx, check.report_id, &findings).await?;
        webhooks::give_up(tx, AWAIT_MATCH_SECS).await?;
        webhooks::forget(tx, KEEP_WEBHOOKS_SECS, 5_000).await?;
        Ok(findings.len())
    }
}
