//! Stock for an order: set aside whole or not at all, and put back. It never sells.

use chrono::{DateTime, Utc};
use domain::{CartLine, HoldId, OrderId, OrderStatus, TenantId};
use makegood::{Activity, ActivityError, ActivityResult, InTransaction, Undoes};
use serde::{Deserialize, Serialize};
use store::orders::StatusChange;
use store::stock::{HoldRequest, Taken};
use store::{Conn, orders, stock};

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

/// Moves the lines from available to reserved and the order to RESERVED; refuses with
/// `OUT_OF_STOCK`, naming the short lines, when one of them does not fit.
pub struct ReserveStock;

impl Activity for ReserveStock {
    const NAME: &'static str = "reserve_stock";
    type Kind = InTransaction;
    type Input = Hold;
    type Output = HoldId;

    async fn run(&self, tx: &mut Conn, hold: Hold) -> ActivityResult<HoldId> {
        let reserved = StatusChange {
            order_id: hold.order_id,
            from: &[OrderStatus::Pending],
            to: OrderStatus::Reserved,
            actor: "checkout",
            reason_code: None,
            reason_detail: None,
        };
        if !orders::set_status(tx, &reserved).await? {
            return Err(ActivityError::rejected("ORDER_NOT_PENDING"));
        }
        let request = HoldRequest {
            hold_id: hold.hold_id,
            order_id: hold.order_id,
            tenant_id: hold.tenant_id,
            expires_at: hold.expires_at,
            lines: hold.lines,
        };
        match stock::take_all(tx, &request).await? {
            Taken::Held | Taken::AlreadyKnown => Ok(request.hold_id),
            Taken::Short(lines) => {
                let short: Vec<String> = lines
                    .iter()
                    .map(|l| format!("{}: {} wanted, {} available", l.sku, l.wanted, l.available))
                    .collect();
                Err(ActivityError::Rejected {
                    code: "OUT_OF_STOCK".into(),
                    message: short.join("; "),
                })
            }
        }
    }
}

/// Puts the lines back on sale. Tolerates that they were never taken.
pub struct ReleaseStock;

impl Activity for ReleaseStock {
    const NAME: &'static str = "release_stock";
    type Kind = InTransaction;
    type Input = Undoes<ReserveStock>;
    type Output = bool;

    async fn run(&self, tx: &mut Conn, reserved: Undoes<ReserveStock>) -> ActivityResult<bool> {
        // The order first, as when it was taken: locks have one order everywhere.
        orders::get_for_update(tx, reserved.input.order_id).await?;
        Ok(stock::release(tx, reserved.input.hold_id).await?)
    }
}
