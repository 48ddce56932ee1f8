//! Tells a checkout that its payment has moved on: the one way in for verify and webhooks.
//! Never writes money state: the saga asks the gateway before it believes anything.

use domain::GatewayPaymentId;
use makegood::Client;
use store::Conn;
use store::orders::Order;
use workflows::{Checkout, Fact, PaymentHint};

use crate::error::ApiResult;

/// Signals the order's checkout in the caller's transaction; `false` when it was never started.
/// Wake the workers after the commit.
pub(crate) async fn tell(
    client: &Client,
    conn: &mut Conn,
    order: &Order,
    (fact, payment): (Fact, &GatewayPaymentId),
    source: &str,
) -> ApiResult<bool> {
    let hint = PaymentHint { gateway_payment_id: Some(payment.clone()), source: source.to_owned() };
    let id = fact.signal_id(payment);
    let sent = client.signal::<Checkout, PaymentHint>(conn, &order.workflow_id, &id, &hint).await;
    match sent {
        Ok(_) => Ok(true),
        Err(makegood::Error::RunNotFound(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
