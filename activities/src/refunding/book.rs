//! Writes down what became of a refund: its status, the books, the payment, the order, the news.
//! All of it in one transaction, and the same news twice changes nothing.

use domain::{MessageId, OrderStatus, PaymentStatus, RefundId, RefundStatus};
use makegood::{Activity, ActivityError, ActivityResult, InTransaction, RetryPolicy};
use serde::{Deserialize, Serialize};
use store::orders::{Order, StatusChange};
use store::outbox::NewMessage;
use store::payments::Payment;
use store::refunds::{Asked, Failed, NewRefund, Refund};
use store::{Conn, captures, orders, outbox, payments, refunds};
use uuid::Uuid;

use super::{News, Refunding, Standing, made_at_gateway};
use crate::ledger::{self, Of};

/// News of a refund.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Booking {
    /// The refund.
    pub refund: Refunding,
    /// What came of it.
    pub news: News,
}

/// Writes the news of a refund down, and answers where it stands now. A refund that was made at the
/// gateway first gets its row here.
pub struct BookRefund;

impl Activity for BookRefund {
    const NAME: &'static str = "book_refund";
    type Kind = InTransaction;
    type Input = Booking;
    type Output = RefundStatus;

    async fn run(&self, tx: &mut Conn, booking: Booking) -> ActivityResult<RefundStatus> {
        let Booking { refund, news } = booking;
        // The order first: locks have one order everywhere.
        orders::lock(tx, &[refund.order_id]).await?;
        match news {
            News::Stands(standing) => book(tx, &refund, &standing).await,
            News::NotNow { code } => {
                refunds::name(tx, refund.refund_id, None, Some(&code)).await?;
                Ok(refunds::get(tx, refund.refund_id).await?.status)
            }
            News::Refused { code } => fail(tx, refund.refund_id, None, &code).await,
        }
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy::attempts(25)
    }
}

async fn book(
    tx: &mut Conn,
    refund: &Refunding,
    standing: &Standing,
) -> ActivityResult<RefundStatus> {
    let row = row_of(tx, refund, standing).await?;
    match standing.status {
        RefundStatus::Failed => fail(tx, row.refund_id, Some(standing), "FAILED_AT_GATEWAY").await,
        RefundStatus::Pending => {
            refunds::name(tx, row.refund_id, Some(&standing.gateway_refund_id), None).await?;
            captures::restate(tx, &row.gateway_payment_id, row.refund_id).await?;
            Ok(row.status)
        }
        RefundStatus::Processed => process(tx, row, standing).await,
    }
}

/// Our row: the one under the gateway's name, else the one that its notes name; else a new one.
async fn row_of(tx: &mut Conn, refund: &Refunding, standing: &Standing) -> ActivityResult<Refund> {
    let name = standing.gateway_refund_id.clone();
    let mut known = refunds::by_gateway_refund(tx, &[name]).await?.into_values().next();
    if known.is_none() {
        let ids = [standing.ours.unwrap_or(refund.refund_id)];
        let asked = refunds::by_refunds(tx, &ids).await?.into_values().next();
        known = asked.filter(|row| standing.is_of(row));
    }
    let Some(row) = known else {
        let (payment, made) = (&standing.gateway_payment_id, &standing.gateway_refund_id);
        let found = Refunding::found(refund.order_id, payment.clone(), made.clone());
        return adopt(tx, &found, standing).await;
    };
    if row.amount != standing.amount || row.gateway_payment_id != standing.gateway_payment_id {
        let message = format!(
            "{} gives {} of {} back, refund {} is over {} of {}",
            standing.gateway_refund_id,
            standing.amount,
            standing.gateway_payment_id,
            row.refund_id,
            row.amount,
            row.gateway_payment_id
        );
        return Err(ActivityError::review("amount_mismatch", message));
    }
    Ok(row)
}

/// The gateway's word stands: one of ours that does not fit beside it will be refused there.
async fn adopt(tx: &mut Conn, refund: &Refunding, standing: &Standing) -> ActivityResult<Refund> {
    let new = NewRefund {
        refund_id: refund.refund_id,
        order_id: refund.order_id,
        gateway_payment_id: &standing.gateway_payment_id,
        gateway_refund_id: Some(&standing.gateway_refund_id),
        amount: standing.amount,
        asked: Some(standing.amount),
        idempotency_key: &made_at_gateway(&standing.gateway_refund_id),
        reason: "made at the gateway",
        override_reason: None,
        actor: "gateway",
        watched: true,
    };
    match refunds::insert_pending(tx, &new).await? {
        Asked::Added(row) | Asked::Known(row) => Ok(row),
        Asked::TooMuch(left) => Err(ActivityError::retryable(format!(
            "{} gives {} back, and {left} is left beside what was asked for here",
            standing.gateway_refund_id, standing.amount
        ))),
    }
}

