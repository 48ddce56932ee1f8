//! One path of the checkout, walked once to learn its points, then once for each of them with a
//! worker that dies there.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::collections::VecDeque;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;

use futures::future::{join, join_all};
use makegood_tests::{Customer, PATIENCE, Process, Session, Shop, Summary, until};
use serde_json::json;

/// Shops that cross points side by side: a point needs a shop in which nothing else runs.
const LANES: usize = 2;
const SIGKILL: i32 = 9;

/// A way through the checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// The customer pays and says so.
    Paid,
    /// The customer never pays.
    Expired,
    /// The customer pays, tells nobody, and cancels.
    Refunded,
    /// The bank takes its time: news that decides nothing comes before news that does.
    Hinted,
}

impl Path {
    fn hold_secs(self) -> i64 {
        if self == Self::Expired { 3 } else { 600 }
    }

    fn end(self) -> &'static str {
        match self {
            Self::Paid | Self::Hinted => "PAID",
            Self::Expired => "EXPIRED",
            Self::Refunded => "CANCELLED",
        }
    }

    /// What happens to a placed order, until it has ended.
    async fn walk(self, shop: &Shop, customer: &Customer, order: &str) {
        match self {
            Self::Expired => {}
            Self::Paid => {
                let session = customer.session(order).await;
                let proof = customer.pay(&session).await;
                let answer = customer.verify(order, &proof).await;
                assert!([200, 202].contains(&answer.status), "{answer}");
            }
            Self::Refunded => {
                let session = customer.session(order).await;
                customer.pay(&session).await;
                customer.cancel(order).await.expect(202);
            }
            Self::Hinted => {
                let session = customer.session(order).await;
                let pending = customer.try_pay(&session, json!({"outcome": "pending"})).await;
                let payment = pending.expect(202).text("/razorpay_payment_id").to_owned();
                tell(shop, &session, &payment, "payment.authorized").await;
                until("the undecided payment is read", async || {
                    let history = shop.history(order).await;
                    history.contains(&"done read_payment".to_owned()).then_some(())
                })
                .await;
                let late = format!("payments/{payment}/late-capture");
                shop.meddle(&late, &json!({})).await.expect(200);
                tell(shop, &session, &payment, "payment.captured").await;
            }
        }
        customer.wait_for(order, self.end()).await;
    }
}

/// A webhook of the gateway.
async fn tell(shop: &Shop, session: &Session, payment: &str, event: &str) {
    let entity = json!({"id": payment, "order_id": session.gateway_order_id});
    let body = json!({"event": event, "payload": {"payment": {"entity": entity}}});
    shop.webhook(&format!("{event}-{payment}"), &body).await.expect(200);
}

/// A shop for one lane, without workers: each point brings its own.
async fn lane(path: Path) -> (Shop, Customer) {
    let plan = Shop::plan().workers(0).lease(1).hold_secs(path.hold_secs()).without_webhooks();
    let shop = plan.open().await;
    shop.product("tea", 1_000).await;
    let customer = shop.customer().await;
    (shop, customer)
}

/// Every point that an undisturbed walk reaches, and the trace that it leaves.
async fn survey(path: Path) -> (Vec<String>, Summary) {
    let (mut shop, customer) = lane(path).await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("points");
    let order = customer.place(&[("tea", 1)]).await;
    let mut worker = shop.spawn_worker("MAKEGOOD_FAULT_LOG", log.to_str().unwrap());
    path.walk(&shop, &customer, &order).await;
    shop.audit().await;
    let summary = shop.summary(&order).await;
    // A drained worker has come past every point that follows a commit.
    let (status, _) = worker.terminate().await;
    assert!(status.success(), "it ends in order: {status}");
    let points: Vec<String> =
        fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    (points, summary)
}

/// Lets a worker die at `point` and checks that the next one makes up for it.
async fn die_at(point: &str, path: Path, shop: &mut Shop, customer: &Customer, wanted: &Summary) {
    let order = customer.place(&[("tea", 1)]).await;
    let stock = shop.stock("tea").await;
    let mut armed = shop.spawn_worker("MAKEGOOD_FAULT", point);
    let (name, env) = shop.next_worker();
    let shop = &*shop;
    let succeed = async {
        let status = armed.ended(PATIENCE).await;
        let status = status.unwrap_or_else(|| panic!("{path:?}: {point} was not reached"));
        assert_eq!(status.signal(), Some(SIGKILL), "{path:?}: {point}: {}", armed.log());
        Process::spawn("worker", &name, &env, shop.logs())
    };
    let ((), mut successor) = join(path.walk(shop, customer, &order), succeed).await;
    shop.audit().await;
    assert_eq!(
        shop.summary(&order).await,
        *wanted,
        "{path:?}: {point}: it ends as without a crash"
    );
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.orders_of(&order).len(), 1, "{path:?}: {point}: one order at the gateway");
    let paid = truth.payments_of(&order);
    let refunds = truth.refunds.iter().filter(|r| paid.iter().any(|p| p.id == r.payment_id));
    let refunded = usize::from(path == Path::Refunded);
    assert_eq!(refunds.count(), refunded, "{path:?}: {point}: money goes back once");
    let after = shop.stock("tea").await;
    let sold = i64::from(path.end() == "PAID");
    assert_eq!(after.sold, stock.sold + sold, "{path:?}: {point}: stock moved once");
    assert_eq!(after.reserved, 0, "{path:?}: {point}: nothing stays held");
    successor.kill9().await;
}

/// Crosses every point of a path.
pub(crate) async fn cross(path: Path) {
    let (points, wanted) = survey(path).await;
    assert!(points.len() >= 15, "{path:?}: the points are found: {points:#?}");
    let left = Mutex::new(points.iter().cloned().collect::<VecDeque<_>>());
    let work = (0..LANES).map(|_| async {
        let (mut shop, customer) = lane(path).await;
        let mut crossed = 0;
        loop {
            let point = left.lock().unwrap().pop_front();
            let Some(point) = point else { return crossed };
            die_at(&point, path, &mut shop, &customer, &wanted).await;
            crossed += 1;
        }
    });
    let crossed: usize = join_all(work).await.into_iter().sum();
    show(&format!("{path:?}: {} points reached, {crossed} crossed:\n{points:#?}", points.len()));
    assert_eq!(crossed, points.len(), "every point was crossed");
}

#[expect(clippy::print_stdout, reason = "how much was tried belongs to the test's result")]
fn show(text: &str) {
    println!("{text}");
}
