//! The gateway is away: checkouts wait and none fails, and it is hardly asked meanwhile.
#![expect(clippy::indexing_slicing, reason = "a test stops at the first fault")]

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use makegood_tests::{Customer, Shop, Stock, until};
use serde_json::json;

/// A hundredth of the real times: ten minutes are six seconds, thirty seconds 300 ms.
const OUTAGE: Duration = Duration::from_secs(6);
const PAUSE_MS: &str = "300";
const ORDERS: usize = 300;
/// As many orders as in ten minutes come in six seconds: few of them may meet the outage's begin.
const CALLS: &str = "4";

fn metric(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.starts_with(name))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

async fn circuit(shop: &Shop) -> Option<f64> {
    let metrics = shop.get(&shop.workers[0].url("/metrics")).await.body;
    metric(metrics.as_str().unwrap_or_default(), "makegood_gateway_circuit_open")
}

async fn place_all(customer: &Customer, how_many: usize) -> Vec<String> {
    let placed = stream::iter(0..how_many).map(|_| customer.place(&[("tea", 1)]));
    placed.buffer_unordered(8).collect().await
}

// RES-01, RES-02, C27
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_minutes_without_the_gateway_cost_a_tenth_of_the_calls_and_no_checkout() {
    let plan = Shop::plan().worker_env("MAKEGOOD_GATEWAY_BREAKER_PAUSE_MS", PAUSE_MS);
    let shop = plan.worker_env("MAKEGOOD_GATEWAY_CALLS", CALLS).open().await;
    shop.product("tea", 1_000).await;
    let customer = shop.customer().await;
    assert_eq!(circuit(&shop).await, Some(0.0), "all is well");
    let outage_ms = u64::try_from(OUTAGE.as_millis()).unwrap_or_default();
    shop.meddle("outage", &json!({ "ms": outage_ms })).await.expect(204);
    let begun = Instant::now();
    let orders = place_all(&customer, ORDERS).await;
    until("the circuit opens", async || (circuit(&shop).await? > 0.0).then_some(())).await;
    assert!(begun.elapsed() < OUTAGE, "while the outage lasts, orders are taken as ever");
    for order in &orders {
        let status = customer.status(order).await;
        assert_eq!(status, "RESERVED", "{order} waits, with its stock held");
        if begun.elapsed() > OUTAGE {
            break;
        }
    }
    let payments = "select count(*) = 300 from payments where status = 'PENDING'";
    shop.holds("every checkout goes on when the gateway is back", payments).await;
    let truth = shop.gateway_truth().await;
    let made = truth.calls_of("create_order");
    assert_eq!(made, 300, "each order was opened at the gateway once");
    assert!(truth.refused_calls > 0, "the outage was met");
    let extra = truth.all_calls() - made;
    assert!(extra * 10 <= 2 * made, "{extra} calls too many, for checkouts of two calls each");
    assert_eq!(shop.count("incidents").await, 0, "and nobody was called");
    assert_eq!(shop.stock("tea").await, Stock { available: 700, reserved: 300, sold: 0 });
    assert_eq!(circuit(&shop).await, Some(0.0), "it is closed again");
    let order = &orders[0];
    let session = customer.session(order).await;
    let proof = customer.pay(&session).await;
    customer.verify(order, &proof).await;
    customer.wait_for(order, "PAID").await;
}

// RES-02, C31
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_the_gateway_refuses_call_one_person_and_let_all_other_checkouts_wait() {
    let wrong = "MAKEGOOD_GATEWAY_KEY_SECRET";
    let plan = Shop::plan().worker_env(wrong, "sandbox-wrong-secret");
    let mut shop = plan.worker_env("MAKEGOOD_GATEWAY_BREAKER_PAUSE_MS", "30").open().await;
    shop.product("tea", 100).await;
    let customer = shop.customer().await;
    let orders = place_all(&customer, 1).await;
    let stuck = "select count(*) = 1 from incidents where class = 'gateway_keys'";
    shop.holds("a person is called", stuck).await;
    let others = place_all(&customer, 20).await;
    let url = shop.worker(0).url("/metrics");
    until("trials are made, and made again", async || {
        let metrics = shop.get(&url).await.body.as_str().unwrap_or_default().to_owned();
        let calls = metrics.lines().filter(|line| line.starts_with("makegood_gateway_calls_total"));
        let refused = calls.filter(|line| line.contains("misconfigured"));
        let refused: f64 =
            refused.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum();
        (refused >= 8.0).then_some(())
    })
    .await;
    assert_eq!(shop.count("incidents").await, 1, "nobody else is called");
    let failed = "orders where status not in ('PENDING', 'RESERVED')";
    assert_eq!(shop.count(failed).await, 0, "and nothing is undone");
    shop.worker(0).terminate().await;
    let right = makegood_tests::Env::from([(wrong.to_owned(), "sandbox-key-secret".to_owned())]);
    shop.start_worker_with(right).await;
    for order in &others {
        customer.session(order).await;
    }
    assert_eq!(customer.status(&orders[0]).await, "RESERVED");
}
