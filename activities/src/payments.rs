//! The payment of an order: the order at the gateway, and what the gateway says of it.
//! It never makes an order paid: `settlement` does.

use std::sync::Arc;

use domain::{GatewayOrderId, GatewayPaymentId, Money, PaymentId};
use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, InTransaction, Outside, ReadOnly, Resolution,
    RetryPolicy,
};
use serde::{Deserialize, Serialize};
use store::payments::NewPayment;
use store::{Conn, payments};
use uuid::Uuid;

use crate::gateway::{
    Gateway, GatewayError, GatewayOrder, GatewayPayment, GatewayPaymentStatus, NewGatewayOrder,
};
use crate::orders::{PAYMENT_FAILED, PlacedOrder};

/// The gateway's name in the tables.
pub const GATEWAY: &str = "razorpay";

/// What a failed call of the gateway means for the step that made it.
pub(crate) fn failed(error: GatewayError) -> ActivityError {
    let message = error.to_string();
    let after = error.retry_after();
    match error {
        GatewayError::Rejected { code, .. } => {
            ActivityError::Rejected { code: code.into(), message }
        }
        GatewayError::Unavailable { .. } => ActivityError::Retryable { message, after },
        GatewayError::Held { after, .. } => ActivityError::NotTried { message, after },
        GatewayError::Unknown { .. } => ActivityError::Unknown { message },
        GatewayError::Misconfigured { .. } => ActivityError::review("gateway_keys", message),
    }
}

/// Calls of the gateway are tried for about ten minutes before a person is asked.
pub(crate) fn patience() -> RetryPolicy {
    RetryPolicy::attempts(25)
}

/// Opens an order at the gateway. The gateway has no idempotency key for this: after a lost answer
/// the order is found by its receipt and adopted.
pub struct CreateGatewayOrder(pub Arc<dyn Gateway>);

impl Activity for CreateGatewayOrder {
    const NAME: &'static str = "create_gateway_order";
    type Kind = Outside;
    type Input = PlacedOrder;
    type Output = GatewayOrderId;

    async fn run(&self, _: &mut Attempt, order: PlacedOrder) -> ActivityResult<GatewayOrderId> {
        let opened = match order.opened {
            Some(opened) => return Ok(opened),
            None => self.0.create_order(&charge(&order)).await.map_err(failed)?,
        };
        adopt(&opened, order.total)
    }

    async fn resolve(
        &self,
        _: &mut Attempt,
        order: PlacedOrder,
    ) -> ActivityResult<Resolution<GatewayOrderId>> {
        let found = self.0.orders_by_receipt(&order.receipt).await.map_err(failed)?;
        match found.first() {
            Some(oldest) => Ok(Resolution::Done(adopt(oldest, order.total)?)),
            None => Ok(Resolution::TryAgain),
        }
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

fn charge(order: &PlacedOrder) -> NewGatewayOrder {
    NewGatewayOrder {
        receipt: order.receipt.clone(),
        amount: order.total,
        capture: order.terms.capture,
        notes: [("order_id".to_owned(), order.order_id.to_string())].into(),
    }
}

/// An order over another amount must not be shown to the customer.
fn adopt(order: &GatewayOrder, amount: Money) -> ActivityResult<GatewayOrderId> {
    if order.amount == amount {
        return Ok(order.id.clone());
    }
    let message = format!("{} is over {}, not {amount}", order.id, order.amount);
    Err(ActivityError::review("amount_mismatch", message))
}

/// What the customer may pay now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// The order that it pays.
    pub order: PlacedOrder,
    /// Its name at the gateway.
    pub gateway_order_id: GatewayOrderId,
}

/// Writes down that the order can be paid, where the API finds it.
pub struct OpenPayment;

impl Activity for OpenPayment {
    const NAME: &'static str = "open_payment";
    type Kind = InTransaction;
    type Input = Session;
    type Output = PaymentId;

