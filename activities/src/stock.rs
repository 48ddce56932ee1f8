//! Stock for an order: set aside whole or not at all, and put back. It never sells.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{CartLine, HoldId, OrderId, OrderStatus, TenantId};
use makegood::{Activity, ActivityError, ActivityResult, InBatch, Undoes};
use serde::{Deserialize, Serialize};
use store::orders::StatusChange;
use store::stock::{HoldRequest, Taken};
use store::{Conn, orders, stock};

use crate::batch::expect_all;

/// The stock that one attempt at an order wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hold {
    /// The order.
    pub order_id: OrderId,
    /// Its shop.
    pub tenant_id: TenantId,
    /// The hold's id; the same id never takes stock twice.
    pub hold_id: HoldId,
    /// What is wanted, sorted by SKU, so that two checkouts cannot deadlock.
    pub lines: Vec<CartLine>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

impl Hold {
    fn request(&self) -> HoldRequest {
        HoldRequest {
            hold_id: self.hold_id,
            order_id: self.order_id,
            tenant_id: self.tenant_id.clone(),
            expires_at: self.expires_at,
            lines: self.lines.clone(),
        }
    }
}

/// Moves the lines from available to reserved and the order to RESERVED; refuses with
/// `OUT_OF_STOCK`, naming the short lines, when one of them does not fit.
///
/// Those of a batch are served in its order, each wholly or not at all.
pub struct ReserveStock;

impl Activity for ReserveStock {
    const NAME: &'static str = "reserve_stock";
    type Kind = InBatch;
    type Input = Hold;
    type Output = HoldId;

    async fn run(
        &self,
        tx: &mut Conn,
        holds: Vec<Hold>,
    ) -> ActivityResult<Vec<ActivityResult<HoldId>>> {
        let orders: Vec<OrderId> = holds.iter().map(|hold| hold.order_id).collect();
        let mut statuses = orders::lock(tx, &orders).await?;
        // Taken out: a second hold of the batch for the same order finds it pending no more.
        let pending: Vec<Option<&Hold>> = holds
            .iter()
            .map(|hold| {
                let status = statuses.remove(&hold.order_id);
                (status == Some(OrderStatus::Pending)).then_some(hold)
            })
            .collect();
        let requests: Vec<HoldRequest> =
            pending.iter().flatten().map(|hold| hold.request()).collect();
        let mut taken = stock::take(tx, &requests).await?.into_iter();
        let answers: Vec<ActivityResult<HoldId>> = pending
            .into_iter()
            .map(|pending| {
                let hold = pending.ok_or_else(|| ActivityError::rejected("ORDER_NOT_PENDING"))?;
                answer(hold, taken.next())
            })
            .collect();
        let reserved: Vec<StatusChange<'_>> = orders
            .into_iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.is_ok())
            .map(|(order, _)| StatusChange::new(order, OrderStatus::Reserved, "checkout"))
            .collect();
        let changed = orders::set_status(tx, &[OrderStatus::Pending], &reserved).await?;
        expect_all(changed.len(), reserved.len(), "orders")?;
        Ok(answers)
    }
}

fn answer(hold: &Hold, taken: Option<Taken>) -> ActivityResult<HoldId> {
    match taken {
        Some(Taken::Held | Taken::AlreadyKnown) => Ok(hold.hold_id),
        Some(Taken::Short(lines)) => {
            let short: Vec<String> = lines
                .iter()
                .map(|l| format!("{}: {} wanted, {} available", l.sku, l.wanted, l.available))
                .collect();
            Err(ActivityError::Rejected { code: "OUT_OF_STOCK".into(), message: short.join("; ") })
        }
        None => Err(ActivityError::retryable("a hold was not answered")),
    }
}

/// Puts the lines back on sale. Tolerates that they were never taken.
pub struct ReleaseStock;

impl Activity for ReleaseStock {
    const NAME: &'static str = "release_stock";
    type Kind = InBatch;
    type Input = Undoes<ReserveStock>;
    type Output = bool;

    async fn run(
        &self,
        tx: &mut Conn,
        reserved: Vec<Undoes<ReserveStock>>,
    ) -> ActivityResult<Vec<ActivityResult<bool>>> {
        // The orders first, as when it was taken: locks have one order everywhere.
        let orders: Vec<OrderId> = reserved.iter().map(|undo| undo.input.order_id).collect();
        orders::lock(tx, &orders).await?;
        let holds: Vec<HoldId> = reserved.iter().map(|undo| undo.input.hold_id).collect();
        let mut released: BTreeSet<HoldId> =
            stock::release(tx, &holds).await?.into_iter().collect();
        Ok(holds.iter().map(|hold| Ok(released.remove(hold))).collect())
    }
}
