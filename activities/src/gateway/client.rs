//! The payment gateway in Razorpay's wire protocol: one function for each call of [`Gateway`].
//! It never retries; how requests travel is in `transport`, what the JSON means is in `wire`.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use domain::{GatewayOrderId, GatewayPaymentId, Money};
use reqwest::Method;
use uuid::Uuid;

use super::transport::{Answer, Transport};
use super::wire::{self, OrderJson, PaymentJson, PayoutJson, RefundJson};
use super::{
    Gateway, GatewayConfig, GatewayError, GatewayFuture, GatewayOrder, GatewayPayment,
    GatewayPaymentStatus, GatewayPayout, GatewayRefund, NewGatewayOrder, Notes, Operation, PAGE,
};

/// The header that makes a refund safe to repeat.
const REFUND_KEY: &str = "X-Refund-Idempotency";

/// A gateway reached over HTTP: the real service, or the sandbox.
#[derive(Debug)]
pub struct RazorpayClient {
    transport: Transport,
}

impl RazorpayClient {
    /// A client with a connection pool of its own; it connects at the first call.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Misconfigured`] for a wrong address, empty keys, or https in a process
    /// that did not call [`super::install_tls`].
    pub fn new(config: GatewayConfig) -> Result<Self, GatewayError> {
        Ok(Self { transport: Transport::new(config)? })
    }

    async fn capture_once(&self, id: &str, amount: Money) -> Answer<GatewayPayment> {
        let request = self.transport.request(Method::POST, &["payments", id, "capture"])?;
        let body = wire::Capture { amount: amount.minor(), currency: amount.currency().as_str() };
        let request = request.json(&body);
        let payment = self.transport.call::<PaymentJson, _>(Operation::Capture, request).await?;
        same_payment(Operation::Capture, id, payment)
    }

    async fn read_payment(&self, id: &str) -> Answer<GatewayPayment> {
        let request = self.transport.request(Method::GET, &["payments", id])?;
        let payment = self.transport.call::<PaymentJson, _>(Operation::GetPayment, request).await?;
        same_payment(Operation::GetPayment, id, payment)
    }
}

impl Gateway for RazorpayClient {
    fn create_order<'a>(&'a self, order: &'a NewGatewayOrder) -> GatewayFuture<'a, GatewayOrder> {
        Box::pin(async move {
            let request =
                self.transport.request(Method::POST, &["orders"])?.json(&wire::CreateOrder {
                    amount: order.amount.minor(),
                    currency: order.amount.currency().as_str(),
                    receipt: &order.receipt,
                    payment: order.capture.into(),
                    notes: &order.notes,
                });
            self.transport.call::<OrderJson, _>(Operation::CreateOrder, request).await
        })
    }

    fn orders_by_receipt<'a>(&'a self, receipt: &'a str) -> GatewayFuture<'a, Vec<GatewayOrder>> {
        Box::pin(async move {
            let operation = Operation::ListOrders;
            let filter = [("receipt", receipt)];
            let mut orders: Vec<GatewayOrder> =
                self.transport.list::<OrderJson, _>(operation, &["orders"], &filter).await?;
            // A gateway that ignored the filter must not make us adopt a stranger's order.
            orders.retain(|order| order.receipt.as_deref() == Some(receipt));
            Ok(orders)
        })
    }

