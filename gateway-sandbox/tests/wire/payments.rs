//! Payments: attempts, capture, failure, and money that comes late.

use serde_json::json;

use crate::{
    receiver::Receiver,
    shop::{Shop, text},
};

#[tokio::test]
async fn a_capture_needs_the_exact_amount_and_works_once() {
    let shop = Shop::open().await;
    let order = shop.manual_order("r").await;
    let payment = shop.paid(&order).await;
    let path = format!("/payments/{payment}/capture");
    assert_eq!(shop.get(&format!("/payments/{payment}")).await.1["status"], "authorized");

    let wrong = [
        json!({"amount": 49_999, "currency": "INR"}),
        json!({"amount": "50000", "currency": "INR"}),
        json!({"amount": 50_000, "currency": "USD"}),
        json!({"amount": 50_000}),
    ];
    for body in wrong {
        assert_eq!(shop.post(&path, body.clone()).await.0, 400, "{body}");
    }
    let body = json!({"amount": 50_000, "currency": "INR"});
    let (status, captured) = shop.post(&path, body.clone()).await;
    assert_eq!((status, &captured["status"]), (200, &json!("captured")));
    assert_eq!(shop.post(&path, body.clone()).await.0, 400, "captured already");
    assert_eq!(shop.post("/payments/pay_x/capture", body).await.0, 400);
}

#[tokio::test]
async fn a_failed_payment_cannot_be_captured() {
    let shop = Shop::open().await;
    let order = shop.order("r").await;
    let (status, failed) = shop.pay(&order, json!({"outcome": "failed"})).await;
    assert_eq!((status, &failed["error"]["metadata"]["order_id"]), (400, &json!(order)));
    let payment = text(&failed, "/error/metadata/payment_id");
    let body = json!({"amount": 50_000, "currency": "INR"});
    assert_eq!(shop.post(&format!("/payments/{payment}/capture"), body).await.0, 400);
}

#[tokio::test]
async fn every_try_counts_and_the_order_takes_one_payment_only() {
    let shop = Shop::open().await;
    let order = shop.order("r").await;
    let path = format!("/orders/{order}");
    shop.pay(&order, json!({"vpa": "failure@razorpay"})).await;
    let (_, attempted) = shop.get(&path).await;
    assert_eq!((&attempted["status"], &attempted["attempts"]), (&json!("attempted"), &json!(1)));
    shop.paid(&order).await;
    let (status, _) = shop.pay(&order, json!({})).await;
    assert_eq!(status, 400, "a paid order takes no more money");
    assert_eq!(shop.get(&path).await.1["attempts"], 2);
    let (_, payments) = shop.get(&format!("{path}/payments")).await;
    let found: Vec<_> =
        payments["items"].as_array().unwrap().iter().map(|p| &p["status"]).collect();
    assert_eq!(found, ["captured", "failed"]);
}

#[tokio::test]
async fn a_second_payment_is_refused_while_one_is_authorized() {
    let shop = Shop::open().await;
    let order = shop.manual_order("r").await;
    shop.paid(&order).await;
    assert_eq!(shop.pay(&order, json!({})).await.0, 400);
}

#[tokio::test]
async fn a_planted_mismatch_shows_in_the_payment_and_not_in_the_signature() {
    let shop = Shop::open().await;
    let order = shop.order("r").await;
    let (status, paid) = shop.pay(&order, json!({"amount": 100, "currency": "USD"})).await;
    assert_eq!(status, 200, "the customer's page sees nothing of it");
    let payment = text(&paid, "/razorpay_payment_id");
    let (_, payment) = shop.get(&format!("/payments/{payment}")).await;
    assert_eq!((&payment["amount"], &payment["currency"]), (&json!(100), &json!("USD")));
}

#[tokio::test]
async fn a_failed_payment_can_be_captured_later_and_says_so() {
    let receiver = Receiver::open(&[]).await;
    let shop = Shop::with(gateway_sandbox::Config {
        webhook_url: Some(receiver.url.clone()),
        ..Default::default()
    })
    .await;
    let order = shop.order("r").await;
    let (_, failed) = shop.pay(&order, json!({"outcome": "failed"})).await;
    let payment = text(&failed, "/error/metadata/payment_id");
    receiver.events("payment.failed", 1).await;

    let path = format!("/payments/{payment}/late-capture");
    let late = shop.admin(reqwest::Method::POST, &path, json!({})).await;
    assert_eq!((&late["status"], &late["error_code"]), (&json!("captured"), &json!(null)));
    let captured = receiver.events("payment.captured", 1).await;
    assert_eq!(captured[0].body["payload"]["payment"]["entity"]["id"], json!(payment));
    assert_eq!(shop.get(&format!("/orders/{order}")).await.1["status"], "paid");
}

#[tokio::test]
async fn a_pending_payment_turns_by_itself_when_told_to() {
    let receiver = Receiver::open(&[]).await;
    let shop = Shop::with(gateway_sandbox::Config {
        webhook_url: Some(receiver.url.clone()),
        ..Default::default()
    })
    .await;
    let order = shop.order("r").await;
    let late = json!({"outcome": "pending", "late": {"after_ms": 20, "status": "captured"}});
    let (status, pending) = shop.pay(&order, late).await;
    assert_eq!((status, &pending["status"]), (202, &json!("created")));
    assert!(pending.get("razorpay_signature").is_none(), "only a success is signed");
    receiver.events("order.paid", 1).await;
}
