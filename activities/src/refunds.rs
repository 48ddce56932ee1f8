//! Money that came in and buys nothing goes back, once, and is written down.

use std::sync::Arc;

use domain::{
    Disposition, GatewayOrderId, GatewayPaymentId, GatewayRefundId, Money, PaymentId, RefundId,
};
use makegood::{Activity, ActivityResult, Attempt, InTransaction, Outside, RetryPolicy, Undoes};
use serde::{Deserialize, Serialize};
use store::captures::NewCapture;
use store::payments::NewPayment;
use store::refunds::{Asked, NewRefund};
use store::{Conn, captures, payments, refunds};
use uuid::Uuid;

use crate::gateway::{Gateway, GatewayPaymentStatus, Notes};
use crate::ledger;
use crate::orders::PlacedOrder;
use crate::payments::{CreateGatewayOrder, GATEWAY, Session, failed, patience};

/// A captured payment that was sent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// The gateway's order.
    pub gateway_order_id: GatewayOrderId,
    /// The payment.
    pub gateway_payment_id: GatewayPaymentId,
    /// The refund.
    pub gateway_refund_id: GatewayRefundId,
    /// How much.
    pub amount: Money,
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
        let receipt = &created.input.receipt;
        let orders = match created.output {
            Some(order) => vec![order],
            // Its creation was never confirmed: there may be one under the receipt, or several.
            None => {
                let found = self.0.orders_by_receipt(receipt).await.map_err(failed)?;
                found.into_iter().map(|order| order.id).collect()
            }
        };
        let mut returned = Vec::new();
        for order in orders {
            returned.extend(return_all(&*self.0, &order, None).await?);
        }
        Ok(returned)
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

/// An order that was paid into after its checkout had ended, or beside its payment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stray {
    /// The order and its name at the gateway.
    pub session: Session,
    /// The payment that the order keeps, if it was fulfilled.
    pub kept: Option<GatewayPaymentId>,
}

/// Finds the order's name at the gateway and the payment that it keeps.
pub struct FindStray;

impl Activity for FindStray {
    const NAME: &'static str = "find_stray";
    type Kind = InTransaction;
    type Input = PlacedOrder;
    type Output = Option<Stray>;

    async fn run(&self, tx: &mut Conn, order: PlacedOrder) -> ActivityResult<Option<Stray>> {
        let payments = payments::by_order(tx, order.order_id).await?;
        let kept = payments.iter().find(|p| !p.stray && p.status.was_paid());
        let kept = kept.and_then(|p| p.gateway_payment_id.clone());
        Ok(payments.into_iter().find(|p| !p.stray).map(|payment| {
            let gateway_order_id = payment.gateway_order_id;
            Stray { session: Session { order, gateway_order_id }, kept }
        }))
    }
}

/// Sends every captured payment of an order back but the one that it keeps.
pub struct ReturnStrays(pub Arc<dyn Gateway>);

impl Activity for ReturnStrays {
    const NAME: &'static str = "return_strays";
    type Kind = Outside;
    type Input = Stray;
    type Output = Vec<Returned>;

    async fn run(&self, _: &mut Attempt, stray: Stray) -> ActivityResult<Vec<Returned>> {
        return_all(&*self.0, &stray.session.gateway_order_id, stray.kept.as_ref()).await
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

/// Repeating this is safe: the refund's key is made of the payment's id, so there is one refund.
async fn return_all(
    gateway: &dyn Gateway,
    order: &GatewayOrderId,
    kept: Option<&GatewayPaymentId>,
) -> ActivityResult<Vec<Returned>> {
    let mut returned = Vec::new();
    for payment in gateway.order_payments(order).await.map_err(failed)? {
        if kept == Some(&payment.id) {
            continue;
        }
        let refund = match payment.status {
            GatewayPaymentStatus::Captured => {
                let (id, key, notes) = (&payment.id, refund_key(&payment.id), Notes::new());
                Some(gateway.refund(id, payment.amount, &key, &notes).await.map_err(failed)?)
            }
            // All of it went back before: by an earlier attempt of ours, or by hand.
            GatewayPaymentStatus::Refunded => {
                gateway.refunds_of(&payment.id).await.map_err(failed)?.pop()
            }
            GatewayPaymentStatus::Created
            | GatewayPaymentStatus::Authorized
            | GatewayPaymentStatus::Failed
            | GatewayPaymentStatus::Unrecognised => None,
        };
        returned.extend(refund.map(|refund| Returned {
            gateway_order_id: order.clone(),
            gateway_payment_id: payment.id,
            gateway_refund_id: refund.id,
            amount: payment.amount,
        }));
    }
    Ok(returned)
}

/// The name of the one refund of a payment that no order keeps.
fn refund_key(payment: &GatewayPaymentId) -> String {
    format!("return-{payment}")
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

/// One stray payment with its refund: payment, capture, refund and two ledger transactions.
/// Writing the same one twice changes nothing.
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
    let refund = NewRefund {
        refund_id: RefundId::from(Uuid::now_v7()),
        order_id: order.order_id,
        gateway_payment_id: id,
        amount: returned.amount,
        idempotency_key: &refund_key(id),
        reason: "the order does not keep this payment",
        actor: "checkout",
    };
    match refunds::insert_pending(tx, &refund).await? {
        Asked::Added(refund) => {
            let refund_id = refund.refund_id;
            refunds::mark_processed(tx, refund_id, &returned.gateway_refund_id).await?;
            ledger::post_stray_refund(tx, order, refund_id, returned.amount).await?;
            captures::dispose(tx, id, Disposition::Refunded, Some(refund_id)).await?;
            payments::mark_refunded(tx, id).await?;
        }
        Asked::Known(_) | Asked::TooMuch(_) => {}
    }
    Ok(())
}
