//! Scripted faults of calls: each does what it says, and as often as it says.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Shop, read, text};

fn draft(receipt: &str) -> Value {
    json!({"amount": 50_000, "currency": "INR", "receipt": receipt})
}

async fn create(shop: &Shop, receipt: &str) -> Result<u16, reqwest::Error> {
    let sent = shop.v1(Method::POST, "/orders").json(&draft(receipt)).send().await;
    sent.map(|answer| answer.status().as_u16())
}

async fn orders_with(shop: &Shop, receipt: &str) -> u64 {
    shop.get(&format!("/orders?receipt={receipt}")).await.1["count"].as_u64().unwrap()
}

#[tokio::test]
async fn dropped_after_the_work_the_order_is_found_by_its_receipt() {
    let shop = Shop::open().await;
    shop.fault(json!({"match": {"operation": "create_order", "receipt": "lost"},
        "action": {"kind": "drop_after"}}))
        .await;
    assert!(create(&shop, "lost").await.is_err(), "the caller gets no answer");
    assert_eq!(orders_with(&shop, "lost").await, 1, "yet the work was done");
    assert_eq!(create(&shop, "lost").await.unwrap(), 200, "a script counts down");
    assert_eq!(orders_with(&shop, "lost").await, 2);
    assert_eq!(shop.truth().await["faults_met"], json!({"answer_lost": 1}), "and is counted");
}

#[tokio::test]
async fn dropped_before_the_work_nothing_was_done() {
    let shop = Shop::open().await;
    shop.fault(json!({"match": {"operation": "create_order"}, "times": 2,
        "action": {"kind": "drop_before"}}))
        .await;
    assert!(create(&shop, "a").await.is_err());
    assert!(create(&shop, "a").await.is_err());
    assert_eq!(orders_with(&shop, "a").await, 0);
    assert_eq!(create(&shop, "a").await.unwrap(), 200);
}

#[tokio::test]
async fn an_error_does_nothing_and_answers_json_or_a_page() {
    let shop = Shop::open().await;
    for (status, body) in [(500, "json"), (429, "json"), (502, "html")] {
        let action = json!({"kind": "error", "status": status, "body": body});
        shop.fault(json!({"match": {"operation": "any"}, "action": action})).await;
        let (got, answer) = shop.post("/orders", draft("x")).await;
        assert_eq!(got, status);
        match body {
            "json" => assert!(answer["error"]["code"].is_string(), "{answer}"),
            _ => assert!(answer.as_str().unwrap().contains("<html>"), "{answer}"),
        }
    }
    assert_eq!(orders_with(&shop, "x").await, 0);
}

#[tokio::test]
async fn a_hanging_answer_comes_after_the_work_is_done() {
    let shop = Shop::open().await;
    let action = json!({"kind": "hang_after", "ms": 60_000});
    shop.fault(json!({"match": {"operation": "create_order"}, "action": action})).await;
    let impatient = Duration::from_millis(100);
    let call = shop.v1(Method::POST, "/orders").json(&draft("h")).timeout(impatient).send().await;
    assert!(call.unwrap_err().is_timeout());
    assert_eq!(orders_with(&shop, "h").await, 1);
}

