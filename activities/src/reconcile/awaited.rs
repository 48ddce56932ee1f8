//! Payments that orders wait for: the gateway is asked what became of each, as if no webhook and no
//! browser would ever come.

use std::sync::Arc;

use domain::PaymentId;
use futures::{StreamExt, stream};
use makegood::{Activity, ActivityResult, Attempt, InTransaction, ReadOnly, RetryPolicy};
use serde::{Deserialize, Serialize};
use store::Conn;
use store::reconciliation::{self, Awaited, Finding};
use uuid::Uuid;

use super::{News, flagged};
use crate::gateway::{Gateway, GatewayError, GatewayPayment, GatewayPaymentStatus};
use crate::hints::Fact;
use crate::payments::{failed, patience};

/// How many payments are asked about in one step.
const PAGE: i64 = 100;

/// How many of them at once.
const AT_ONCE: usize = 4;

/// A page of payments that are awaited.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AwaitedPage {
    /// How old a payment is before anybody asks.
    pub age_secs: u32,
    /// The last payment of the page before.
    pub after: Option<PaymentId>,
}

/// Finds the payments to ask about.
pub struct FindAwaited;

impl Activity for FindAwaited {
    const NAME: &'static str = "find_awaited";
    type Kind = InTransaction;
    type Input = AwaitedPage;
    type Output = Vec<Awaited>;

    async fn run(&self, tx: &mut Conn, page: AwaitedPage) -> ActivityResult<Vec<Awaited>> {
        let age_secs = i64::from(page.age_secs);
        Ok(reconciliation::awaited_payments(tx, age_secs, page.after, PAGE).await?)
    }
}

/// The payments of a page, and for which report somebody asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Question {
    /// The report.
    pub report_id: Uuid,
    /// The payments.
    pub awaited: Vec<Awaited>,
}

/// What the gateway says that our books do not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// For checkouts to be told.
    pub news: Vec<News>,
    /// What nobody can be told.
    pub findings: Vec<Finding>,
}

/// Asks the gateway about payments that are awaited.
pub struct AskGateway(pub Arc<dyn Gateway>);

impl Activity for AskGateway {
    const NAME: &'static str = "ask_gateway";
    type Kind = ReadOnly;
    type Input = Question;
    type Output = Asked;

    async fn run(&self, _: &mut Attempt, question: Question) -> ActivityResult<Asked> {
        let Question { report_id, awaited } = question;
        let answers = stream::iter(awaited).map(|one| async move {
            let payments = self.0.order_payments(&one.gateway_order_id).await;
            (one, payments)
        });
        let mut answers = answers.buffered(AT_ONCE);
        let mut asked = Asked::default();
        while let Some((one, payments)) = answers.next().await {
            match payments {
                Ok(payments) => asked.news.extend(news(&one, &payments, report_id)),
                // One order that the gateway does not know must not keep us from the others.
                Err(refused @ GatewayError::Rejected { .. }) => {
                    let subject = &one.gateway_order_id;
                    asked.findings.push(flagged("not_at_gateway", &subject, refused.to_string()));
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(asked)
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }

    fn timeout(&self) -> std::time::Duration {
        std::time::Duration::from_mins(3)
    }
}

/// What an awaited payment's checkout should hear, if it should hear anything.
///
/// A capture is told anew by every report: whatever the checkout made of the news before, it still
/// waits. Everything else is told once, since a checkout may rightly go on waiting.
fn news(awaited: &Awaited, payments: &[GatewayPayment], report_id: Uuid) -> Option<News> {
    use GatewayPaymentStatus::{Authorized, Captured, Created, Failed, Refunded, Unrecognised};
    let of = |wanted| payments.iter().rev().find(|payment| payment.status == wanted);
    let is_open = |p: &GatewayPayment| matches!(p.status, Created | Unrecognised);
    let (payment, fact, kind) = if let Some(captured) = of(Captured) {
        (captured, Fact::Captured, "capture_not_settled")
    } else if let Some(authorized) = of(Authorized) {
        (authorized, Fact::Authorized, "authorization_not_told")
    } else if payments.iter().any(is_open) {
        return None;
    } else {
        (of(Failed).or_else(|| of(Refunded))?, Fact::Failed, "failure_not_told")
    };
    let id = &payment.id;
    let signal_id = match fact {
        Fact::Captured => format!("reconciler:{id}:{report_id}"),
        Fact::Presented | Fact::Forged | Fact::Authorized | Fact::Failed => fact.signal_id(id),
    };
    Some(News {
        workflow_id: awaited.workflow_id.clone(),
        gateway_payment_id: id.clone(),
        signal_id,
        kind: kind.to_owned(),
        detail: format!("{id} is {fact:?} at the gateway, and {} waits", awaited.workflow_id),
    })
}
