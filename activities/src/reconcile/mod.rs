//! The comparison of our books with the gateway: what got lost on the way is found and told.
//! It moves no money: what a saga can put right it tells that saga, what no rule decides it flags.

mod awaited;
mod books;
mod captures;
mod payouts;
mod report;
mod tell;

use domain::{FindingOutcome, GatewayPaymentId, OrderId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use store::reconciliation::Finding;

pub use awaited::{AskGateway, Asked, AwaitedPage, FindAwaited, Question};
pub use books::{Check, CheckBooks};
pub use captures::{
    Captured, FindUnknown, ListCaptures, Listed, MatchReceipts, Named, ReadReceipts, Unknown,
    Window,
};
pub use payouts::{
    CheckPayouts, FindOverdue, ListPayouts, Overdue, PayoutCheck, PayoutPage, Payouts,
};
pub use report::{
    CloseReport, Closed, Findings, OpenReport, Opened, Opening, RecordFindings, Tally,
};
pub use tell::TellCheckouts;

/// News of a payment, for the checkout whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// The checkout.
    pub workflow_id: String,
    /// The payment.
    pub gateway_payment_id: GatewayPaymentId,
    /// The signal's id: of two with the same id, one is taken.
    pub signal_id: String,
    /// What was found, in a word.
    pub kind: String,
    /// The same in a sentence.
    pub detail: String,
}

fn flagged(kind: &str, subject: &impl ToString, detail: impl Into<String>) -> Finding {
    finding(FindingOutcome::Flagged, kind, subject, detail)
}

fn fixed(kind: &str, subject: &impl ToString, detail: impl Into<String>) -> Finding {
    finding(FindingOutcome::Fixed, kind, subject, detail)
}

fn finding(
    outcome: FindingOutcome,
    kind: &str,
    subject: &impl ToString,
    detail: impl Into<String>,
) -> Finding {
    let (kind, subject) = (kind.to_owned(), subject.to_string());
    Finding { kind, subject, outcome, detail: detail.into().chars().take(2_000).collect() }
}

/// The order and the attempt that a receipt of ours is made of: the order's id without hyphens, a
/// hyphen, the attempt.
fn attempt_of(receipt: &str) -> Option<(OrderId, i64)> {
    let (id, attempt) = receipt.split_once('-')?;
    let attempt = attempt.parse::<u32>().ok()?;
    let id = Uuid::try_parse(id).ok().filter(|_| id.len() == 32)?;
    Some((id.into(), attempt.into()))
}

fn order_of(receipt: &str) -> Option<OrderId> {
    attempt_of(receipt).map(|(order, _)| order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_receipts_name_an_order() {
        let id = Uuid::now_v7();
        let receipt = format!("{}-2", id.simple());
        assert_eq!(attempt_of(&receipt), Some((OrderId::from(id), 2)));
        for foreign in ["", "order-1", "0197", &format!("{id}-1"), &format!("{}-x", id.simple())] {
            assert_eq!(order_of(foreign), None, "{foreign}");
        }
    }
}
