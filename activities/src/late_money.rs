//! Money that came when its checkout had ended: may it still pay the order, or does it go back?
//! It neither holds stock nor moves money: another attempt at the order does, or `refunds`.

use std::sync::Arc;
use std::time::Duration;

use domain::{Disposition, GatewayOrderId, HoldId, LateMoney, OrderStatus};
use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, InTransaction, ReadOnly, RetryPolicy,
};
use serde::{Deserialize, Serialize};
use store::captures::NewCapture;
use store::orders::{Order, Reopening};
use store::{Conn, captures, orders};

use crate::gateway::{Gateway, GatewayPayment, GatewayPaymentStatus};
use crate::orders::{PAYMENT_FAILED, PlacedOrder};
use crate::payments::{Paid, failed, patience};

/// What the gateway has under an attempt that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum Found {
    /// No money, and none on its way.
    Nothing,
    /// All that the order costs, untouched.
    Whole(Whole),
    /// Anything else: another amount, a part of it, money on its way in or out.
    Other,
}

/// A payment that could pay its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// The gateway's order.
    pub gateway_order_id: GatewayOrderId,
    /// The payment.
    pub paid: Paid,
    /// Whether the money is ours already, or only set aside.
    pub is_captured: bool,
}

/// Looks for the money of an attempt, under whatever orders bear its name at the gateway.
pub struct FindLateMoney(pub Arc<dyn Gateway>);

impl Activity for FindLateMoney {
    const NAME: &'static str = "find_late_money";
    type Kind = ReadOnly;
    type Input = PlacedOrder;
    type Output = Found;

    async fn run(&self, _: &mut Attempt, order: PlacedOrder) -> ActivityResult<Found> {
        let mut found = Found::Nothing;
        for opened in self.0.orders_by_receipt(&order.receipt).await.map_err(failed)? {
            for payment in self.0.order_payments(&opened.id).await.map_err(failed)? {
                found = match (found, look(&opened.id, payment, &order)) {
                    (Found::Whole(captured), _) if captured.is_captured => Found::Whole(captured),
                    (_, Found::Whole(whole)) => Found::Whole(whole),
                    (Found::Nothing, other) => other,
                    (found, Found::Nothing | Found::Other) => found,
                };
            }
        }
        Ok(found)
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

fn look(opened: &GatewayOrderId, payment: GatewayPayment, order: &PlacedOrder) -> Found {
    use GatewayPaymentStatus::{Authorized, Captured, Created, Failed, Refunded, Unrecognised};
    let is_captured = match payment.status {
        Failed => return Found::Nothing,
        Created | Refunded | Unrecognised => return Found::Other,
        Authorized => false,
        Captured => true,
    };
    if payment.amount != order.total || payment.amount_refunded.minor() > 0 {
        return Found::Other;
    }
    let paid = Paid { gateway_payment_id: payment.id, amount: payment.amount };
    Found::Whole(Whole { gateway_order_id: opened.clone(), paid, is_captured })
}

/// Late money and its order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Late {
    /// The order, as the attempt knew it.
    pub order: PlacedOrder,
    /// What the gateway has.
    pub found: Found,
    /// Whether this run has asked a person before.
    pub has_asked: bool,
}

impl Late {
    /// The payment that could pay the order.
    pub fn whole(&self) -> Option<&Whole> {
        match &self.found {
            Found::Whole(whole) => Some(whole),
            Found::Nothing | Found::Other => None,
        }
    }
}

/// What becomes of late money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Hold the stock again and let it pay the order.
    Fulfil,
    /// Send it back.
    Return,
    /// A person decides.
    Ask,
    /// Something is under way that decides: look again.
    Wait,
    /// There is nothing left to decide.
    Done,
}

/// Decides by the order's status and the terms it was placed under.
pub struct JudgeLateMoney;

impl Activity for JudgeLateMoney {
    const NAME: &'static str = "judge_late_money";
    type Kind = InTransaction;
    type Input = Late;
    type Output = Verdict;

