//! Money that came in and buys nothing goes back, once, and is written down.

use std::sync::Arc;

use domain::{
    Disposition, GatewayOrderId, GatewayPaymentId, GatewayRefundId, Money, PaymentId, RefundId,
};
use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, InTransaction, Outside, RetryPolicy, Undoes,
};
use serde::{Deserialize, Serialize};
use store::captures::NewCapture;
use store::payments::NewPayment;
use store::refunds::{Asked, NewRefund};
use store::{Conn, captures, payments, refunds};
use uuid::Uuid;

use crate::gateway::{
    Gateway, GatewayError, GatewayPayment, GatewayPaymentStatus, GatewayRefund,
    GatewayRefundStatus, Notes,
};
use crate::ledger;
use crate::orders::PlacedOrder;
use crate::payments::{CreateGatewayOrder, GATEWAY, failed, patience};
use crate::refunding::made_at_gateway;

/// A captured payment that was sent back, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// The gateway's order.
    pub gateway_order_id: GatewayOrderId,
    /// The payment.
    pub gateway_payment_id: GatewayPaymentId,
    /// Its amount.
    pub amount: Money,
    /// The refunds that make it up, those made by hand included.
    pub refunds: Vec<Back>,
}

/// A refund at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// The refund.
    pub gateway_refund_id: GatewayRefundId,
    /// How much of the payment.
    pub amount: Money,
    /// Whether it has left for the customer's bank.
    pub processed: bool,
}

impl Back {
    fn of(refund: GatewayRefund) -> Self {
        Self {
            gateway_refund_id: refund.id,
            amount: refund.amount,
            processed: refund.status == GatewayRefundStatus::Processed,
        }
    }
}

/// What was found at the gateway beside the payment that an order keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strays {
    /// The payments that went back.
    pub returned: Vec<Returned>,
    /// Another payment is under way: it is not known yet whether it will come in.
    pub open: bool,
}

/// Undoes an order at the gateway: the gateway cannot close one, so whatever was paid into it by
/// now goes back. What comes later is a late signal's business.
pub struct ReturnCaptures(pub Arc<dyn Gateway>);

impl Activity for ReturnCaptures {
    const NAME: &'static str = "return_captures";
    type Kind = Outside;
    type Input = Undoes<CreateGatewayOrder>;
    type Output = Vec<Returned>;

    async fn run(
        &self,
        _: &mut Attempt,
        created: Undoes<CreateGatewayOrder>,
    ) -> ActivityResult<Vec<Returned>> {
        let orders = match created.output {
            Some(order) => vec![order],
            // Its creation was never confirmed: there may be one under the receipt, or several.
            None => orders_of(&*self.0, &created.input.receipt).await?,
        };
        Ok(return_all(&*self.0, &orders, None).await?.returned)
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

/// Finds the payment that an order keeps.
pub struct FindKept;

impl Activity for FindKept {
    const NAME: &'static str = "find_kept";
    type Kind = InTransaction;
    type Input = PlacedOrder;
    type Output = Option<GatewayPaymentId>;

    async fn run(
        &self,
        tx: &mut Conn,
        order: PlacedOrder,
    ) -> ActivityResult<Option<GatewayPaymentId>> {
        let payments = payments::by_order(tx, order.order_id).await?;
        let kept = payments.into_iter().find(|p| !p.stray && p.status.was_paid());
        Ok(kept.and_then(|payment| payment.gateway_payment_id))
    }
}

/// An attempt at an order that was paid into after it had ended, or more than once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stray {
    /// The attempt's name at the gateway.
    pub receipt: String,
    /// The payment that the order keeps, if it was fulfilled.
    pub kept: Option<GatewayPaymentId>,
}

/// Sends every captured payment of an attempt back but the one that its order keeps.
pub struct ReturnStrays(pub Arc<dyn Gateway>);

impl Activity for ReturnStrays {
    const NAME: &'static str = "return_strays";
    type Kind = Outside;
    type Input = Stray;
    type Output = Strays;

