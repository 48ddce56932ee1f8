//! One customer's way through the shop: places an order, then does what the scenario says.
//! It notes what the customer saw and got done; whether the end was right is judged elsewhere.

use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{OrderId, OrderStatus};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    customer::{Answer, Call, Web},
    goods::{GOODS, SCARCE},
    scenario::{Attempt, Deeds, Scenario, Timing, draw},
    session::{self, Session},
    watch::Watch,
};

/// The longest that a customer looks at the page before complaining.
const LOOK: Duration = Duration::from_mins(1);

/// What one customer saw and did.
#[derive(Debug)]
pub(crate) struct Journey {
    /// The customer's number.
    pub(crate) index: u32,
    /// What the customer set out to do.
    pub(crate) scenario: Scenario,
    /// The order, once it was placed.
    pub(crate) order_id: Option<OrderId>,
    /// What was got done.
    pub(crate) deeds: Deeds,
    /// From placing the order to seeing it RESERVED.
    pub(crate) reserved_after: Option<Duration>,
    /// From having paid at the gateway to seeing the order PAID.
    pub(crate) settled_after: Option<Duration>,
    /// From placing the order to seeing it PAID, for those who pay at once.
    pub(crate) paid_after: Option<Duration>,
    /// An answer that must not be given.
    pub(crate) complaint: Option<String>,
}

/// A customer on the way.
pub(super) struct Visit<'a> {
    pub(super) web: &'a Web,
    pub(super) token: &'a str,
    pub(super) seed: u64,
    pub(super) index: u32,
    pub(super) scenario: Scenario,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) begun: Instant,
}

impl Journey {
    /// Does everything that customer number `index` does. `leave` is called when the customer only
    /// waits from then on.
    pub(crate) async fn make(
        web: &Web,
        token: &str,
        seed: u64,
        index: u32,
        leave: impl FnOnce() + Send,
    ) -> Self {
        Self::of(web, token, Scenario::of(seed, index), (seed, index), leave).await
    }

    /// Does what a customer in this scenario does.
    pub(crate) async fn of(
        web: &Web,
        token: &str,
        scenario: Scenario,
        (seed, index): (u64, u32),
        leave: impl FnOnce() + Send,
    ) -> Self {
        let mut journey = Self {
            index,
            scenario,
            order_id: None,
            deeds: Deeds::default(),
            reserved_after: None,
            settled_after: None,
            paid_after: None,
            complaint: None,
        };
        let (begun, expires_at) = (Instant::now(), Utc::now());
        let mut visit = Visit { web, token, seed, index, scenario, expires_at, begun };
        if let Err(error) = journey.shop(&mut visit, leave).await {
            journey.complaint = Some(format!("{error:#}"));
        }
        journey
    }

    async fn shop(
        &mut self,
        visit: &mut Visit<'_>,
        leave: impl FnOnce() + Send,
    ) -> anyhow::Result<()> {
        visit.trouble_the_gateway().await?;
        visit.begun = Instant::now();
        let order_id = visit.place(StatusCode::CREATED).await?;
        self.order_id = Some(order_id.parse()?);
        if self.scenario == Scenario::DoubleClick {
            let again = visit.place(StatusCode::OK).await?;
            ensure!(again == order_id, "the same order, placed twice, became {again} too");
        }
        let mut watch = Watch::of(visit.web, visit.token, &order_id);
        if watch.leave(&[OrderStatus::Pending], LOOK).await? == OrderStatus::Reserved {
            self.reserved_after = Some(visit.begun.elapsed());
        }
        if self.scenario == Scenario::Cancelled {
            return self.cancel(visit, &order_id).await;
        }
        let Some(session) = visit.open_session(&order_id).await? else {
            return Ok(()); // The order ended first: no stock, or no time.
        };
        visit.trouble_the_webhooks(&session).await?;
        match self.scenario {
            Scenario::Abandoned | Scenario::Cancelled => Ok(()),
            Scenario::ForgedVerify => {
                visit.forge_verify(&session).await?;
                self.deeds.attempt = Attempt::Refused(visit.timing());
                Ok(())
            }
            Scenario::ForgedWebhook => visit.forge_webhook(&session).await,
            Scenario::Declined | Scenario::DeclinedThenCaptured => {
                let late = json!({"after_ms": 400, "status": "captured"});
                let late = (self.scenario == Scenario::DeclinedThenCaptured).then_some(late);
                let attempt = json!({"order_id": session.gateway_order_id, "outcome": "failed",
                    "reason": "insufficient_funds", "late": late});
                let refused = visit.web.pay(&attempt).await?;
                ensure!(refused.status.is_client_error(), "the bank said {refused}");
                self.deeds.attempt = Attempt::Refused(visit.timing());
                Ok(())
            }
            Scenario::CancelledWhilePaying => {
                let (paid, cancelled) = tokio::join!(visit.pay(&session), visit.cancel(&order_id));
                paid?;
                cancelled?;
                self.deeds.attempt = Attempt::Captured(visit.timing());
                Ok(())
            }
            Scenario::PaidTooLate => {
                leave();
                self.pay_too_late(visit, &session).await
            }
            Scenario::PaidByBoth
            | Scenario::PaidByVerify
            | Scenario::PaidByWebhook
            | Scenario::DoubleClick
            | Scenario::DuplicatedWebhooks
            | Scenario::ReorderedWebhooks
            | Scenario::DelayedWebhooks
            | Scenario::GatewayTimesOut
            | Scenario::ReadsFail
            | Scenario::OutOfStock => self.pay(visit, &session, &mut watch).await,
        }
    }

