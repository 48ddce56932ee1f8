//! What goes wrong on the way: tried again, compensated at once, or parked for a person.
//! Every test has a shop of its own, with the API and the workers as processes.

use std::time::{Duration, Instant};

use makegood_tests::{Shop, Stock, until};
use serde_json::json;

const UNTOUCHED: Stock = Stock { available: 10, reserved: 0, sold: 0 };

// SAGA-09
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passing_error_is_tried_again_with_a_pause_and_a_final_one_compensates_at_once() {
    let mut shop = Shop::plan().workers(0).without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let passing = customer.place(&[("tea", 1)]).await;
    let final_ = customer.place(&[("tea", 1)]).await;
    for (order, status, times) in [(&passing, 503, 2), (&final_, 422, 9)] {
        let meets = json!({"operation": "create_order", "receipt_prefix": order.replace('-', "")});
        let action = json!({"kind": "error", "status": status});
        shop.fault(&json!({"match": meets, "times": times, "action": action})).await;
    }
    let begun = Instant::now();
    shop.start_worker().await;
    customer.wait_for(&final_, "FAILED").await;
    let session = customer.session(&passing).await;
    assert!(begun.elapsed() >= Duration::from_millis(300), "the second retry waits longer");
    let proof = customer.pay(&session).await;
    customer.verify(&passing, &proof).await;
    customer.wait_for(&passing, "PAID").await;
    shop.audit().await;
    let attempts = "select s.attempts from steps s join runs r on r.run_id = s.run_id
        where s.name = 'create_gateway_order' and s.kind in ('done', 'rejected')
        and r.input ->> 'order_id' = ";
    let attempts_of = async |order: &str| shop.read::<i32>(&format!("{attempts} '{order}'")).await;
    assert_eq!(attempts_of(&passing).await, 3, "two failures, then the success");
    assert_eq!(attempts_of(&final_).await, 1, "a final refusal is not repeated");
    assert_eq!(shop.gateway_truth().await.calls_of("create_order"), 4);
}

fn metric(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.starts_with(name))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

// SAGA-10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_that_cannot_go_on_is_stuck_counted_and_goes_on_after_its_repair() {
    let wrong = "MAKEGOOD_GATEWAY_KEY_SECRET";
    let mut shop = Shop::plan().worker_env(wrong, "sandbox-wrong-secret").open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let stuck = "select exists (select from run_states where state = 'STUCK')";
    shop.holds("the run is parked for a person", stuck).await;
    let class: String = shop.read("select class from incidents where resolved_at is null").await;
    assert_eq!(class, "gateway_keys", "the incident says what is wrong");
    assert_eq!(customer.status(&order).await, "RESERVED", "nothing is undone for wrong keys");
    let url = shop.worker(0).url("/metrics");
    until("the metric counts it", async || {
        let metrics = shop.get(&url).await.body.as_str().unwrap_or_default().to_owned();
        let stuck = metric(&metrics, "makegood_runs{state=\"STUCK\"}");
        let open = metric(&metrics, "makegood_incidents_open{class=\"gateway_keys\"}");
        (stuck == Some(1.0) && open == Some(1.0)).then_some(())
    })
    .await;
    shop.worker(0).terminate().await;
    let right = makegood_tests::Env::from([(wrong.to_owned(), "sandbox-key-secret".to_owned())]);
    shop.start_worker_with(right).await;
    let id: String = shop.read("select workflow_id from runs").await;
    let retry = ["runs", "retry", &id, "--reason", "the keys are right now"];
    let retried = shop.command(&retry).output().await.unwrap();
    assert!(retried.status.success(), "{}", String::from_utf8_lossy(&retried.stderr));
    let session = customer.session(&order).await;
    let proof = customer.pay(&session).await;
    customer.verify(&order, &proof).await;
    customer.wait_for(&order, "PAID").await;
    shop.audit().await;
    assert_eq!(shop.count("operator_actions where verb = 'retry'").await, 1, "it is audited");
}

// SAGA-13
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compensation_that_fails_is_tried_again_until_the_money_is_back() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    customer.pay(&session).await; // Nobody tells the shop.
    let meets = json!({"operation": "refund", "order_id": session.gateway_order_id});
    let action = json!({"kind": "error", "status": 503});
    shop.fault(&json!({"match": meets, "times": 3, "action": action})).await;
    customer.cancel(&order).await.expect(202);
    customer.wait_for(&order, "CANCELLED").await;
    shop.audit().await;
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.calls_of("refund"), 4, "three failures, then the success");
    assert_eq!(truth.refunds.len(), 1, "the money went back once");
    let summary = shop.summary(&order).await;
    assert_eq!(summary.captures, ["REFUNDED"]);
    assert_eq!(summary.refunds, ["PROCESSED"]);
    assert_eq!(shop.stock("tea").await, UNTOUCHED);
}

// RES-03
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_outlives_a_gateway_that_answers_nonsense() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    for (status, body) in [(500, "html"), (502, "html"), (504, "json"), (429, "json")] {
        let fault = json!({
            "match": {"operation": "create_order"},
            "action": {"kind": "error", "status": status, "body": body},
        });
        shop.fault(&fault).await;
        customer.buy(&[("tea", 1)]).await;
    }
    shop.audit().await;
    assert_eq!(shop.stock("tea").await.sold, 4);
}
