//! What chaos does to a shop besides killing its workers: each trouble for a stretch of the crowd.
//! Whoever is on the way meets them by chance; nobody is told.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use chrono::Utc;
use domain::{Capture, LateMoney, Terms};
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use tokio::time::sleep;

use super::{
    customer::Web,
    gateway_books::{GatewayBooks, GatewayPayment},
    goods,
    progress::Step,
};

const LOOK: Duration = Duration::from_millis(50);
/// How long a change may be refused before that is a fault.
const PATIENCE: Duration = Duration::from_secs(15);
/// A stretch ends after this long, however slowly the crowd moves.
const LONGEST: Duration = Duration::from_secs(20);
/// What is authorized for so long, nobody will take: every hold and every outage is shorter.
const UNWANTED_SECS: i64 = 40;

/// One kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Orders are placed under other terms.
    Terms(Terms),
    /// No webhook is sent.
    NoWebhooks,
    /// Refunds stay pending.
    SlowRefunds,
    /// Every call of the gateway's API is answered 503.
    Outage,
}

/// A trouble with the shares of the crowd, in a thousand, between which it lasts.
type Stretch = (Trouble, u64, u64);

const fn terms(capture: Capture, late_money: LateMoney) -> Trouble {
    Trouble::Terms(Terms { capture, late_money })
}

const STRETCHES: [Stretch; 6] = [
    (terms(Capture::Manual, LateMoney::RereserveThenFulfil), 100, 250),
    (Trouble::NoWebhooks, 200, 400),
    (terms(Capture::Automatic, LateMoney::AlwaysRefund), 300, 500),
    (Trouble::SlowRefunds, 450, 600),
    (terms(Capture::Automatic, LateMoney::ManualReview), 550, 750),
    (Trouble::Outage, 650, 750),
];

/// The troubles of one crowd.
pub(crate) struct Troubles<'a> {
    pool: &'a PgPool,
    web: &'a Web,
    checkouts: u32,
    over: AtomicUsize,
}

impl<'a> Troubles<'a> {
    pub(crate) fn new(pool: &'a PgPool, web: &'a Web, checkouts: u32) -> Self {
        Self { pool, web, checkouts, over: AtomicUsize::new(0) }
    }

    /// Whether there is none left to come.
    pub(crate) fn are_over(&self) -> bool {
        self.over.load(Relaxed) >= STRETCHES.len()
    }

    /// Begins and ends each in its time, and goes on watching. Returns only when something is wrong.
    pub(crate) async fn reign(&self, crowd: &Step) -> anyhow::Error {
        match self.go_through(crowd).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn go_through(&self, crowd: &Step) -> anyhow::Result<Infallible> {
        let mut begun: BTreeMap<usize, Instant> = BTreeMap::new();
        let mut ended: Vec<usize> = Vec::new();
        loop {
            let share = crowd.position().saturating_mul(1_000) / u64::from(self.checkouts.max(1));
            for (place, (trouble, from, to)) in STRETCHES.into_iter().enumerate() {
                if ended.contains(&place) {
                    continue;
                }
                match begun.get(&place) {
                    None if share >= from => {
                        patiently(async || self.begin(trouble, crowd).await).await?;
                        begun.insert(place, Instant::now());
                    }
                    Some(since) if share >= to || since.elapsed() > LONGEST => {
                        patiently(async || self.end(trouble, crowd).await).await?;
                        ended.push(place);
                        self.over.fetch_add(1, Relaxed);
                    }
                    _ => {}
                }
            }
            if self.are_over() {
                lapse_authorized(self.web).await?;
                sleep(LOOK * 20).await;
            }
            sleep(LOOK).await;
        }
    }

    async fn begin(&self, trouble: Trouble, crowd: &Step) -> anyhow::Result<()> {
        match trouble {
            Trouble::Terms(terms) => {
                goods::place_under(self.pool, terms).await?;
                let Terms { capture, late_money } = terms;
                crowd.note(&format!("orders are placed under {late_money}, capture {capture}"));
            }
            Trouble::NoWebhooks => {
                self.web.meddle(Method::PUT, "webhook-url", &json!({"url": null})).await?;
                crowd.note("the gateway sends no webhooks any more");
            }
            Trouble::SlowRefunds => {
                self.web.meddle(Method::PUT, "refund-mode", &json!({"mode": "pending"})).await?;
                crowd.note("the banks let refunds wait");
            }
            Trouble::Outage => {
                let ms = if self.checkouts < 500 { 5_000 } else { 10_000 };
                self.web.meddle(Method::POST, "outage", &json!({"ms": ms})).await?;
                crowd.note(&format!("the gateway is down for {} s", ms / 1_000));
            }
        }
        Ok(())
    }

    async fn end(&self, trouble: Trouble, crowd: &Step) -> anyhow::Result<()> {
        match trouble {
            Trouble::Terms(_) => goods::place_under(self.pool, Terms::default()).await?,
            Trouble::NoWebhooks => {
                let target = json!({"url": self.web.webhook_url()});
                self.web.meddle(Method::PUT, "webhook-url", &target).await?;
                crowd.note("the gateway sends webhooks again; those of the time between are lost");
            }
            Trouble::SlowRefunds => {
                self.web.meddle(Method::PUT, "refund-mode", &json!({"mode": "processed"})).await?;
                process_refunds(self.web).await?;
                crowd.note("the banks have made the refunds that waited");
            }
            Trouble::Outage => {}
        }
        Ok(())
    }
}

/// The database may be away for a moment, when somebody else takes it away.
async fn patiently(act: impl AsyncFn() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match act().await {
            Err(_) if Instant::now() < deadline => sleep(LOOK).await,
            done => return done,
        }
    }
}

/// Days pass for money that nobody takes: the gateway gives it back by itself.
async fn lapse_authorized(web: &Web) -> anyhow::Result<()> {
    let books: GatewayBooks = web.gateway_books().await?;
    let latest = Utc::now().timestamp().saturating_sub(UNWANTED_SECS);
    let is_unwanted = |p: &&GatewayPayment| p.status == "authorized" && p.created_at < latest;
    for payment in books.payments.iter().filter(is_unwanted) {
        web.meddle(Method::POST, &format!("payments/{}/lapse", payment.id), &json!({})).await?;
    }
    Ok(())
}

/// The banks make every refund that waits.
async fn process_refunds(web: &Web) -> anyhow::Result<()> {
    let books: GatewayBooks = web.gateway_books().await?;
    for refund in books.refunds.iter().filter(|refund| refund.status == "pending") {
        web.meddle(Method::POST, &format!("refunds/{}/process", refund.id), &json!({})).await?;
    }
    Ok(())
}
