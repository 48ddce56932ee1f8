//! What the gateway says it paid out, line by line beside our captures, refunds and ledger.
//! It corrects nothing: a line that does not agree is a person's.

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Utc};
use makegood::{Activity, ActivityResult, Attempt, InTransaction, ReadOnly, RetryPolicy};
use serde::{Deserialize, Serialize};
use store::payouts::{self, PayoutLine};
use store::{Conn, reconciliation};
use uuid::Uuid;

use super::{flagged, order_of};
use crate::gateway::{Gateway, PAGE};
use crate::payments::{failed, patience};

/// The gateway pays out within days; a capture of this age without a line was forgotten.
const OVERDUE_DAYS: u64 = 10;

/// The most overdue ones that one look finds.
const MOST: i64 = 100;

/// A page of a day's lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PayoutPage {
    /// The day.
    pub day: NaiveDate,
    /// How many lines were read before.
    pub skip: usize,
}

/// Lines of a day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payouts {
    /// The lines that are ours.
    pub lines: Vec<PayoutLine>,
    /// How many were read.
    pub read: usize,
    /// Whether there are more.
    pub has_more: bool,
}

/// Reads a page of what the gateway paid out; lines of others that share the account are left out.
pub struct ListPayouts(pub Arc<dyn Gateway>);

impl Activity for ListPayouts {
    const NAME: &'static str = "list_payouts";
    type Kind = ReadOnly;
    type Input = PayoutPage;
    type Output = Payouts;

    async fn run(&self, _: &mut Attempt, page: PayoutPage) -> ActivityResult<Payouts> {
        let found = self.0.payouts(page.day, page.skip).await.map_err(failed)?;
        let (read, has_more) = (found.len(), found.len() == PAGE);
        let is_ours = |receipt: &Option<String>| {
            receipt.as_deref().is_none_or(|receipt| order_of(receipt).is_some())
        };
        let lines =
            found.into_iter().filter(|line| is_ours(&line.receipt)).map(|line| PayoutLine {
                gateway_id: line.id,
                kind: line.kind,
                payout_id: line.payout_id,
                amount: line.amount,
                fee_minor: line.fee.minor(),
                tax_minor: line.tax.minor(),
                day: page.day,
            });
        Ok(Payouts { lines: lines.collect(), read, has_more })
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

/// Lines to compare, and for which report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PayoutCheck {
    /// The report.
    pub report_id: Uuid,
    /// The lines.
    pub lines: Vec<PayoutLine>,
}

/// Compares lines with our books and keeps them, each with what speaks against it.
pub struct CheckPayouts;

impl Activity for CheckPayouts {
    const NAME: &'static str = "check_payouts";
    type Kind = InTransaction;
    type Input = PayoutCheck;
    type Output = usize;

    async fn run(&self, tx: &mut Conn, check: PayoutCheck) -> ActivityResult<usize> {
        let mut findings = Vec::new();
        for line in &check.lines {
            let against = payouts::disagreement(tx, line).await?;
            payouts::keep(tx, line, against.as_deref()).await?;
            if let Some(detail) = against {
                findings.push(flagged("payout_differs", &line.gateway_id, detail));
            }
        }
        reconciliation::add_findings(tx, check.report_id, &findings).await?;
        Ok(findings.len())
    }
}

/// A day that is overdue, and for which report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Overdue {
    /// The report.
    pub report_id: Uuid,
    /// The time of the look.
    pub at: DateTime<Utc>,
}

/// Finds captures that the gateway should have paid out long since.
pub struct FindOverdue;

impl Activity for FindOverdue {
    const NAME: &'static str = "find_overdue";
    type Kind = InTransaction;
    type Input = Overdue;
    type Output = usize;

    async fn run(&self, tx: &mut Conn, look: Overdue) -> ActivityResult<usize> {
        let to = look.at - Days::new(OVERDUE_DAYS);
        let from = to - Days::new(1);
        let forgotten = payouts::never_paid_out(tx, from, to, MOST).await?;
        let detail = format!("captured {OVERDUE_DAYS} days ago, and in no payout");
        let findings: Vec<_> =
            forgotten.iter().map(|id| flagged("not_paid_out", id, detail.as_str())).collect();
        reconciliation::add_findings(tx, look.report_id, &findings).await?;
        Ok(findings.len())
    }
}
