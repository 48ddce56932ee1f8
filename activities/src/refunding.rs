//! A refund as its saga carries it: asked for at the gateway, followed there, written down here.
//! What became of it is the gateway's word alone, whoever made it.

mod ask;
mod book;
mod end;

use domain::{GatewayPaymentId, GatewayRefundId, Money, OrderId, RefundId, RefundStatus};
use makegood::Signal;
use serde::{Deserialize, Serialize};
use store::refunds::Refund;
use uuid::Uuid;

use crate::gateway::{GatewayRefund, GatewayRefundStatus};

pub use ask::{AskRefund, Asking, ReadRefund};
pub use book::{BookRefund, Booking};
pub use end::{CloseRefund, FindRefund, LookAfterRefund};

/// A refund: asked for here, or found at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunding {
    /// Our id of it.
    pub refund_id: RefundId,
    /// The order whose money it is.
    pub order_id: OrderId,
    /// The payment that goes back.
    pub gateway_payment_id: GatewayPaymentId,
    /// What of it goes back.
    pub part: Part,
}

/// What of a payment goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// This much, for which the gateway is to be asked.
    Wanted(Money),
    /// Whatever this refund of the gateway's says: it is made already, by hand or by a checkout.
    Made(GatewayRefundId),
}

impl Refunding {
    /// One that the gateway has and our tables do not. Its id is made of the gateway's, so that
    /// whoever finds it first, it is the same refund.
    pub fn found(
        order_id: OrderId,
        gateway_payment_id: GatewayPaymentId,
        made: GatewayRefundId,
    ) -> Self {
        let refund_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, made.as_str().as_bytes()).into();
        Self { refund_id, order_id, gateway_payment_id, part: Part::Made(made) }
    }
}

impl From<Refund> for Refunding {
    fn from(refund: Refund) -> Self {
        Self {
            refund_id: refund.refund_id,
            order_id: refund.order_id,
            gateway_payment_id: refund.gateway_payment_id,
            part: refund.gateway_refund_id.map_or(Part::Wanted(refund.amount), Part::Made),
        }
    }
}

/// What the gateway says of a refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its refund.
    pub gateway_refund_id: GatewayRefundId,
    /// The payment that goes back.
    pub gateway_payment_id: GatewayPaymentId,
    /// How much of it.
    pub amount: Money,
    /// Where it stands.
    pub status: RefundStatus,
    /// Which of our refunds it is, if it was asked for here.
    pub ours: Option<RefundId>,
}

impl Standing {
    /// Whether a refund of ours that its notes name is this one: not if that is another one at the
    /// gateway, or has failed without ever having been there.
    pub(crate) fn is_of(&self, ours: &Refund) -> bool {
        ours.gateway_refund_id
            .as_ref()
            .map_or(ours.status != RefundStatus::Failed, |name| *name == self.gateway_refund_id)
    }
}

impl From<GatewayRefund> for Standing {
    fn from(refund: GatewayRefund) -> Self {
        Self {
            ours: refund.notes.get(OURS).and_then(|id| id.parse().ok()),
            gateway_refund_id: refund.id,
            gateway_payment_id: refund.payment_id,
            amount: refund.amount,
            status: match refund.status {
                GatewayRefundStatus::Processed => RefundStatus::Processed,
                GatewayRefundStatus::Failed => RefundStatus::Failed,
                GatewayRefundStatus::Pending | GatewayRefundStatus::Unrecognised => {
                    RefundStatus::Pending
                }
            },
        }
    }
}

/// What came of asking, or of looking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum News {
    /// The gateway has it.
    Stands(Standing),
    /// The gateway does not make it now, and may later: the shop's balance is too low, most likely.
    NotNow {
        /// The gateway's word for it.
        code: String,
    },
    /// The gateway will never make it.
    Refused {
        /// The gateway's word for it, or ours.
        code: String,
    },
}

/// Somebody says that a refund has moved on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefundHint {
    /// Where it stands by what he says; the saga asks the gateway.
    pub status: RefundStatus,
}

impl Signal for RefundHint {
    const KIND: &'static str = "refund_hint";
}

/// Under this word the gateway keeps our id of a refund.
const OURS: &str = "refund_id";

/// The key of a refund that was made at the gateway first.
pub(crate) fn made_at_gateway(refund: &GatewayRefundId) -> String {
    format!("gateway-{refund}")
}
