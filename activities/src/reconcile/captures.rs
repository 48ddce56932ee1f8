//! Money that the gateway has and our books do not: late, on a stray order, or nobody's.
//! Found in the gateway's own list, so no record of ours has to point to it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{GatewayOrderId, GatewayPaymentId, Money};
use makegood::{Activity, ActivityResult, Attempt, InTransaction, ReadOnly, RetryPolicy};
use serde::{Deserialize, Serialize};
use store::Conn;
use store::reconciliation::{self, Finding, Owner, Seen};

use super::{News, attempt_of, flagged};
use crate::gateway::{Gateway, GatewayError, GatewayPaymentStatus, PAGE};
use crate::hints::Fact;
use crate::orders::checkout_id;
use crate::payments::{failed, patience};

/// Pages of the gateway's list that are read in one step.
const PAGES: usize = 5;

/// A stretch of the gateway's list of payments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Window {
    /// When the earliest began.
    pub from: DateTime<Utc>,
    /// When the latest began.
    pub to: DateTime<Utc>,
    /// How many were read before.
    pub skip: usize,
}

/// A captured payment at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The payment.
    pub gateway_payment_id: GatewayPaymentId,
    /// The order that it pays there.
    pub gateway_order_id: Option<GatewayOrderId>,
    /// How much.
    pub amount: Money,
}

/// What a stretch of the list holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listed {
    /// The captured ones.
    pub captured: Vec<Captured>,
    /// How many were read in all.
    pub read: usize,
    /// Whether there are more.
    pub has_more: bool,
}

/// Reads the gateway's list.
pub struct ListCaptures(pub Arc<dyn Gateway>);

impl Activity for ListCaptures {
    const NAME: &'static str = "list_captures";
    type Kind = ReadOnly;
    type Input = Window;
    type Output = Listed;

    async fn run(&self, _: &mut Attempt, window: Window) -> ActivityResult<Listed> {
        let mut listed = Listed { captured: Vec::new(), read: 0, has_more: true };
        for _ in 0..PAGES {
            let skip = window.skip + listed.read;
            let page = self.0.payments_between(window.from, window.to, skip).await;
            let page = page.map_err(failed)?;
            listed.read += page.len();
            listed.has_more = page.len() == PAGE;
            let captured = page.into_iter().filter(|p| p.status == GatewayPaymentStatus::Captured);
            listed.captured.extend(captured.map(|payment| Captured {
                gateway_payment_id: payment.id,
                gateway_order_id: payment.order_id,
                amount: payment.amount,
            }));
            if !listed.has_more {
                break;
            }
        }
        Ok(listed)
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

/// Captures that our books do not have.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Unknown {
    /// Of our orders, whose checkouts are to be told.
    pub news: Vec<News>,
    /// Whose they are, our tables do not say.
    pub strangers: Vec<Captured>,
}

/// Finds out which captures our books do not have, and whose they are.
///
/// Those of orders that still wait are left out: they are asked about one by one.
pub struct FindUnknown;

impl Activity for FindUnknown {
    const NAME: &'static str = "find_unknown";
    type Kind = InTransaction;
    type Input = Vec<Captured>;
    type Output = Unknown;

    async fn run(&self, tx: &mut Conn, captured: Vec<Captured>) -> ActivityResult<Unknown> {
        let ids: Vec<_> = captured.iter().map(|one| one.gateway_payment_id.clone()).collect();
        let missing = reconciliation::unknown_captures(tx, &ids).await?;
        let missing = captured.into_iter().filter(|c| missing.contains(&c.gateway_payment_id));
        let mut unknown = Unknown::default();
        for capture in missing {
            let Some(gateway_order) = &capture.gateway_order_id else {
                unknown.strangers.push(capture);
                continue;
            };
            let seen = [Seen::GatewayOrder(gateway_order)];
            match reconciliation::owners(tx, &seen).await?.into_iter().flatten().next() {
                Some(owner) if owner.is_waiting => {}
                Some(owner) => unknown.news.push(news(&capture, &owner)),
                None => unknown.strangers.push(capture),
            }
        }
        Ok(unknown)
    }
}

fn news(capture: &Captured, owner: &Owner) -> News {
    let (id, amount) = (&capture.gateway_payment_id, capture.amount);
    News {
        workflow_id: owner.workflow_id.clone(),
        gateway_payment_id: id.clone(),
        // The same as a webhook's would be: of the two, one is taken.
        signal_id: Fact::Captured.signal_id(id),
        kind: "capture_not_known".to_owned(),
        detail: format!("{id} over {amount} for order {}, which has ended", owner.order_id),
    }
}

/// A capture with the receipt of its order at the gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Named {
    /// The capture.
    pub captured: Captured,
    /// The receipt; none if there is no such order, or it has none.
    pub receipt: Option<String>,
}

/// Reads the receipts of captures that our tables do not know the orders of.
pub struct ReadReceipts(pub Arc<dyn Gateway>);

impl Activity for ReadReceipts {
    const NAME: &'static str = "read_receipts";
    type Kind = ReadOnly;
    type Input = Vec<Captured>;
    type Output = Vec<Named>;

    async fn run(&self, _: &mut Attempt, strangers: Vec<Captured>) -> ActivityResult<Vec<Named>> {
        let mut named = Vec::with_capacity(strangers.len());
        for captured in strangers {
            let receipt = match &captured.gateway_order_id {
                None => None,
                Some(order) => match self.0.order(order).await {
                    Ok(order) => order.receipt,
                    Err(GatewayError::Rejected { .. }) => None,
                    Err(error) => return Err(failed(error)),
                },
            };
            named.push(Named { captured, receipt });
        }
        Ok(named)
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

/// Finds whose captures are by their receipts. Ours go to their checkouts, nobody's are flagged,
/// and those of others that share the account are none of our business.
pub struct MatchReceipts;

impl Activity for MatchReceipts {
    const NAME: &'static str = "match_receipts";
    type Kind = InTransaction;
    type Input = Vec<Named>;
    type Output = (Vec<News>, Vec<Finding>);

    async fn run(
        &self,
        tx: &mut Conn,
        named: Vec<Named>,
    ) -> ActivityResult<(Vec<News>, Vec<Finding>)> {
        let (mut told, mut findings) = (Vec::new(), Vec::new());
        for Named { captured, receipt } in named {
            let attempt = match &receipt {
                Some(receipt) => match attempt_of(receipt) {
                    Some(attempt) => Some(attempt),
                    None => continue,
                },
                None => None,
            };
            let owner = match attempt {
                Some((order, attempt)) => {
                    let found = reconciliation::owners(tx, &[Seen::Order(order)]).await?.pop();
                    let workflow_id = checkout_id(order, attempt);
                    found.flatten().map(|owner| Owner { workflow_id, ..owner })
                }
                None => None,
            };
            match owner {
                Some(owner) if owner.is_waiting => {}
                Some(owner) => told.push(news(&captured, &owner)),
                None => {
                    let (id, amount) = (&captured.gateway_payment_id, captured.amount);
                    let receipt = receipt.as_deref().unwrap_or("none");
                    let detail =
                        format!("{amount} came in for no order of ours; receipt: {receipt}");
                    findings.push(flagged("capture_of_nobody", id, detail));
                }
            }
        }
        Ok((told, findings))
    }
}
