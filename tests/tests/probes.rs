//! What probes say about each part that a process needs, and that a webhook is answered soon
//! whoever else is away.

use std::time::{Duration, Instant};

use makegood_tests::{Answer, Shop, Web, until};
use serde_json::json;

/// What the answer says under this pointer, whatever type it has.
fn said(answer: &Answer, part: &str) -> String {
    let value = answer.body.pointer(part).unwrap_or_else(|| panic!("{part} is told: {answer}"));
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

// OBS-01
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_names_the_part_that_is_missing() {
    let mut shop = Shop::plan().own_server().lease(1).open().await;
    let (api, worker) = (shop.api.url("/readyz"), shop.workers[0].url("/readyz"));
    let web = Web::new();
    let look = async |url: &str| Answer::of(web.get(url)).await;
    let status = async |url: &str, status: u16| {
        until(&format!("{status} from {url}"), async || {
            look(url).await.filter(|answer| answer.status == status)
        })
        .await
    };
    let ready = status(&worker, 200).await;
    assert_eq!(said(&ready, "/database_answers"), "true");
    assert_eq!(said(&ready, "/lease_valid"), "true");
    assert_eq!(said(&ready, "/phase"), "working");
    let ready = status(&api, 200).await;
    for part in ["database", "migrations", "worker"] {
        assert_eq!(said(&ready, &format!("/checks/{part}")), "ok", "{ready}");
    }

    shop.worker(0).kill9().await;
    let alone = until("the API misses the worker", async || {
        look(&api).await.filter(|answer| said(answer, "/checks/worker").starts_with("warn"))
    });
    let alone = alone.await;
    assert_eq!(alone.status, 200, "orders are taken without a worker: {alone}");
    assert_eq!(said(&alone, "/checks/database"), "ok", "and nothing else is blamed");

    let worker = shop.start_worker().await.url("/readyz");
    status(&worker, 200).await;
    shop.kill_database().await;
    let down = status(&api, 503).await;
    assert!(said(&down, "/checks/database").starts_with("fail"), "{down}");
    assert_eq!(said(&down, "/checks/worker"), "unknown", "what cannot be known is not claimed");
    let down = status(&worker, 503).await;
    assert_eq!(said(&down, "/database_answers"), "false", "{down}");
}

// PAY-10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_answered_within_5_seconds_while_nobody_does_the_work() {
    let mut shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    let paid = customer.pay(&session).await;
    shop.worker(0).kill9().await;
    let payment = &paid["razorpay_payment_id"];
    let entity = json!({"id": payment, "order_id": session.gateway_order_id});
    let body = json!({"event": "payment.captured", "payload": {"payment": {"entity": entity}}});
    let asked = Instant::now();
    shop.webhook("evt_1", &body).await.expect(200);
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
    assert_eq!(customer.status(&order).await, "RESERVED", "the work is left to a worker");
    assert_eq!(shop.count("webhook_events where state = 'SIGNALLED'").await, 1, "and recorded");
    shop.start_worker().await;
    customer.wait_for(&order, "PAID").await;
    shop.audit().await;
}