    async fn run(&self, _: &mut Attempt, stray: Stray) -> ActivityResult<Strays> {
        let orders = orders_of(&*self.0, &stray.receipt).await?;
        return_all(&*self.0, &orders, stray.kept.as_ref()).await
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

async fn orders_of(gateway: &dyn Gateway, receipt: &str) -> ActivityResult<Vec<GatewayOrderId>> {
    let orders = gateway.orders_by_receipt(receipt).await.map_err(failed)?;
    Ok(orders.into_iter().map(|order| order.id).collect())
}

async fn return_all(
    gateway: &dyn Gateway,
    orders: &[GatewayOrderId],
    kept: Option<&GatewayPaymentId>,
) -> ActivityResult<Strays> {
    use GatewayPaymentStatus::{Authorized, Captured, Created, Failed, Refunded, Unrecognised};
    let mut strays = Strays::default();
    for order in orders {
        for payment in gateway.order_payments(order).await.map_err(failed)? {
            match payment.status {
                _ if kept == Some(&payment.id) => {}
                Captured | Refunded => {
                    strays.returned.push(return_one(gateway, order, payment).await?);
                }
                Created | Authorized | Unrecognised => strays.open = true,
                Failed => {}
            }
        }
    }
    Ok(strays)
}

/// Sends back what is left of a payment. Repeating this is safe: the refund's key is made of the
/// payment's id, so the gateway makes it once.
async fn return_one(
    gateway: &dyn Gateway,
    order: &GatewayOrderId,
    payment: GatewayPayment,
) -> ActivityResult<Returned> {
    let id = &payment.id;
    let left = payment.amount.checked_sub(payment.amount_refunded)?;
    if left.minor() > 0 {
        let (key, notes) = (format!("return-{id}"), Notes::new());
        match gateway.refund(id, left, &key, &notes).await {
            Ok(_) => {}
            Err(refused @ GatewayError::Rejected { .. }) => {
                let message = format!("the gateway does not return {left} of {id}: {refused}");
                return Err(ActivityError::review("refund_refused", message));
            }
            Err(error) => return Err(failed(error)),
        }
    }
    let all = gateway.refunds_of(id).await.map_err(failed)?;
    let (lost, refunds): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|refund| refund.status == GatewayRefundStatus::Failed);
    let refunds: Vec<Back> = refunds.into_iter().map(Back::of).collect();
    let sum: i64 = refunds.iter().map(|back| back.amount.minor()).sum();
    if sum != payment.amount.minor() {
        // A repeated request is answered as the first one was, even if that has failed since.
        if let Some(lost) = lost.first() {
            let message = format!("the gateway could not return {} of {id}", lost.amount);
            return Err(ActivityError::review("refund_failed", message));
        }
        let message = format!("the refunds of {id} do not add up to {} yet", payment.amount);
        return Err(ActivityError::retryable(message));
    }
    Ok(Returned {
        gateway_order_id: order.clone(),
        gateway_payment_id: payment.id,
        amount: payment.amount,
        refunds,
    })
}

/// What went back for an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Returns {
    /// The order.
    pub order: PlacedOrder,
    /// The payments.
    pub returned: Vec<Returned>,
}

/// Writes down what went back.
pub struct RecordReturns;

impl Activity for RecordReturns {
    const NAME: &'static str = "record_returns";
    type Kind = InTransaction;
    type Input = Returns;
    type Output = usize;

    async fn run(&self, tx: &mut Conn, returns: Returns) -> ActivityResult<usize> {
        for returned in &returns.returned {
            record(tx, &returns.order, returned).await?;
        }
        Ok(returns.returned.len())
    }
}

/// One stray payment with its refunds: payment, capture, refunds, and a ledger transaction for the
/// money in and for each refund that has left. Writing the same one twice changes nothing.
pub(crate) async fn record(
    tx: &mut Conn,
    order: &PlacedOrder,
    returned: &Returned,
) -> Result<(), store::Error> {
    let id = &returned.gateway_payment_id;
    let payment = NewPayment {
        payment_id: PaymentId::from(Uuid::now_v7()),
        tenant_id: &order.tenant_id,
        order_id: order.order_id,
        workflow_id: &order.workflow_id,
        gateway: GATEWAY,
        gateway_order_id: &returned.gateway_order_id,
        amount: returned.amount,
    };
    payments::insert_stray(tx, &payment, id).await?;
    let capture = NewCapture {
        gateway_payment_id: id,
        gateway_order_id: &returned.gateway_order_id,
        order_id: Some(order.order_id),
        amount: returned.amount,
    };
    captures::record(tx, &capture).await?;
    ledger::post_stray_capture(tx, order, id, returned.amount).await?;
    for back in &returned.refunds {
        record_refund(tx, order, id, back).await?;
    }
    payments::mark_refunded(tx, id).await?;
    Ok(())
}

async fn record_refund(
    tx: &mut Conn,
    order: &PlacedOrder,
    payment: &GatewayPaymentId,
    back: &Back,
) -> Result<(), store::Error> {
    let refund = NewRefund {
        refund_id: RefundId::from(Uuid::now_v7()),
        order_id: order.order_id,
        gateway_payment_id: payment,
        gateway_refund_id: Some(&back.gateway_refund_id),
        amount: back.amount,
        asked: Some(back.amount),
        idempotency_key: &made_at_gateway(&back.gateway_refund_id),
        reason: "the order does not keep this payment",
        override_reason: None,
        actor: "checkout",
        // One that has not left yet is found by the sweep, which has a run see to it.
        watched: false,
    };
    let refund_id = match refunds::insert_pending(tx, &refund).await? {
        Asked::Added(refund) | Asked::Known(refund) => refund.refund_id,
        Asked::TooMuch(left) => {
            let message = format!("{} of {payment} goes back, {left} is left", back.amount);
            return Err(store::Error::InvalidRow(message));
        }
    };
    if back.processed && refunds::mark_processed(tx, refund_id, &back.gateway_refund_id).await? {
        let of = ledger::Of { tenant_id: &order.tenant_id, order_id: order.order_id };
        ledger::post_stray_refund(tx, of, refund_id, back.amount).await?;
    }
    captures::dispose(tx, payment, Disposition::Refunded, Some(refund_id)).await?;
    Ok(())
}