    async fn cancel(&mut self, visit: &Visit<'_>, order_id: &str) -> anyhow::Result<()> {
        if visit.cancel(order_id).await? {
            self.deeds.cancel = Some(visit.timing());
        }
        Ok(())
    }

    /// Pays, lets the browser verify where the scenario has one, and watches until it is over.
    async fn pay(
        &mut self,
        visit: &Visit<'_>,
        session: &Session,
        watch: &mut Watch<'_>,
    ) -> anyhow::Result<()> {
        let proof = visit.pay(session).await?;
        let paid = Instant::now();
        self.deeds.attempt = Attempt::Captured(visit.timing());
        match self.scenario {
            Scenario::PaidByWebhook
            | Scenario::DuplicatedWebhooks
            | Scenario::ReorderedWebhooks
            | Scenario::DelayedWebhooks => {}
            Scenario::DoubleClick => {
                let (one, two) =
                    tokio::join!(visit.verify(session, &proof), visit.verify(session, &proof));
                one?;
                two?;
            }
            _ => visit.verify(session, &proof).await?,
        }
        let open = [OrderStatus::Pending, OrderStatus::Reserved];
        if watch.leave(&open, LOOK).await? == OrderStatus::Paid {
            self.settled_after = Some(paid.elapsed());
            self.paid_after = Some(visit.begun.elapsed());
        }
        Ok(())
    }

    async fn pay_too_late(&mut self, visit: &Visit<'_>, session: &Session) -> anyhow::Result<()> {
        let path = format!("/api/v1/orders/{}", session.order_id);
        let deadline = Instant::now() + LOOK * 2;
        loop {
            let order = visit.web.read(&path, visit.token).await;
            match order.as_ref().map(session::status) {
                Ok(Ok("EXPIRED")) => break,
                Ok(Ok("PENDING" | "RESERVED")) | Err(_) if Instant::now() < deadline => {}
                _ => return Err(anyhow!("waited for the order to expire, saw {order:?}")),
            }
            sleep(Duration::from_millis(250)).await;
        }
        visit.pay(session).await?;
        self.deeds.attempt = Attempt::Captured(Timing::AfterTheEnd);
        Ok(())
    }
}

impl Visit<'_> {
    /// How the present moment stands to the order's deadline.
    pub(super) fn timing(&self) -> Timing {
        let margin = TimeDelta::seconds(1);
        let in_time = Utc::now() + margin < self.expires_at;
        if in_time { Timing::InTime } else { Timing::LastMoment }
    }

    async fn place(&mut self, expected: StatusCode) -> anyhow::Result<String> {
        let key = format!("order-{}-{}", self.seed, self.index);
        let call = Call { path: "/api/v1/orders", token: Some(self.token), key: Some(&key) };
        let placed = self.web.post(call, &json!({"lines": self.lines()})).await?;
        // After a lost answer the first order comes back, as promised, with 200.
        let placed = match placed.status {
            StatusCode::OK => placed,
            _ => placed.expect(expected, "place an order")?,
        };
        self.expires_at = placed.text("/data/order/expires_at")?.parse()?;
        Ok(placed.text("/data/order/order_id")?.to_owned())
    }

    fn lines(&self) -> Vec<Value> {
        if self.scenario == Scenario::OutOfStock {
            return vec![json!({"sku": SCARCE, "quantity": 1})];
        }
        let wants = |sku: &str| draw(self.seed, self.index, sku);
        let chosen = GOODS.iter().filter(|(sku, ..)| wants(sku) % 3 == 0);
        let chosen = chosen.map(|(sku, ..)| json!({"sku": sku, "quantity": wants(sku) % 2 + 1}));
        let mut lines: Vec<Value> = chosen.collect();
        if lines.is_empty() {
            lines.push(json!({"sku": "TEA-GREEN", "quantity": 1}));
        }
        lines
    }

    /// Asks for a cancellation; `false` when the order had ended, or was paid, before.
    async fn cancel(&self, order_id: &str) -> anyhow::Result<bool> {
        let path = format!("/api/v1/orders/{order_id}/cancel");
        let key = format!("cancel-{}-{}", self.seed, self.index);
        let call = Call { path: &path, token: Some(self.token), key: Some(&key) };
        let answer: Answer = self.web.post(call, &json!({"reason": "changed my mind"})).await?;
        if answer.status == StatusCode::CONFLICT {
            return Ok(false);
        }
        answer.expect(StatusCode::ACCEPTED, "cancel an order")?;
        Ok(true)
    }
}
