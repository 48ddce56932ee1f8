//! Which file passes which event on, on one screen. What is not in the table is kept and ignored.

use domain::WebhookState;
use store::Conn;
use workflows::Fact;

use super::event::Event;
use super::{payments, refunds};
use crate::app::App;
use crate::error::ApiResult;

/// Events that are passed on in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// About a payment that an order may await.
    Payment(Fact),
    /// About money on its way back.
    Refund,
    /// Of no interest.
    Other,
}

impl Family {
    fn of(kind: &str) -> Self {
        match kind {
            "payment.captured" | "order.paid" => Self::Payment(Fact::Captured),
            "payment.authorized" => Self::Payment(Fact::Authorized),
            "payment.failed" => Self::Payment(Fact::Failed),
            "refund.created" | "refund.processed" | "refund.failed" | "refund.speed_changed" => {
                Self::Refund
            }
            _ => Self::Other,
        }
    }
}

/// Passes a kept event on, in the caller's transaction, and says what became of it. Called again
/// for one that was too early, so a repeat must be harmless.
pub(crate) async fn pass_on(app: &App, conn: &mut Conn, event: &Event) -> ApiResult<WebhookState> {
    match Family::of(&event.kind) {
        Family::Payment(fact) => payments::pass_on(app, conn, fact, event).await,
        Family::Refund => refunds::pass_on(app, conn, event).await,
        Family::Other => Ok(WebhookState::Ignored),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_of_one_capture_is_one_signal() {
        let payment = "pay_1".parse().expect("an id");
        let ids = ["payment.captured", "order.paid"].map(|kind| match Family::of(kind) {
            Family::Payment(fact) => fact.signal_id(&payment),
            other => panic!("{kind} is about a payment, not {other:?}"),
        });
        assert_eq!(ids, ["captured:pay_1", "captured:pay_1"]);
    }

    #[test]
    fn what_nobody_knows_is_of_no_interest() {
        for kind in ["payment.dispute.created", "settlement.processed", "payment.captured.v2", ""] {
            assert_eq!(Family::of(kind), Family::Other, "{kind}");
        }
    }
}
