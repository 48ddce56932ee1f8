//! The payment part of a visit: the session, the gateway's page, the browser's word for it, the
//! forger's, and the faults that some scenarios plant.

use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    customer::{Answer, Call},
    journey::Visit,
    scenario::{Scenario, draw},
};

/// How long a customer waits for the payment page.
const PATIENCE: Duration = Duration::from_secs(40);

/// What the customer may pay.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) order_id: String,
    pub(super) gateway_order_id: String,
    pub(super) amount_minor: i64,
}

/// The order's status in an answer.
pub(super) fn status(answer: &Answer) -> anyhow::Result<&str> {
    answer.text("/data/order/status")
}

impl Visit<'_> {
    /// The gateway fails in the next order that it is asked to create, whosever that is.
    pub(super) async fn trouble_the_gateway(&self) -> anyhow::Result<()> {
        if self.scenario != Scenario::GatewayTimesOut {
            return Ok(());
        }
        let action = match draw(self.seed, self.index, "trouble") % 3 {
            0 => json!({"kind": "hang_after", "ms": 3_000}),
            1 => json!({"kind": "drop_after"}),
            _ => json!({"kind": "error", "status": 502, "body": "html"}),
        };
        self.web.plant(&json!({"match": {"operation": "create_order"}, "action": action})).await
    }

    /// Plants what the scenario wants to go wrong with this order after it is paid.
    pub(super) async fn trouble_the_webhooks(&self, session: &Session) -> anyhow::Result<()> {
        let order = &session.gateway_order_id;
        let webhooks = |event: Option<&str>, times: u32, action: Value| {
            let mut meets = json!({"order_id": order});
            if let (Some(event), Some(meets)) = (event, meets.as_object_mut()) {
                meets.insert("event".to_owned(), json!(event));
            }
            json!({"match": meets, "times": times, "action": action})
        };
        let fault = match self.scenario {
            Scenario::PaidByVerify => webhooks(None, 100, json!({"kind": "lose"})),
            Scenario::DuplicatedWebhooks => {
                let action = match draw(self.seed, self.index, "copies") % 3 {
                    0 => json!({"kind": "duplicate", "n": 3, "new_event_id": false}),
                    1 => json!({"kind": "duplicate", "n": 3, "new_event_id": true}),
                    _ => json!({"kind": "forge"}),
                };
                webhooks(None, 3, action)
            }
            Scenario::ReorderedWebhooks => {
                let action = json!({"kind": "reorder", "max_wait_ms": 800});
                webhooks(Some("payment.captured"), 1, action)
            }
            Scenario::DelayedWebhooks => webhooks(None, 3, json!({"kind": "delay", "ms": 1_500})),
            Scenario::ReadsFail => json!({
                "match": {"operation": "order_payments", "order_id": order},
                "times": 2,
                "action": {"kind": "error", "status": 503},
            }),
            _ => return Ok(()),
        };
        self.web.plant(&fault).await
    }

    /// Opens the payment; `None` when the order has ended.
    pub(super) async fn open_session(&self, order_id: &str) -> anyhow::Result<Option<Session>> {
        let deadline = Instant::now() + PATIENCE;
        let path = "/api/v1/payments/create-session";
        let call = Call { path, token: Some(self.token), key: None };
        loop {
            let answer = self.web.post(call, &json!({"order_id": order_id})).await?;
            let amount = answer.body.pointer("/data/amount_minor").and_then(Value::as_i64);
            match (answer.status, amount) {
                (StatusCode::OK, Some(amount_minor)) => {
                    let gateway_order_id = answer.text("/data/gateway_order_id")?.to_owned();
                    let order_id = order_id.to_owned();
                    return Ok(Some(Session { order_id, gateway_order_id, amount_minor }));
                }
                (StatusCode::CONFLICT, _) if answer.code().starts_with("ORDER_") => {
                    return Ok(None);
                }
                (StatusCode::SERVICE_UNAVAILABLE, _) if Instant::now() < deadline => {
                    sleep(Duration::from_millis(100)).await;
                }
                _ => bail!("open a payment: got {answer}"),
            }
        }
    }

    /// Pays at the gateway and answers its proof, which the browser gets to carry back. Where the
    /// scenario does not say more, the shop's setting decides whether that takes the money at once.
    pub(super) async fn pay(&self, session: &Session) -> anyhow::Result<Value> {
        let order = &session.gateway_order_id;
        let attempt = match self.scenario {
            Scenario::Authorized => json!({"order_id": order, "outcome": "authorized"}),
            Scenario::OtherAmount => {
                let amount = session.amount_minor.saturating_add(100);
                json!({"order_id": order, "outcome": "captured", "amount": amount})
            }
            Scenario::CancelledWhilePaying
            | Scenario::OutOfStock
            | Scenario::PaidTooLate
            | Scenario::PaidTwice => json!({"order_id": order, "outcome": "captured"}),
            _ => json!({"order_id": order}),
        };
        self.pay_as(&attempt).await
    }

    /// The same once more, beside the payment that the gateway has.
    pub(super) async fn pay_again(&self, session: &Session) -> anyhow::Result<Value> {
        let order = &session.gateway_order_id;
        self.pay_as(&json!({"order_id": order, "outcome": "captured", "beside": true})).await
    }

    async fn pay_as(&self, attempt: &Value) -> anyhow::Result<Value> {
        Ok(self.web.pay(attempt).await?.expect(StatusCode::OK, "pay at the gateway")?.body)
    }

    /// Pays by a bank that says yes only after a while; nothing proves it to the browser.
    pub(super) async fn pay_slowly(
        &self,
        session: &Session,
        after: Duration,
    ) -> anyhow::Result<()> {
        let late = json!({"after_ms": after.as_millis(), "status": "captured"});
        let order = &session.gateway_order_id;
        let attempt = json!({"order_id": order, "outcome": "pending", "late": late});
        self.web.pay(&attempt).await?.expect(StatusCode::ACCEPTED, "pay by a slow bank")?;
        Ok(())
    }

    /// The bank refuses; it takes the money after all, `late` after that.
    pub(super) async fn be_refused(
        &self,
        session: &Session,
        late: Option<Duration>,
    ) -> anyhow::Result<()> {
        let late = late.map(|after| json!({"after_ms": after.as_millis(), "status": "captured"}));
        let attempt = json!({"order_id": session.gateway_order_id, "outcome": "failed",
            "reason": "insufficient_funds", "late": late});
        let refused = self.web.pay(&attempt).await?;
        ensure!(refused.status.is_client_error(), "the bank said {refused}");
        Ok(())
    }

    /// The browser hands the proof to the shop, which may need a moment to settle.
    pub(super) async fn verify(&self, session: &Session, proof: &Value) -> anyhow::Result<()> {
        let answer = self.say_paid(session, proof).await?;
        let settled = [StatusCode::OK, StatusCode::ACCEPTED].contains(&answer.status);
        ensure!(settled, "verify a payment: got {answer}");
        Ok(())
    }

    /// Claims a payment that never was; the shop must see through it.
    pub(super) async fn forge_verify(&self, session: &Session) -> anyhow::Result<()> {
        let proof = json!({
            "razorpay_order_id": session.gateway_order_id,
            "razorpay_payment_id": "pay_Forged00000000",
            "razorpay_signature": "0".repeat(64),
        });
        let answer = self.say_paid(session, &proof).await?;
        ensure!(answer.code() == "BAD_SIGNATURE", "a forged verification: got {answer}");
        answer.expect(StatusCode::BAD_REQUEST, "a forged verification")?;
        Ok(())
    }

    /// Sends what the gateway would send, but for the signature.
    pub(super) async fn forge_webhook(&self, session: &Session) -> anyhow::Result<()> {
        let payment = json!({
            "id": "pay_Forged00000000",
            "entity": "payment",
            "amount": session.amount_minor,
            "currency": "INR",
            "status": "captured",
            "order_id": session.gateway_order_id,
            "captured": true,
        });
        let body = json!({
            "entity": "event",
            "event": "payment.captured",
            "contains": ["payment"],
            "payload": {"payment": {"entity": payment}},
        });
        let answer = self.web.forge_webhook(&body).await?;
        ensure!(answer.code() == "BAD_SIGNATURE", "a forged webhook: got {answer}");
        answer.expect(StatusCode::BAD_REQUEST, "a forged webhook")?;
        Ok(())
    }

    async fn say_paid(&self, session: &Session, proof: &Value) -> anyhow::Result<Answer> {
        let mut body = proof.clone();
        let fields = body.as_object_mut().ok_or_else(|| anyhow!("the proof is no object"))?;
        fields.insert("order_id".to_owned(), json!(session.order_id));
        let path = "/api/v1/payments/verify";
        self.web.post(Call { path, token: Some(self.token), key: None }, &body).await
    }
}