    async fn run(&self, tx: &mut Conn, late: Late) -> ActivityResult<Verdict> {
        if late.found == Found::Nothing {
            return Ok(Verdict::Done);
        }
        let order = locked(tx, &late.order).await?;
        let verdict = judge(&order, &late);
        let Some(Whole { gateway_order_id, paid, is_captured: true }) = late.whole() else {
            return Ok(verdict);
        };
        if verdict != Verdict::Ask {
            return Ok(verdict);
        }
        let capture = NewCapture {
            gateway_payment_id: &paid.gateway_payment_id,
            gateway_order_id,
            order_id: Some(order.order_id),
            amount: paid.amount,
        };
        let is_news = captures::record(tx, &capture).await?;
        captures::dispose(tx, &paid.gateway_payment_id, Disposition::Review, None).await?;
        // One person is enough: another run has asked already.
        Ok(if is_news || late.has_asked { Verdict::Ask } else { Verdict::Wait })
    }
}

fn judge(order: &Order, late: &Late) -> Verdict {
    use OrderStatus::{Cancelled, Expired, Failed, Pending, Reserved};
    if matches!(order.status, Pending | Reserved) {
        // Another attempt at it may come to the same end, and want this money then.
        return Verdict::Wait;
    }
    if late.whole().is_none() {
        return Verdict::Return;
    }
    let has_failed = order.reason_code.as_deref() == Some(PAYMENT_FAILED);
    let is_unpaid = order.status == Expired || (order.status == Failed && has_failed);
    match late.order.terms.late_money {
        LateMoney::RereserveThenFulfil if is_unpaid => Verdict::Fulfil,
        LateMoney::ManualReview if is_unpaid || order.status == Cancelled => Verdict::Ask,
        LateMoney::RereserveThenFulfil | LateMoney::AlwaysRefund | LateMoney::ManualReview => {
            Verdict::Return
        }
    }
}

async fn locked(tx: &mut Conn, order: &PlacedOrder) -> Result<Order, store::Error> {
    orders::lock(tx, &[order.order_id]).await?;
    orders::get(tx, order.order_id).await
}

/// Stops the run for a person, who skips this step with a verdict.
pub struct AskPerson;

impl Activity for AskPerson {
    const NAME: &'static str = "ask_person";
    type Kind = InTransaction;
    type Input = Late;
    type Output = Verdict;

    async fn run(&self, tx: &mut Conn, late: Late) -> ActivityResult<Verdict> {
        let order = locked(tx, &late.order).await?;
        let money = late.whole().map_or_else(String::new, |whole| {
            format!("{} came as {}", whole.paid.amount, whole.paid.gateway_payment_id)
        });
        let back = r#"skip this step with "return" to send it back"#;
        let remedies = if order.status == OrderStatus::Cancelled {
            back.to_owned()
        } else {
            format!(r#"{back}, or with "fulfil" to hold the stock again and deliver"#)
        };
        let (number, status) = (order.order_number, order.status);
        let message = format!("{money} for order {number}, which is {status}: {remedies}");
        Err(ActivityError::review("late_money", message))
    }
}

/// What another attempt is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revival {
    /// The order, as the attempt knew it.
    pub order: PlacedOrder,
    /// The gateway's order that has the money.
    pub opened: GatewayOrderId,
    /// The workflow that will carry the new attempt.
    pub workflow_id: String,
    /// The hold that it will take.
    pub hold_id: HoldId,
}

/// Takes an unpaid order back to PENDING; none if it is not unpaid and ended (any more). The new
/// attempt waits for nobody: the money is there.
pub struct ReviveOrder;

impl Activity for ReviveOrder {
    const NAME: &'static str = "revive_order";
    type Kind = InTransaction;
    type Input = Revival;
    type Output = Option<PlacedOrder>;

    async fn run(&self, tx: &mut Conn, revival: Revival) -> ActivityResult<Option<PlacedOrder>> {
        let order = locked(tx, &revival.order).await?;
        let is_over = matches!(order.status, OrderStatus::Expired | OrderStatus::Failed);
        if !is_over || order.paid_at.is_some() {
            return Ok(None);
        }
        let again = Reopening {
            order_id: order.order_id,
            from: order.status,
            workflow_id: &revival.workflow_id,
            expires_in: Duration::ZERO,
            max_attempts: i64::MAX,
            actor: "late_payment",
            reason: "LATE_PAYMENT",
            key: None,
        };
        let reopened = orders::reopen(tx, &again).await?;
        let Revival { order, opened, hold_id, .. } = revival;
        Ok(reopened.map(|now| PlacedOrder {
            hold_id,
            expires_at: now.expires_at,
            opened: Some(opened),
            ..order
        }))
    }
}
