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
    ends::{Attempt, Deeds, Timing},
    goods::{GOODS, SCARCE},
    scenario::{Scenario, draw},
    session::{self, Session},
    watch::Watch,
};

/// The longest that a customer looks at the page before complaining.
const LOOK: Duration = Duration::from_mins(1);

/// How long a slow bank takes, and one that thinks again.
const SLOWNESS: Duration = Duration::from_millis(1_500);
const SECOND_THOUGHT: Duration = Duration::from_millis(400);

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
    /// Does what a customer in this scenario does. `leave` is called when the customer only waits
    /// from then on.
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
                let comes_late = self.scenario == Scenario::DeclinedThenCaptured;
                visit.be_refused(&session, comes_late.then_some(SECOND_THOUGHT)).await?;
                self.deeds.attempt = Attempt::Refused(visit.timing());
                Ok(())
            }
            Scenario::TriedAgain => self.try_again(visit, &session, &mut watch).await,
            Scenario::SlowBank => {
                visit.pay_slowly(&session, SLOWNESS).await?;
                self.deeds.attempt = Attempt::Captured(visit.timing_in(SLOWNESS));
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
            | Scenario::OutOfStock
            | Scenario::Authorized
            | Scenario::PaidTwice
            | Scenario::OtherAmount
            | Scenario::RefundedInFull
            | Scenario::RefundedInParts
            | Scenario::RefundsAtOnce
            | Scenario::RefundTooLarge
            | Scenario::RefundSentBack
            | Scenario::RefundedByHand => self.pay(visit, &session, &mut watch).await,
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
        if self.scenario == Scenario::PaidTwice {
            visit.pay_again(session).await?;
        }
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
            self.deeds.back = visit.ask_back(session, &proof).await?;
        }
        Ok(())
    }

    /// The bank refuses, the customer tries the order again and pays.
    async fn try_again(
        &mut self,
        visit: &mut Visit<'_>,
        session: &Session,
        watch: &mut Watch<'_>,
    ) -> anyhow::Result<()> {
        visit.be_refused(session, None).await?;
        self.deeds.attempt = Attempt::Refused(visit.timing());
        let open = [OrderStatus::Pending, OrderStatus::Reserved];
        if watch.leave(&open, LOOK).await? != OrderStatus::Failed
            || !visit.retry(&session.order_id).await?
        {
            return Ok(());
        }
        watch.leave(&[OrderStatus::Failed, OrderStatus::Pending], LOOK).await?;
        let Some(session) = visit.open_session(&session.order_id).await? else { return Ok(()) };
        self.pay(visit, &session, watch).await
    }

    async fn pay_too_late(&mut self, visit: &Visit<'_>, session: &Session) -> anyhow::Result<()> {
        let path = format!("/api/v1/orders/{}", session.order_id);
        let deadline = Instant::now() + LOOK * 2;
        loop {
            let order = visit.web.read(&path, visit.token).await;
            match order.as_ref().map(session::status) {
                Ok(Ok("EXPIRED")) => break,
                Ok(Ok("PENDING" | "RESERVED") | Err(_)) | Err(_) if Instant::now() < deadline => {}
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
        self.timing_in(Duration::ZERO)
    }

    /// The same for a moment to come.
    fn timing_in(&self, after: Duration) -> Timing {
        let margin = TimeDelta::seconds(1) + TimeDelta::from_std(after).unwrap_or_default();
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

    /// Tries a failed order again; `false` when that cannot be.
    async fn retry(&mut self, order_id: &str) -> anyhow::Result<bool> {
        let path = format!("/api/v1/orders/{order_id}/retry");
        let key = format!("retry-{}-{}", self.seed, self.index);
        let call = Call { path: &path, token: Some(self.token), key: Some(&key) };
        let answer = self.web.post(call, &json!({})).await?;
        if answer.status == StatusCode::CONFLICT {
            return Ok(false);
        }
        let answer = answer.expect(StatusCode::ACCEPTED, "try an order again")?;
        self.expires_at = answer.text("/data/order/expires_at")?.parse()?;
        Ok(true)
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