async fn process(tx: &mut Conn, row: Refund, standing: &Standing) -> ActivityResult<RefundStatus> {
    let name = &standing.gateway_refund_id;
    if !refunds::mark_processed(tx, row.refund_id, name).await? {
        return Ok(refunds::get(tx, row.refund_id).await?.status);
    }
    let order = orders::get(tx, row.order_id).await?;
    if payment_of(tx, &row).await?.stray {
        ledger::post_stray_refund(tx, Of::order(&order), row.refund_id, row.amount).await?;
    } else {
        ledger::post_refund(tx, &order, row.refund_id, row.amount).await?;
    }
    payments::mark_refunded(tx, &row.gateway_payment_id).await?;
    captures::restate(tx, &row.gateway_payment_id, row.refund_id).await?;
    let payment = payment_of(tx, &row).await?;
    if !payment.stray && payment.status == PaymentStatus::Refunded {
        // What was delivered stays delivered: then only the payment says that the money went back.
        let from = [OrderStatus::Paid, OrderStatus::Confirmed, OrderStatus::Failed];
        let change = StatusChange::new(order.order_id, OrderStatus::Refunded, &row.actor);
        orders::set_status(tx, &from, &[change]).await?;
    }
    announce(tx, &order, &row, "refund.processed").await?;
    Ok(RefundStatus::Processed)
}

/// It frees its amount. If it had left, everything that said so is taken back.
pub(super) async fn fail(
    tx: &mut Conn,
    refund: RefundId,
    standing: Option<&Standing>,
    code: &str,
) -> ActivityResult<RefundStatus> {
    let name = standing.map(|standing| &standing.gateway_refund_id);
    let before = refunds::mark_failed(tx, refund, name, code).await?;
    if before == Failed::Before {
        return Ok(RefundStatus::Failed);
    }
    let row = refunds::get(tx, refund).await?;
    let order = orders::get(tx, row.order_id).await?;
    if before == Failed::FromProcessed {
        ledger::reverse_refund(tx, Of::order(&order), refund).await?;
        payments::mark_refunded(tx, &row.gateway_payment_id).await?;
        reopen(tx, &order, &row, code).await?;
    }
    captures::restate(tx, &row.gateway_payment_id, refund).await?;
    announce(tx, &order, &row, "refund.failed").await?;
    Ok(RefundStatus::Failed)
}

/// A REFUNDED order whose money came back is again what it was before.
async fn reopen(tx: &mut Conn, order: &Order, row: &Refund, code: &str) -> ActivityResult<()> {
    let is_still = payment_of(tx, row).await?.status == PaymentStatus::Refunded;
    if order.status != OrderStatus::Refunded || is_still {
        return Ok(());
    }
    let events = orders::events(tx, order.order_id, 0).await?;
    let refunded = events.into_iter().rev().find(|event| event.to == OrderStatus::Refunded);
    let Some(before) = refunded.and_then(|event| event.from) else {
        return Err(ActivityError::review(
            "order_status",
            "nobody knows what the order was before",
        ));
    };
    let change = StatusChange {
        reason_code: (before == OrderStatus::Failed).then_some(code),
        ..StatusChange::new(order.order_id, before, "refund")
    };
    orders::set_status(tx, &[OrderStatus::Refunded], &[change]).await?;
    Ok(())
}

async fn payment_of(tx: &mut Conn, row: &Refund) -> ActivityResult<Payment> {
    let payments = payments::by_order(tx, row.order_id).await?;
    let ours = |payment: &Payment| {
        payment.gateway_payment_id.as_ref() == Some(&row.gateway_payment_id)
            && payment.status.was_paid()
    };
    payments.into_iter().find(ours).ok_or_else(|| {
        let message = format!("{} pays nothing, and goes back", row.gateway_payment_id);
        ActivityError::review("unknown_payment", message)
    })
}

async fn announce(tx: &mut Conn, order: &Order, row: &Refund, topic: &str) -> ActivityResult<()> {
    let message = NewMessage {
        message_id: MessageId::from(Uuid::now_v7()),
        tenant_id: &order.tenant_id,
        topic,
        key: &order.order_id.to_string(),
        payload: &serde_json::json!({
            "order_id": order.order_id,
            "refund_id": row.refund_id,
            "amount": row.amount,
            "failure_code": row.failure_code,
        }),
    };
    outbox::push(tx, &message).await?;
    Ok(())
}
