//! Orders as a checkout carries them, and how one that is made good ends.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{CartLine, GatewayOrderId, HoldId, Money, OrderId, OrderStatus, TenantId, Terms};
use makegood::{Activity, ActivityError, ActivityResult, Cause, InBatch, MadeGood};
use serde::{Deserialize, Serialize};
use store::orders::{Order, StatusChange};
use store::payments::NotPaid;
use store::{Conn, orders, payments};

use crate::refunds::{self, Returned};

/// An order as it was placed: what a checkout is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedOrder {
    /// The order.
    pub order_id: OrderId,
    /// Its shop.
    pub tenant_id: TenantId,
    /// The workflow that carries this attempt.
    pub workflow_id: String,
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
    /// The tenant's decisions at that time.
    pub terms: Terms,
    /// The order at the gateway into which an earlier attempt was paid too late: this one opens
    /// none of its own.
    pub opened: Option<GatewayOrderId>,
}

impl PlacedOrder {
    /// The present attempt at an order. Its name at the gateway is made of the order's id and the
    /// attempt's number.
    pub fn of(order: &Order, hold_id: HoldId, lines: Vec<CartLine>, terms: Terms) -> Self {
        Self {
            order_id: order.order_id,
            tenant_id: order.tenant_id.clone(),
            workflow_id: order.workflow_id.clone(),
            hold_id,
            lines,
            tax: order.tax,
            total: order.total,
            receipt: format!("{}-{}", order.order_id.as_uuid().simple(), order.attempt),
            expires_at: order.expires_at,
            terms,
            opened: None,
        }
    }
}

/// The workflow id of an attempt that a customer asked for, the first or a later one.
pub fn checkout_id(order: OrderId, attempt: i64) -> String {
    format!("checkout:{order}:{attempt}")
}

/// The code of an order that FAILED because its payment did: its customer may try again.
pub const PAYMENT_FAILED: &str = "PAYMENT_FAILED";

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
    /// How the order ends.
    #[serde(default)]
    pub ends: CalledOff,
}

/// How an order ends that is called off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalledOff {
    /// Somebody does not want it any more.
    #[default]
    Cancelled,
    /// Its time is over, whatever the clock says.
    Expired,
}

/// Gives made-good orders their last status, with the reason, in the commit that ends their
/// checkouts; writes down the money that went back on the way.
pub struct CloseOrder;

impl Activity for CloseOrder {
    const NAME: &'static str = "close_order";
    type Kind = InBatch;
    type Input = MadeGood<PlacedOrder>;
    type Output = OrderStatus;

    async fn run(
        &self,
        tx: &mut Conn,
        ended: Vec<MadeGood<PlacedOrder>>,
    ) -> ActivityResult<Vec<ActivityResult<OrderStatus>>> {
        let closings: Vec<_> = ended.iter().map(Closing::of).collect();
        let readable: Vec<&Closing<'_>> = closings.iter().flatten().collect();
        let changes: Vec<StatusChange<'_>> = readable.iter().map(|c| c.change()).collect();
        let open = [OrderStatus::Pending, OrderStatus::Reserved];
        let closed = orders::set_status(tx, &open, &changes).await?;
        let mut closed: BTreeSet<OrderId> = closed.into_iter().collect();
        let unpaid: Vec<NotPaid<'_>> = readable
            .iter()
            .filter(|closing| closed.contains(&closing.order.order_id))
            .map(|c| NotPaid { order_id: c.order.order_id, failure_code: &c.code })
            .collect();
        payments::mark_failed(tx, &unpaid).await?;
        let mut answers = Vec::with_capacity(closings.len());
        for closing in closings {
            answers.push(match closing {
                Ok(closing) if closed.remove(&closing.order.order_id) => {
                    for back in &closing.returned {
                        refunds::record(tx, closing.order, back).await?;
                    }
                    Ok(closing.status)
                }
                Ok(closing) => {
                    let message = format!("order {} is not open", closing.order.order_id);
                    Err(ActivityError::review("order_status", message))
                }
                Err(error) => Err(error.into()),
            });
        }
        Ok(answers)
    }
}

/// How an order ends.
struct Closing<'a> {
    order: &'a PlacedOrder,
    returned: Vec<Returned>,
    status: OrderStatus,
    actor: String,
    code: String,
    detail: String,
}

impl<'a> Closing<'a> {
    fn of(ended: &'a MadeGood<PlacedOrder>) -> Result<Self, serde_json::Error> {
        let returned: Option<Vec<Returned>> = ended.undo_of("create_gateway_order")?;
        let of = |status, code: &str, detail: String| Self {
            order: &ended.input,
            returned: returned.unwrap_or_default(),
            status,
            actor: "checkout".to_owned(),
            code: code.to_owned(),
            detail,
        };
        Ok(match &ended.cause {
            Cause::Rejected(rejection) => {
                of(OrderStatus::Failed, &rejection.code, rejection.message.clone())
            }
            Cause::MadeGood { reason } => match serde_json::from_value(reason.clone())? {
                Reason::Expired => {
                    of(OrderStatus::Expired, "EXPIRED", "nobody paid in time".to_owned())
                }
                Reason::PaymentFailed { why } => of(OrderStatus::Failed, PAYMENT_FAILED, why),
            },
            Cause::Cancelled { reason } => {
                let asked: CancelRequest = serde_json::from_value(reason.clone())?;
                let (status, code) = match asked.ends {
                    CalledOff::Cancelled => (OrderStatus::Cancelled, "CANCELLED"),
                    CalledOff::Expired => (OrderStatus::Expired, "EXPIRED"),
                };
                Self { actor: asked.actor, ..of(status, code, asked.reason) }
            }
            Cause::Operator { actor, reason } => {
                let undone = of(OrderStatus::Cancelled, "OPERATOR", reason.clone());
                Self { actor: actor.clone(), ..undone }
            }
        })
    }

    fn change(&self) -> StatusChange<'_> {
        StatusChange {
            order_id: self.order.order_id,
            to: self.status,
            actor: &self.actor,
            reason_code: Some(&self.code),
            reason_detail: Some(&self.detail),
        }
    }
}
