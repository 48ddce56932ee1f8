//! Orders as a checkout carries them, and how one that is made good ends.

use chrono::{DateTime, Utc};
use domain::{CartLine, HoldId, Money, OrderId, OrderStatus, PaymentStatus, TenantId};
use makegood::{Activity, ActivityError, ActivityResult, Cause, InTransaction, MadeGood};
use serde::{Deserialize, Serialize};
use store::orders::StatusChange;
use store::{Conn, orders, payments};

use crate::refunds::{self, Returned};

/// An order as it was placed: what a checkout is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedOrder {
    /// The order.
    pub order_id: OrderId,
    /// Its shop.
    pub tenant_id: TenantId,
    /// The hold that this attempt takes.
    pub hold_id: HoldId,
    /// What was ordered, sorted by SKU.
    pub lines: Vec<CartLine>,
    /// The tax in the total.
    pub tax: Money,
    /// What the customer pays.
    pub total: Money,
    /// Our name for the attempt at the gateway, at most 40 characters.
    pub receipt: String,
    /// Until when the payment is awaited.
    pub expires_at: DateTime<Utc>,
}

/// Why a checkout chose to be made good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// Nobody paid in time.
    Expired,
    /// The payment failed.
    PaymentFailed {
        /// The gateway's word for it.
        why: String,
    },
}

/// Who asked for a cancel, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// Who asks.
    pub actor: String,
    /// Why, in words.
    pub reason: String,
}

/// Gives a made-good order its last status, with the reason, in the commit that ends its checkout;
/// writes down the money that went back on the way.
pub struct CloseOrder;

impl Activity for CloseOrder {
    const NAME: &'static str = "close_order";
    type Kind = InTransaction;
    type Input = MadeGood<PlacedOrder>;
    type Output = OrderStatus;

    async fn run(
        &self,
        tx: &mut Conn,
        ended: MadeGood<PlacedOrder>,
    ) -> ActivityResult<OrderStatus> {
        let closing = Closing::of(&ended.cause)?;
        let change = StatusChange {
            order_id: ended.input.order_id,
            to: closing.status,
            actor: &closing.actor,
            reason_code: Some(&closing.code),
            reason_detail: Some(&closing.detail),
        };
        let open = [OrderStatus::Pending, OrderStatus::Reserved];
        if orders::set_status(tx, &open, &[change]).await?.is_empty() {
            let message = format!("order {} is not open", ended.input.order_id);
            return Err(ActivityError::review("order_status", message));
        }
        for payment in payments::by_order(tx, ended.input.order_id).await? {
            if payment.status == PaymentStatus::Pending {
                payments::mark_failed(tx, payment.payment_id, &closing.code).await?;
            }
        }
        let returned: Option<Vec<Returned>> = ended.undo_of("create_gateway_order")?;
        for back in returned.unwrap_or_default() {
            refunds::record(tx, &ended.input, &back).await?;
        }
        Ok(closing.status)
    }
}

struct Closing {
    status: OrderStatus,
    actor: String,
    code: String,
    detail: String,
}

impl Closing {
    fn of(cause: &Cause) -> Result<Self, serde_json::Error> {
        let of = |status, code: &str, detail: String| Self {
            status,
            actor: "checkout".to_owned(),
            code: code.to_owned(),
            detail,
        };
        Ok(match cause {
            Cause::Rejected(rejection) => {
                of(OrderStatus::Failed, &rejection.code, rejection.message.clone())
            }
            Cause::MadeGood { reason } => match serde_json::from_value(reason.clone())? {
                Reason::Expired => {
                    of(OrderStatus::Expired, "EXPIRED", "nobody paid in time".to_owned())
                }
                Reason::PaymentFailed { why } => of(OrderStatus::Failed, "PAYMENT_FAILED", why),
            },
            Cause::Cancelled { reason } => {
                let asked: CancelRequest = serde_json::from_value(reason.clone())?;
                let cancelled = of(OrderStatus::Cancelled, "CANCELLED", asked.reason);
                Self { actor: asked.actor, ..cancelled }
            }
        })
    }
}
