//! Refunds that nobody told us of, and refunds that nobody sees to: found, for runs to carry them.
//! It writes nothing down about money: the refund's own run does.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{GatewayRefundId, RefundId};
use makegood::{Activity, ActivityResult, Attempt, InTransaction, ReadOnly, RetryPolicy};
use serde::{Deserialize, Serialize};
use store::refunds::Refund;
use store::{Conn, captures, refunds};

use crate::gateway::Gateway;
use crate::payments::{failed, patience};
use crate::refunding::{Part, Refunding, Standing};

/// How many are taken on in one go.
const MOST: i64 = 100;

/// Finds refunds that are under way and that no run sees to: those that a checkout made when it was
/// made good.
pub struct FindUnwatched;

impl Activity for FindUnwatched {
    const NAME: &'static str = "find_unwatched_refunds";
    type Kind = InTransaction;
    type Input = ();
    type Output = Vec<Refunding>;

    async fn run(&self, tx: &mut Conn, (): ()) -> ActivityResult<Vec<Refunding>> {
        let found = refunds::unwatched(tx, MOST).await?;
        Ok(found.into_iter().map(Refunding::from).collect())
    }
}

/// Writes down that runs see to them now.
pub struct WatchRefunds;

impl Activity for WatchRefunds {
    const NAME: &'static str = "watch_refunds";
    type Kind = InTransaction;
    type Input = Vec<RefundId>;
    type Output = u64;

    async fn run(&self, tx: &mut Conn, watched: Vec<RefundId>) -> ActivityResult<u64> {
        Ok(refunds::watch(tx, &watched).await?)
    }
}

/// A page of the gateway's refunds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefundPage {
    /// Those made since then.
    pub since: DateTime<Utc>,
    /// How many were read before.
    pub skip: usize,
}

/// Reads a page of the gateway's refunds, whoever made them.
pub struct ListRefunds(pub Arc<dyn Gateway>);

impl Activity for ListRefunds {
    const NAME: &'static str = "list_refunds";
    type Kind = ReadOnly;
    type Input = RefundPage;
    type Output = Vec<Standing>;

    async fn run(&self, _: &mut Attempt, page: RefundPage) -> ActivityResult<Vec<Standing>> {
        let found = self.0.refunds_since(page.since, page.skip).await.map_err(failed)?;
        Ok(found.into_iter().map(Standing::from).collect())
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

/// Finds those of which our books say something else, or nothing.
pub struct CompareRefunds;

impl Activity for CompareRefunds {
    const NAME: &'static str = "compare_refunds";
    type Kind = InTransaction;
    type Input = Vec<Standing>;
    type Output = Vec<Refunding>;

    async fn run(&self, tx: &mut Conn, page: Vec<Standing>) -> ActivityResult<Vec<Refunding>> {
        let names: Vec<GatewayRefundId> =
            page.iter().map(|standing| standing.gateway_refund_id.clone()).collect();
        let ours: Vec<RefundId> = page.iter().filter_map(|standing| standing.ours).collect();
        let by_name = refunds::by_gateway_refund(tx, &names).await?;
        let by_id = refunds::by_refunds(tx, &ours).await?;
        let mut differing = Vec::new();
        for standing in &page {
            let named = by_name.get(&standing.gateway_refund_id);
            let asked = || by_id.get(standing.ours.as_ref()?).filter(|row| standing.is_of(row));
            match named.or_else(asked) {
                Some(row) if agrees(row, standing) => {}
                Some(row) => {
                    let part = Part::Made(standing.gateway_refund_id.clone());
                    differing.push(Refunding { part, ..Refunding::from(row.clone()) });
                }
                None => differing.extend(stranger(tx, standing).await?),
            }
        }
        Ok(differing)
    }
}

/// A page may be older than our books.
fn agrees(row: &Refund, standing: &Standing) -> bool {
    row.status == standing.status || row.status.may_follow(standing.status)
}

/// One that was made by hand; none while we do not know the payment: then its checkout knows it
/// soon, or somebody else uses the account.
async fn stranger(tx: &mut Conn, standing: &Standing) -> ActivityResult<Option<Refunding>> {
    let Standing { gateway_payment_id: payment, gateway_refund_id: made, .. } = standing;
    match captures::get(tx, payment).await {
        Ok(capture) => {
            Ok(capture.order_id.map(|order| Refunding::found(order, payment.clone(), made.clone())))
        }
        Err(store::Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
