//! The ends of a refund: called off before it was asked for, failed with the money still owed, and
//! news that come after its run.

use domain::{GatewayRefundId, RefundId};
use makegood::{Activity, ActivityError, ActivityResult, Cause, InTransaction, MadeGood};
use store::{Conn, orders, payments, refunds};

use super::Refunding;
use super::book::fail;

/// The gateway's name for one of our refunds, if it has one.
pub struct FindRefund;

impl Activity for FindRefund {
    const NAME: &'static str = "find_refund";
    type Kind = InTransaction;
    type Input = RefundId;
    type Output = Option<GatewayRefundId>;

    async fn run(
        &self,
        tx: &mut Conn,
        refund: RefundId,
    ) -> ActivityResult<Option<GatewayRefundId>> {
        Ok(refunds::get(tx, refund).await?.gateway_refund_id)
    }
}

/// Sees to it that money which no order keeps has gone back: if its refund failed, a person has to
/// find another way, and the run waits until there is one.
pub struct LookAfterRefund;

impl Activity for LookAfterRefund {
    const NAME: &'static str = "look_after_refund";
    type Kind = InTransaction;
    type Input = Refunding;
    type Output = ();

    async fn run(&self, tx: &mut Conn, refund: Refunding) -> ActivityResult<()> {
        let payments = payments::by_order(tx, refund.order_id).await?;
        let is_stray = payments.iter().any(|payment| {
            payment.stray && payment.gateway_payment_id.as_ref() == Some(&refund.gateway_payment_id)
        });
        let left = refunds::lock_left(tx, &refund.gateway_payment_id).await?;
        if !is_stray || left.minor() <= 0 {
            return Ok(());
        }
        let message = format!(
            "{left} of {} is kept by no order, and its refund failed: give it back at the \
             gateway's dashboard, then retry",
            refund.gateway_payment_id
        );
        Err(ActivityError::review("refund_failed", message))
    }
}

/// Ends a refund that was called off before the gateway was asked.
pub struct CloseRefund;

impl Activity for CloseRefund {
    const NAME: &'static str = "close_refund";
    type Kind = InTransaction;
    type Input = MadeGood<Refunding>;
    type Output = ();

    async fn run(&self, tx: &mut Conn, ended: MadeGood<Refunding>) -> ActivityResult<()> {
        let code = match &ended.cause {
            Cause::Rejected(rejection) => rejection.code.as_str(),
            Cause::MadeGood { .. } | Cause::Cancelled { .. } | Cause::Operator { .. } => {
                "CALLED_OFF"
            }
        };
        let refund = ended.input;
        orders::lock(tx, &[refund.order_id]).await?;
        match refunds::get(tx, refund.refund_id).await {
            // Made at the gateway first: whoever finds it next carries it.
            Err(store::Error::NotFound) => return Ok(()),
            Ok(row) if row.gateway_refund_id.is_some() => return Ok(()),
            found => found?,
        };
        fail(tx, refund.refund_id, None, code).await?;
        Ok(())
    }
}
