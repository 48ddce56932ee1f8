//! Tells a checkout that its payment has moved on: the one way in for verify and webhooks.
//! Never writes money state: the saga asks the gateway before it believes anything.

use domain::GatewayPaymentId;
use makegood::Client;
use store::Conn;
use store::payments::Payment;
use workflows::{Checkout, Fact, PaymentHint};

use crate::error::ApiResult;

/// Signals the checkout that awaits this payment, in the caller's transaction; `false` when it was
/// never started. Wake the workers after the commit.
pub(crate) async fn tell(
    client: &Client,
    conn: &mut Conn,
    awaited: &Payment,
    (fact, payment): (Fact, &GatewayPaymentId),
    source: &str,
) -> ApiResult<bool> {
    let hint = PaymentHint {
        gateway_payment_id: Some(payment.clone()),
        source: source.to_owned(),
        forged: fact == Fact::Forged,
    };
    let id = fact.signal_id(payment);
    let checkout = &awaited.workflow_id;
    let sent = client.signal::<Checkout, PaymentHint>(conn, checkout, &id, &hint).await;
    match sent {
        Ok(_) => Ok(true),
        Err(makegood::Error::RunNotFound(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