    async fn run(&self, tx: &mut Conn, session: Session) -> ActivityResult<PaymentId> {
        let payment = NewPayment {
            payment_id: PaymentId::from(Uuid::now_v7()),
            tenant_id: &session.order.tenant_id,
            order_id: session.order.order_id,
            gateway: GATEWAY,
            gateway_order_id: &session.gateway_order_id,
            amount: session.order.total,
        };
        Ok(payments::insert_pending(tx, &payment).await?.payment_id)
    }
}

/// What the gateway says about an order's payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "payment", rename_all = "snake_case")]
pub enum Reading {
    /// The money is ours.
    Captured {
        /// The payment that pays the order.
        paid: Paid,
        /// More came in beside it.
        strays: bool,
    },
    /// The customer's money is set aside: it is ours when we take it.
    Authorized {
        /// The payment that is to pay the order.
        paid: Paid,
    },
    /// It failed.
    Failed {
        /// The gateway's word for it.
        why: String,
    },
    /// Nothing is decided.
    Pending,
}

/// A payment that pays an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// The gateway's payment.
    pub gateway_payment_id: GatewayPaymentId,
    /// Its amount, which is the order's.
    pub amount: Money,
}

/// Reads an order's payment from the gateway: its word counts, not the browser's.
pub struct ReadPayment(pub Arc<dyn Gateway>);

impl Activity for ReadPayment {
    const NAME: &'static str = "read_payment";
    type Kind = ReadOnly;
    type Input = Session;
    type Output = Reading;

