//! Events about payments: each becomes a signal to the checkout that may await the payment.
//! Never moves money: the saga asks the gateway what is true.

use domain::WebhookState;
use store::{Conn, payments};
use workflows::{Fact, GATEWAY};

use super::event::Event;
use crate::app::App;
use crate::error::ApiResult;
use crate::payment_hint;

/// Signals the checkout that the event is about.
///
/// An event may overtake the commit that stores its gateway order: it is kept as unmatched then.
pub(super) async fn pass_on(
    app: &App,
    conn: &mut Conn,
    fact: Fact,
    event: &Event,
) -> ApiResult<WebhookState> {
    let (Some(gateway_order), Some(payment)) = (&event.order, &event.payment) else {
        return Ok(WebhookState::Ignored);
    };
    let awaited = match payments::by_gateway_order(conn, GATEWAY, gateway_order).await {
        Ok(awaited) => awaited,
        Err(store::Error::NotFound) => return Ok(WebhookState::Unmatched),
        Err(error) => return Err(error.into()),
    };
    if awaited.status.was_paid() && awaited.gateway_payment_id.as_ref() == Some(payment) {
        return Ok(WebhookState::Signalled); // Settled by this very payment: it knows.
    }
    let told =
        payment_hint::tell(&app.client, conn, &awaited, (fact, payment), &event.kind).await?;
    Ok(if told { WebhookState::Signalled } else { WebhookState::Unmatched })
}
