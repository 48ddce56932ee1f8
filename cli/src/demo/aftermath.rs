//! What a customer does about a paid order: asks for money back, in every way there is.
//! It notes what was promised; whether it came is judged elsewhere.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use domain::{Currency, Money};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    customer::{Answer, Call, answer},
    ends::Back,
    journey::Visit,
    scenario::Scenario,
    session::Session,
};

/// How long a customer waits for a refund that has been promised.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(200);

impl Visit<'_> {
    /// Asks for what the scenario wants back, and answers what was promised for good.
    pub(super) async fn ask_back(&self, paid: &Session, proof: &Value) -> anyhow::Result<Back> {
        let total = paid.amount_minor;
        match self.scenario {
            Scenario::RefundedInFull => {
                promised(&self.refund(paid, "all", None).await?)?;
                Ok(Back::All)
            }
            Scenario::RefundedInParts => {
                for (key, part) in [("one", total / 3), ("two", total / 4)] {
                    promised(&self.refund(paid, key, Some(part)).await?)?;
                }
                Ok(Back::Part((total / 3).saturating_add(total / 4)))
            }
            Scenario::RefundsAtOnce => self.refund_at_once(paid).await,
            Scenario::RefundTooLarge => {
                let asked = self.refund(paid, "more", Some(total.saturating_add(1))).await?;
                too_large(asked)?;
                Ok(Back::Nothing)
            }
            Scenario::RefundSentBack => {
                promised(&self.refund(paid, "all", None).await?)?;
                let made = self.processed_refund(paid).await?;
                let path = format!("refunds/{made}/fail");
                self.web.meddle(Method::POST, &path, &json!({})).await?;
                Ok(Back::Nothing)
            }
            Scenario::RefundedByHand => {
                self.refund_by_hand(proof, total / 3).await?;
                Ok(Back::Part(total / 3))
            }
            _ => Ok(Back::Nothing),
        }
    }

    async fn refund(
        &self,
        paid: &Session,
        key: &str,
        minor: Option<i64>,
    ) -> anyhow::Result<Answer> {
        let path = format!("/api/v1/orders/{}/refunds", paid.order_id);
        let key = format!("refund-{}-{}-{key}", self.seed, self.index);
        let call = Call { path: &path, token: Some(self.token), key: Some(&key) };
        let amount = minor.map(|minor| Money::from_minor(minor, Currency::Inr));
        self.web.post(call, &json!({"reason": "it does not fit", "amount": amount})).await
    }

    /// Three that exceed the payment together, any two of them too: one is promised.
    async fn refund_at_once(&self, paid: &Session) -> anyhow::Result<Back> {
        let part = paid.amount_minor / 10 * 6;
        let ask = |key| self.refund(paid, key, Some(part));
        let (one, two, three) = tokio::join!(ask("one"), ask("two"), ask("three"));
        let (accepted, refused): (Vec<_>, Vec<_>) =
            [one?, two?, three?].into_iter().partition(|asked| asked.status.is_success());
        ensure!(accepted.len() == 1, "of three refunds at once, {accepted:?} were promised");
        refused.into_iter().try_for_each(too_large)?;
        Ok(Back::Part(part))
    }

    /// The gateway's name for the order's refund, as soon as it has left.
    async fn processed_refund(&self, paid: &Session) -> anyhow::Result<String> {
        let path = format!("/api/v1/orders/{}/refunds", paid.order_id);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.web.read(&path, self.token).await;
            match seen.as_ref().map(|seen| seen.text("/data/refunds/0/status")) {
                Ok(Ok("PROCESSED")) => {
                    return Ok(seen?.text("/data/refunds/0/gateway_refund_id")?.to_owned());
                }
                _ if Instant::now() < deadline => sleep(PAUSE).await,
                _ => bail!("waited for a refund, saw {seen:?}"),
            }
        }
    }

    /// Somebody gives a part back in the gateway's dashboard, and presses again until it works.
    async fn refund_by_hand(&self, proof: &Value, minor: i64) -> anyhow::Result<()> {
        let payment = proof.get("razorpay_payment_id").and_then(Value::as_str);
        let path = format!("payments/{}/refund", payment.context("the proof names no payment")?);
        let key = format!("by-hand-{}-{}", self.seed, self.index);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let press = self.web.dashboard(&path).header("x-refund-idempotency", &key);
            let made = answer(press.json(&json!({"amount": minor}))).await;
            match made {
                Ok(made) if made.status == StatusCode::OK => return Ok(()),
                Ok(made) if made.status.is_client_error() => bail!("a refund by hand: {made}"),
                _ if Instant::now() < deadline => sleep(PAUSE).await,
                made => bail!("a refund by hand: {made:?}"),
            }
        }
    }
}

/// A repeat after a lost answer is told that it was asked for before.
fn promised(asked: &Answer) -> anyhow::Result<()> {
    ensure!(asked.status.is_success(), "a refund that must be promised: {asked}");
    Ok(())
}

fn too_large(asked: Answer) -> anyhow::Result<()> {
    ensure!(asked.code() == "REFUND_TOO_LARGE", "more than is left was asked back: {asked}");
    asked.expect(StatusCode::CONFLICT, "more than is left was asked back")?;
    Ok(())
}
