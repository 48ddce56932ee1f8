//! Events about refunds: each becomes a signal to the saga that carries the refund. One that was made
//! in the gateway's dashboard gets its saga here.
//! Never moves money: the saga asks the gateway what is true.

use domain::{RefundStatus, WebhookState};
use store::refunds::Refund;
use store::{Conn, captures, refunds};
use workflows::{RefundHint, Refunding};

use super::event::Event;
use crate::app::App;
use crate::error::ApiResult;
use crate::v1::refunds::workflow_id;

/// Tells whoever carries the refund.
///
/// An event may overtake the commit that stores the refund's name, or the payment: it is kept as
/// unmatched then.
pub(super) async fn pass_on(app: &App, conn: &mut Conn, event: &Event) -> ApiResult<WebhookState> {
    let (Some(status), Some(made), Some(payment)) =
        (reported(&event.kind), &event.refund, &event.payment)
    else {
        return Ok(WebhookState::Ignored);
    };
    let known = refunds::by_gateway_refund(conn, std::slice::from_ref(made)).await?;
    let refunding = match known.into_values().next() {
        Some(known) if known.status == status || known.status.may_follow(status) => {
            return Ok(WebhookState::Signalled); // Written down already: nobody has to be told.
        }
        Some(known) => Refunding::from(known),
        None => {
            let capture = match captures::get(conn, payment).await {
                Ok(capture) => capture,
                Err(store::Error::NotFound) => return Ok(WebhookState::Unmatched),
                Err(error) => return Err(error.into()),
            };
            let Some(order) = capture.order_id else { return Ok(WebhookState::Unmatched) };
            let asked = refunds::by_order(conn, order).await?;
            if asked.iter().any(|refund| refund.gateway_payment_id == *payment && is_asked(refund))
            {
                return Ok(WebhookState::Unmatched); // Ours, most likely: its saga knows it soon.
            }
            Refunding::found(order, payment.clone(), made.clone())
        }
    };
    let id = workflow_id(refunding.refund_id);
    let signal = format!("{}:{made}", event.kind);
    let hint = RefundHint { status };
    app.client
        .signal_or_start::<workflows::Refund, _>(conn, &id, &refunding, &signal, &hint)
        .await?;
    Ok(WebhookState::Signalled)
}

/// Where a refund stands by an event of this kind; none if that says nothing about it.
fn reported(kind: &str) -> Option<RefundStatus> {
    match kind {
        "refund.created" => Some(RefundStatus::Pending),
        "refund.processed" => Some(RefundStatus::Processed),
        "refund.failed" => Some(RefundStatus::Failed),
        _ => None,
    }
}

/// Whether the gateway is being asked for it just now, so that its name there is not known yet.
fn is_asked(refund: &Refund) -> bool {
    refund.status == RefundStatus::Pending
        && refund.gateway_refund_id.is_none()
        && refund.failure_code.is_none()
}
