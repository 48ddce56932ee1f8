//! Asks the gateway for a refund, and how one stands. Writes nothing down.

use std::sync::Arc;

use chrono::Utc;
use domain::{GatewayPaymentId, GatewayRefundId, Money, SMALLEST_REFUND_MINOR};
use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Outside, ReadOnly, Resolution, RetryPolicy,
};
use serde::{Deserialize, Serialize};

use super::{News, OURS, Part, Refunding, Standing};
use crate::gateway::{Gateway, GatewayError, GatewayPaymentStatus};
use crate::payments::failed;

/// The gateway gives no payment back that is older than this.
const TOO_OLD_DAYS: i64 = 180;

/// A refund to be asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asking {
    /// The refund.
    pub refund: Refunding,
    /// How often the gateway has said "not now".
    pub round: u32,
}

/// Has the gateway make a refund; one that is made already is found there.
///
/// Always answers: a refusal is news that has to be written down.
pub struct AskRefund(pub Arc<dyn Gateway>);

impl Activity for AskRefund {
    const NAME: &'static str = "ask_refund";
    type Kind = Outside;
    type Input = Asking;
    type Output = News;

    async fn run(&self, _: &mut Attempt, asking: Asking) -> ActivityResult<News> {
        let Asking { refund, round } = asking;
        let payment = &refund.gateway_payment_id;
        let amount = match &refund.part {
            Part::Made(made) => return read(&*self.0, payment, made).await,
            Part::Wanted(amount) => *amount,
        };
        // A refused key may be answered with its refusal for ever: each round has one of its own.
        let key = format!("refund-{}-{round}", refund.refund_id);
        let notes = [(OURS.to_owned(), refund.refund_id.to_string())].into();
        match self.0.refund(payment, amount, &key, &notes).await {
            Ok(made) => Ok(News::Stands(made.into())),
            Err(GatewayError::Rejected { code, reason, .. }) => {
                match ours(&*self.0, &refund).await? {
                    Some(made) => Ok(News::Stands(made)),
                    None => refused(&*self.0, payment, amount, reason.unwrap_or(code)).await,
                }
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The gateway's memory of keys has an end that nobody states: our id in its notes has none.
    async fn resolve(&self, _: &mut Attempt, asking: Asking) -> ActivityResult<Resolution<News>> {
        let made = ours(&*self.0, &asking.refund).await?;
        Ok(made.map_or(Resolution::TryAgain, |made| Resolution::Done(News::Stands(made))))
    }

    fn retry(&self) -> RetryPolicy {
        for_days()
    }
}

/// The refund that bears our id, if the gateway has made it.
async fn ours(gateway: &dyn Gateway, refund: &Refunding) -> ActivityResult<Option<Standing>> {
    let all = gateway.refunds_of(&refund.gateway_payment_id).await.map_err(failed)?;
    let mut standings = all.into_iter().map(Standing::from);
    Ok(standings.find(|standing| standing.ours == Some(refund.refund_id)))
}

/// What a refusal means is read from the payment, for the gateway's words differ: if as much is
/// left of it and it is young enough, then it is the shop's balance that is too low.
async fn refused(
    gateway: &dyn Gateway,
    payment: &GatewayPaymentId,
    amount: Money,
    code: String,
) -> ActivityResult<News> {
    let payment = gateway.payment(payment).await.map_err(failed)?;
    let left = payment.amount.checked_sub(payment.amount_refunded)?;
    let age = payment.created_at.map_or(0, |at| Utc::now().signed_duration_since(at).num_days());
    if age >= TOO_OLD_DAYS {
        return Ok(News::Refused { code: "PAYMENT_TOO_OLD".to_owned() });
    }
    if amount.minor() < SMALLEST_REFUND_MINOR {
        return Ok(News::Refused { code: "AMOUNT_TOO_SMALL".to_owned() });
    }
    let fits = left.currency() == amount.currency() && left.minor() >= amount.minor();
    if fits && payment.status == GatewayPaymentStatus::Captured {
        return Ok(News::NotNow { code });
    }
    Ok(News::Refused { code })
}

/// How a refund stands that the gateway has, or may have.
pub struct ReadRefund(pub Arc<dyn Gateway>);

impl Activity for ReadRefund {
    const NAME: &'static str = "read_refund";
    type Kind = ReadOnly;
    type Input = (GatewayPaymentId, GatewayRefundId);
    type Output = News;

    async fn run(
        &self,
        _: &mut Attempt,
        (payment, refund): (GatewayPaymentId, GatewayRefundId),
    ) -> ActivityResult<News> {
        read(&*self.0, &payment, &refund).await
    }

    fn retry(&self) -> RetryPolicy {
        for_days()
    }
}

async fn read(
    gateway: &dyn Gateway,
    payment: &GatewayPaymentId,
    refund: &GatewayRefundId,
) -> ActivityResult<News> {
    let found = gateway.refunds_of(payment).await.map_err(failed)?;
    match found.into_iter().find(|found| found.id == *refund) {
        Some(found) => Ok(News::Stands(found.into())),
        None => Err(ActivityError::review(
            "refund_missing",
            format!("the gateway has no refund {refund} of {payment}"),
        )),
    }
}

/// Money that goes back can wait, and a person could not do more than wait: three days.
fn for_days() -> RetryPolicy {
    let cap = std::time::Duration::from_mins(10);
    RetryPolicy { cap, ..RetryPolicy::attempts(450) }
}