    fn order_payments<'a>(
        &'a self,
        order_id: &'a GatewayOrderId,
    ) -> GatewayFuture<'a, Vec<GatewayPayment>> {
        Box::pin(async move {
            let operation = Operation::OrderPayments;
            let id = checked(operation, order_id.as_str())?;
            self.transport.list::<PaymentJson, _>(operation, &["orders", id, "payments"], &[]).await
        })
    }

    fn order<'a>(&'a self, order_id: &'a GatewayOrderId) -> GatewayFuture<'a, GatewayOrder> {
        Box::pin(async move {
            let operation = Operation::GetOrder;
            let id = checked(operation, order_id.as_str())?;
            let request = self.transport.request(Method::GET, &["orders", id])?;
            let order: GatewayOrder =
                self.transport.call::<OrderJson, _>(operation, request).await?;
            if order.id == *order_id {
                Ok(order)
            } else {
                Err(GatewayError::unclear(operation, "the answer is about another order"))
            }
        })
    }

    fn payments_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        skip: usize,
    ) -> GatewayFuture<'_, Vec<GatewayPayment>> {
        Box::pin(async move {
            let query = [
                ("from", from.timestamp().to_string()),
                ("to", to.timestamp().to_string()),
                ("count", PAGE.to_string()),
                ("skip", skip.to_string()),
            ];
            let operation = Operation::ListPayments;
            self.transport.page::<PaymentJson, _>(operation, &["payments"], &query).await
        })
    }

    fn payouts(&self, day: NaiveDate, skip: usize) -> GatewayFuture<'_, Vec<GatewayPayout>> {
        Box::pin(async move {
            let query = [
                ("year", day.year().to_string()),
                ("month", format!("{:02}", day.month())),
                ("day", format!("{:02}", day.day())),
                ("count", PAGE.to_string()),
                ("skip", skip.to_string()),
            ];
            let path = ["settlements", "recon", "combined"];
            self.transport.page::<PayoutJson, _>(Operation::Payouts, &path, &query).await
        })
    }

    fn payment<'a>(
        &'a self,
        payment_id: &'a GatewayPaymentId,
    ) -> GatewayFuture<'a, GatewayPayment> {
        Box::pin(async move {
            let id = checked(Operation::GetPayment, payment_id.as_str())?;
            self.read_payment(id).await
        })
    }

    fn capture<'a>(
        &'a self,
        payment_id: &'a GatewayPaymentId,
        amount: Money,
    ) -> GatewayFuture<'a, GatewayPayment> {
        Box::pin(async move {
            let id = checked(Operation::Capture, payment_id.as_str())?;
            let refused = match self.capture_once(id, amount).await {
                Err(refused @ GatewayError::Rejected { .. }) => refused,
                answer => return answer,
            };
            // The refusal may mean "already captured", by an earlier try whose answer was lost.
            match self.read_payment(id).await {
                Ok(payment)
                    if payment.status == GatewayPaymentStatus::Captured
                        && payment.amount == amount =>
                {
                    Ok(payment)
                }
                Ok(_) | Err(GatewayError::Rejected { .. }) => Err(refused),
                Err(wrong @ GatewayError::Misconfigured { .. }) => Err(wrong),
                Err(
                    unread @ (GatewayError::Unavailable { .. }
                    | GatewayError::Held { .. }
                    | GatewayError::Unknown { .. }),
                ) => {
                    let (operation, detail) = (Operation::Capture, unread.to_string());
                    Err(GatewayError::Unknown { operation, detail })
                }
            }
        })
    }

    fn refund<'a>(
        &'a self,
        payment_id: &'a GatewayPaymentId,
        amount: Money,
        idempotency_key: &'a str,
        notes: &'a Notes,
    ) -> GatewayFuture<'a, GatewayRefund> {
        Box::pin(async move {
            let operation = Operation::Refund;
            let id = checked(operation, payment_id.as_str())?;
            let request = self
                .transport
                .request(Method::POST, &["payments", id, "refund"])?
                .header(REFUND_KEY, refund_key(idempotency_key))
                .json(&wire::Refund { amount: amount.minor(), notes });
            let refund: GatewayRefund =
                self.transport.call::<RefundJson, _>(operation, request).await?;
            if refund.payment_id.as_str() == id {
                Ok(refund)
            } else {
                Err(GatewayError::unclear(operation, "the answer is about another payment"))
            }
        })
    }

    fn refunds_of<'a>(
        &'a self,
        payment_id: &'a GatewayPaymentId,
    ) -> GatewayFuture<'a, Vec<GatewayRefund>> {
        Box::pin(async move {
            let operation = Operation::PaymentRefunds;
            let id = checked(operation, payment_id.as_str())?;
            self.transport.list::<RefundJson, _>(operation, &["payments", id, "refunds"], &[]).await
        })
    }

    fn refunds_since(
        &self,
        since: DateTime<Utc>,
        skip: usize,
    ) -> GatewayFuture<'_, Vec<GatewayRefund>> {
        Box::pin(async move {
            let query = [
                ("from", since.timestamp().to_string()),
                ("count", PAGE.to_string()),
                ("skip", skip.to_string()),
            ];
            self.transport.page::<RefundJson, _>(Operation::ListRefunds, &["refunds"], &query).await
        })
    }
}

/// Refuses an id that would change the path it stands in: ids also come from browsers.
fn checked(operation: Operation, id: &str) -> Answer<&str> {
    if wire::is_id(id) {
        return Ok(id);
    }
    Err(GatewayError::Rejected {
        operation,
        status: None,
        code: "MALFORMED_ID".to_owned(),
        reason: None,
        description: Some("an id has letters, digits and underscores only".to_owned()),
    })
}

fn same_payment(operation: Operation, id: &str, payment: GatewayPayment) -> Answer<GatewayPayment> {
    if payment.id.as_str() == id {
        Ok(payment)
    } else {
        Err(GatewayError::unclear(operation, "the answer is about another payment"))
    }
}

/// The key as it is, if the gateway takes it; else a UUID that only this key yields.
fn refund_key(key: &str) -> String {
    let is_plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if is_plain && (10..=64).contains(&key.len()) {
        key.to_owned()
    } else {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_key_always_fits_the_gateway_and_stays_the_same() {
        assert_eq!(refund_key("refund-2026-01"), "refund-2026-01");
        let engines_key = "0197/refund_payment/1";
        assert_eq!(refund_key(engines_key), refund_key(engines_key));
        assert_ne!(refund_key(engines_key), refund_key("0197/refund_payment/2"));
        assert_eq!(refund_key("short").len(), 36);
        assert_eq!(refund_key(&"k".repeat(300)).len(), 36);
    }

    #[test]
    fn an_id_cannot_lead_a_call_astray() {
        for id in ["", "..", "pay_1/capture", "pay_1?x=1", "pay 1", "pay_\u{e9}"] {
            let refused = checked(Operation::GetPayment, id);
            assert!(matches!(refused, Err(GatewayError::Rejected { status: None, .. })), "{id}");
        }
        assert_eq!(checked(Operation::GetPayment, "pay_IH4NVgf4Dreq1l"), Ok("pay_IH4NVgf4Dreq1l"));
    }
}