#[tokio::test]
async fn delayed_work_is_done_even_if_the_caller_has_gone() {
    let shop = Shop::open().await;
    let action = json!({"kind": "delay", "ms": 1_000});
    shop.fault(json!({"match": {"operation": "create_order"}, "action": action})).await;
    let impatient = Duration::from_millis(50);
    let call = shop.v1(Method::POST, "/orders").json(&draft("d")).timeout(impatient).send().await;
    assert!(call.unwrap_err().is_timeout());
    assert_eq!(orders_with(&shop, "d").await, 0, "a look too early finds nothing");
    let deadline = Instant::now() + Duration::from_secs(10);
    while orders_with(&shop, "d").await == 0 {
        assert!(Instant::now() < deadline, "the work is done in the end");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_fault_meets_only_what_it_matches() {
    let shop = Shop::open().await;
    let (one, other) = (shop.order("vip-1").await, shop.order("std-1").await);
    let broken = json!({"kind": "error", "status": 503});
    for meets in [
        json!({"operation": "get_order", "order_id": one}),
        json!({"operation": "list_orders", "receipt_prefix": "vip-"}),
        json!({"operation": "order_payments", "receipt": "vip-1"}),
    ] {
        shop.fault(json!({"match": meets, "times": 9, "action": broken})).await;
    }
    assert_eq!(shop.get(&format!("/orders/{other}")).await.0, 200);
    assert_eq!(shop.get(&format!("/orders/{one}")).await.0, 503);
    assert_eq!(shop.get("/orders?receipt=std-1").await.0, 200);
    assert_eq!(shop.get("/orders?receipt=vip-1").await.0, 503);
    assert_eq!(shop.get(&format!("/orders/{one}/payments")).await.0, 503);

    let payment = shop.paid(&one).await;
    let refund = json!({"operation": "refund", "receipt": "vip-1"});
    shop.fault(json!({"match": refund, "action": {"kind": "drop_after"}})).await;
    let call = shop.v1(Method::POST, &format!("/payments/{payment}/refund")).json(&json!({}));
    assert!(call.send().await.is_err());
    assert_eq!(shop.get(&format!("/payments/{payment}/refunds")).await.1["count"], 1);

    shop.admin(Method::DELETE, "/faults", json!({})).await;
    assert_eq!(shop.get(&format!("/orders/{one}")).await.0, 200);
}

#[tokio::test]
async fn an_outage_takes_the_api_down_until_it_ends() {
    let shop = Shop::open().await;
    let order = shop.order("r").await;
    shop.admin(Method::POST, "/outage", json!({"ms": 600_000})).await;
    assert_eq!(shop.get(&format!("/orders/{order}")).await.0, 503);
    assert_eq!(shop.post("/orders", draft("s")).await.0, 503);
    shop.admin(Method::DELETE, "/faults", json!({})).await;
    assert_eq!(shop.get(&format!("/orders/{order}")).await.0, 200);
    shop.admin(Method::POST, "/outage", json!({"ms": 1})).await;
    while shop.get(&format!("/orders/{order}")).await.0 == 503 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_misspelt_fault_is_refused_instead_of_matching_everything() {
    let shop = Shop::open().await;
    for fault in [
        json!({"match": {"operation": "create_ordr"}, "action": {"kind": "drop_after"}}),
        json!({"match": {"operation": "any", "reciept": "r"}, "action": {"kind": "drop_after"}}),
        json!({"match": {"event": "payment.captured"}, "action": {"kind": "vanish"}}),
        json!({"match": {"order": "x"}, "action": {"kind": "lose"}}),
    ] {
        let call = shop.http.post(shop.url("/sandbox/faults")).json(&fault);
        let (status, answer) = read(call).await;
        assert_eq!((status, text(&answer, "/error/code").as_str()), (400, "BAD_REQUEST_ERROR"));
    }
}

#[tokio::test]
async fn the_ground_truth_lists_everything_and_counts_the_calls() {
    let shop = Shop::open().await;
    let order = shop.order("r").await;
    let payment = shop.paid(&order).await;
    shop.post(&format!("/payments/{payment}/refund"), json!({"amount": 100})).await;
    let truth = shop.truth().await;
    assert_eq!(truth["orders"][0]["id"], json!(order));
    assert_eq!(truth["payments"][0]["amount_refunded"], 100);
    assert_eq!(truth["refunds"][0]["payment_id"], json!(payment));
    assert_eq!(truth["calls"], json!({"create_order": 1, "refund": 1}));
    assert!(truth["webhooks"].as_array().unwrap().len() >= 5);
}
