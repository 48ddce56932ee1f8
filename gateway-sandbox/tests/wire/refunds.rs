//! Refunds: limits, keys, and how they end.

use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Answer, Shop, read, text};

async fn refund(shop: &Shop, payment: &str, key: &str, body: Value) -> Answer {
    let call = shop.v1(Method::POST, &format!("/payments/{payment}/refund"));
    read(call.header("X-Refund-Idempotency", key).json(&body)).await
}

#[tokio::test]
async fn one_key_is_one_refund_and_never_another() {
    let shop = Shop::open().await;
    let payment = shop.paid(&shop.order("r").await).await;
    let (status, first) = refund(&shop, &payment, "key-0123456789", json!({"amount": 1_000})).await;
    assert_eq!((status, &first["status"]), (200, &json!("processed")));
    let again = refund(&shop, &payment, "key-0123456789", json!({"amount": 1_000})).await;
    assert_eq!(again, (200, first), "the same request gets the first answer");
    let other = refund(&shop, &payment, "key-0123456789", json!({"amount": 2_000})).await;
    assert_eq!((other.0, &other.1["error"]["code"]), (409, &json!("BAD_REQUEST_ERROR")));
    for key in ["short", "has a space in it", "umlaut+plus+sign"] {
        assert_eq!(refund(&shop, &payment, key, json!({})).await.0, 400, "{key}");
    }
    let (_, all) = shop.get(&format!("/payments/{payment}/refunds")).await;
    assert_eq!(all["count"], 1, "five calls made one refund");
}

#[tokio::test]
async fn no_more_goes_back_than_came_in() {
    let shop = Shop::open().await;
    let payment = shop.paid(&shop.order("r").await).await;
    let path = format!("/payments/{payment}/refund");
    assert_eq!(shop.post(&path, json!({"amount": 50_001})).await.0, 400);
    assert_eq!(shop.post(&path, json!({"amount": 99})).await.0, 400, "below INR 1.00");
    assert_eq!(shop.post(&path, json!({"amount": 30_000})).await.0, 200);
    let (_, partly) = shop.get(&format!("/payments/{payment}")).await;
    assert_eq!(
        (&partly["status"], &partly["refund_status"]),
        (&json!("captured"), &json!("partial"))
    );
    assert_eq!(shop.post(&path, json!({"amount": 20_001})).await.0, 400);
    let (status, rest) = shop.post(&path, json!({})).await;
    assert_eq!((status, &rest["amount"]), (200, &json!(20_000)), "no amount is all that remains");
    let (_, fully) = shop.get(&format!("/payments/{payment}")).await;
    assert_eq!((&fully["status"], &fully["refund_status"]), (&json!("refunded"), &json!("full")));
    assert_eq!(shop.post(&path, json!({"amount": 100})).await.0, 400);
}

#[tokio::test]
async fn racing_refunds_never_pass_the_captured_amount() {
    let shop = Shop::open().await;
    let payment = shop.paid(&shop.order("r").await).await;
    let path = format!("/payments/{payment}/refund");
    let tries = (0..10).map(|_| {
        let call = shop.v1(Method::POST, &path).json(&json!({"amount": 20_000}));
        tokio::spawn(read(call))
    });
    let mut made = 0;
    for call in tries.collect::<Vec<_>>() {
        made += u32::from(call.await.unwrap().0 == 200);
    }
    assert_eq!(made, 2, "two of 200.00 fit into 500.00");
}

#[tokio::test]
async fn a_refund_refuses_unknown_fields_and_uncaptured_payments() {
    let shop = Shop::open().await;
    let payment = shop.paid(&shop.order("r").await).await;
    let (status, body) =
        shop.post(&format!("/payments/{payment}/refund"), json!({"reason": "x"})).await;
    assert_eq!((status, &body["error"]["field"]), (400, &json!("reason")));
    let blocked = shop.paid(&shop.manual_order("m").await).await;
    assert_eq!(shop.post(&format!("/payments/{blocked}/refund"), json!({})).await.0, 400);
}

#[tokio::test]
async fn a_pending_refund_is_processed_or_failed_by_hand() {
    let shop = Shop::open().await;
    let payment = shop.paid(&shop.order("r").await).await;
    shop.admin(Method::PUT, "/refund-mode", json!({"mode": "pending"})).await;
    let body = json!({"amount": 10_000, "speed": "optimum"});
    let (_, refund) = shop.post(&format!("/payments/{payment}/refund"), body).await;
    let id = text(&refund, "/id");
    assert_eq!(
        (&refund["status"], &refund["speed_requested"]),
        (&json!("pending"), &json!("optimum"))
    );
    shop.admin(Method::POST, &format!("/refunds/{id}/process"), json!({})).await;
    let (_, processed) = shop.get(&format!("/payments/{payment}/refunds/{id}")).await;
    assert_eq!(processed["speed_processed"], "instant");
    shop.admin(Method::POST, &format!("/refunds/{id}/fail"), json!({})).await;
    assert_eq!(shop.get(&format!("/refunds/{id}")).await.1["status"], "failed");
    assert_eq!(shop.get(&format!("/payments/{payment}")).await.1["amount_refunded"], 0);
}

#[tokio::test]
async fn a_payment_older_than_six_months_is_given_back_no_more() {
    let shop = Shop::open().await;
    let payment = shop.paid(&shop.order("r").await).await;
    let age = format!("/payments/{payment}/age");
    shop.admin(Method::POST, &age, json!({"days": 179})).await;
    let path = format!("/payments/{payment}/refund");
    assert_eq!(shop.post(&path, json!({"amount": 100})).await.0, 200, "it is young enough");
    shop.admin(Method::POST, &age, json!({"days": 1})).await;
    assert_eq!(shop.post(&path, json!({"amount": 100})).await.0, 400, "now it is too old");
}