    async fn run(&self, _: &mut Attempt, session: Session) -> ActivityResult<Reading> {
        let payments = self.0.order_payments(&session.gateway_order_id).await.map_err(failed)?;
        reading(&payments, session.order.total)
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

/// A capture counts before anything else; failure only when no attempt is still open.
fn reading(payments: &[GatewayPayment], total: Money) -> ActivityResult<Reading> {
    use GatewayPaymentStatus::{Authorized, Captured, Created, Failed, Refunded, Unrecognised};
    let mut captured = payments.iter().filter(|p| p.status == Captured);
    if let Some(first) = captured.next() {
        if first.amount_refunded.minor() > 0 {
            let message = format!("{} of {} went back already", first.amount_refunded, first.id);
            return Err(ActivityError::review("partially_refunded", message));
        }
        return Ok(Reading::Captured {
            paid: exact(first, total)?,
            strays: captured.next().is_some(),
        });
    }
    if let Some(authorized) = payments.iter().find(|p| p.status == Authorized) {
        return Ok(Reading::Authorized { paid: exact(authorized, total)? });
    }
    if payments.iter().any(|p| matches!(p.status, Created | Unrecognised)) {
        return Ok(Reading::Pending);
    }
    let failed = payments.iter().rev().find(|p| matches!(p.status, Failed | Refunded));
    Ok(failed.map_or(Reading::Pending, |p| Reading::Failed {
        why: p.failure.clone().unwrap_or_else(|| "payment_failed".to_owned()),
    }))
}

/// A payment over another amount pays nothing before a person has looked.
fn exact(payment: &GatewayPayment, total: Money) -> ActivityResult<Paid> {
    let (id, amount) = (&payment.id, payment.amount);
    if amount == total {
        return Ok(Paid { gateway_payment_id: id.clone(), amount });
    }
    Err(ActivityError::review("amount_mismatch", format!("{id} paid {amount}, not {total}")))
}

/// Takes an authorized payment. After a lost answer the payment is read back: it is never captured
/// on a guess.
pub struct CapturePayment(pub Arc<dyn Gateway>);

impl Activity for CapturePayment {
    const NAME: &'static str = "capture_payment";
    type Kind = Outside;
    type Input = Paid;
    type Output = ();

    async fn run(&self, _: &mut Attempt, paid: Paid) -> ActivityResult<()> {
        match self.0.capture(&paid.gateway_payment_id, paid.amount).await {
            Ok(_) => Ok(()),
            Err(refused @ GatewayError::Rejected { .. }) => Err(not_captured(&refused.to_string())),
            Err(error) => Err(failed(error)),
        }
    }

    async fn resolve(&self, _: &mut Attempt, paid: Paid) -> ActivityResult<Resolution<()>> {
        use GatewayPaymentStatus::{Authorized, Captured, Created, Failed, Refunded, Unrecognised};
        let payment = self.0.payment(&paid.gateway_payment_id).await.map_err(failed)?;
        match payment.status {
            Captured => Ok(Resolution::Done(())),
            Authorized => Ok(Resolution::TryAgain),
            Failed | Refunded => Err(not_captured("the authorization has lapsed")),
            Created | Unrecognised => {
                Err(ActivityError::retryable("the payment is not authorized any more"))
            }
        }
    }

    fn retry(&self) -> RetryPolicy {
        patience()
    }
}

/// The customer keeps the money: the payment has failed.
fn not_captured(why: &str) -> ActivityError {
    ActivityError::Rejected { code: PAYMENT_FAILED.into(), message: format!("not captured: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Currency::Inr;

    fn payment(id: &str, status: GatewayPaymentStatus, minor: i64) -> GatewayPayment {
        GatewayPayment {
            id: id.parse().expect("an id"),
            order_id: None,
            amount: Money::from_minor(minor, Inr),
            amount_refunded: Money::zero(Inr),
            status,
            method: None,
            failure: Some("card_declined".to_owned()),
            created_at: None,
        }
    }

    #[test]
    fn a_capture_counts_whatever_else_was_tried() {
        use GatewayPaymentStatus::{Captured, Failed};
        let total = Money::from_minor(500, Inr);
        let tried = [payment("pay_1", Failed, 500), payment("pay_2", Captured, 500)];
        let read = reading(&tried, total).expect("readable");
        assert!(
            matches!(&read, Reading::Captured { paid, strays: false }
                if paid.gateway_payment_id.as_str() == "pay_2"),
            "the captured attempt pays the order: {read:?}"
        );
    }

    #[test]
    fn an_amount_that_differs_is_for_a_person() {
        let paid = [payment("pay_1", GatewayPaymentStatus::Captured, 499)];
        let answer = reading(&paid, Money::from_minor(500, Inr));
        assert!(
            matches!(answer, Err(ActivityError::Review { ref class, .. }) if class == "amount_mismatch"),
            "a mismatch is held, never fulfilled"
        );
    }

    #[test]
    fn nothing_has_failed_while_an_attempt_is_open() {
        use GatewayPaymentStatus::{Created, Failed};
        let total = Money::from_minor(500, Inr);
        let open = [payment("pay_1", Failed, 500), payment("pay_2", Created, 500)];
        assert_eq!(reading(&open, total).expect("readable"), Reading::Pending, "one is still open");
        let failed = reading(&open[..1], total).expect("readable");
        assert_eq!(failed, Reading::Failed { why: "card_declined".to_owned() }, "all have failed");
        assert_eq!(reading(&[], total).expect("readable"), Reading::Pending, "nobody tried");
    }
    #[test]
    fn an_order_over_another_amount_is_shown_to_nobody() {
        let total = Money::from_minor(500, Inr);
        let opened = |minor| GatewayOrder {
            id: "order_1".parse().expect("an id"),
            amount: Money::from_minor(minor, Inr),
            amount_paid: Money::zero(Inr),
            receipt: None,
            status: crate::gateway::GatewayOrderStatus::Created,
            notes: crate::gateway::Notes::new(),
            created_at: None,
        };
        assert!(adopt(&opened(500), total).is_ok());
        assert!(matches!(adopt(&opened(50_000), total), Err(ActivityError::Review { .. })));
    }

    #[test]
    fn what_is_authorized_is_ours_to_take_over_the_orders_amount_only() {
        let set_aside = [payment("pay_1", GatewayPaymentStatus::Authorized, 500)];
        let read = |minor| reading(&set_aside, Money::from_minor(minor, Inr));
        assert!(matches!(read(500), Ok(Reading::Authorized { .. })), "it is ours to take");
        assert!(matches!(read(499), Err(ActivityError::Review { .. })), "and this is not");
    }
}
