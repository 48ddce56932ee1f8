//! What the checkout page hands back, without a worker: what is refused, and what is passed on.

use futures::future::join_all;
use gateway_sandbox::signature;
use serde_json::{Value, json};

use crate::orders::open_payment;
use crate::support::{Customer, KEY_SECRET, Reply, Shop};

fn handed_back(order: &str, gateway_order: &str, payment: &str) -> Value {
    json!({
        "order_id": order,
        "razorpay_order_id": gateway_order,
        "razorpay_payment_id": payment,
        "razorpay_signature": signature::payment(&KEY_SECRET.into(), gateway_order, payment),
    })
}

async fn verify(customer: &Customer<'_>, body: &Value) -> Reply {
    customer.post("/api/v1/payments/verify", body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_signature_is_refused_and_its_checkout_is_told_once() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let order = ada.place("TEA", 1).await;
    open_payment(&shop, &order, "order_G1").await;
    let good = handed_back(&order, "order_G1", "pay_1");
    let genuine = good["razorpay_signature"].as_str().unwrap();
    let flipped = genuine.replace(|c: char| c.is_ascii_digit(), "0");
    let other_key = signature::payment(&"another-secret".into(), "order_G1", "pay_1");
    for wrong in [&genuine.to_uppercase(), &flipped, &other_key, "", &genuine[1..]] {
        let mut body = good.clone();
        body["razorpay_signature"] = json!(wrong);
        let reply = verify(&ada, &body).await;
        assert_eq!(reply.refusal(), (400, "BAD_SIGNATURE".to_owned()), "{wrong:?}");
    }
    let mut other_payment = good.clone();
    other_payment["razorpay_payment_id"] = json!("pay_2");
    assert_eq!(verify(&ada, &other_payment).await.refusal().1, "BAD_SIGNATURE");
    assert_eq!(shop.count("signals").await, 1, "the checkout is told, once");
    assert_eq!(ada.status(&order).await, "RESERVED", "the handler itself changes nothing");
    assert_eq!(shop.count("payments where status = 'PENDING'").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_signature_over_another_session_tells_nobody() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let order = ada.place("TEA", 1).await;
    open_payment(&shop, &order, "order_G1").await;
    let mut body = handed_back(&order, "order_G2", "pay_1");
    body["razorpay_signature"] = json!("0".repeat(64));
    assert_eq!(verify(&ada, &body).await.refusal(), (400, "BAD_SIGNATURE".to_owned()));
    assert_eq!(shop.count("signals").await, 0, "it says nothing about the awaited payment");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genuine_payment_of_another_order_is_refused() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let (cheap, dear) = (ada.place("TEA", 1).await, ada.place("TEA", 9).await);
    open_payment(&shop, &cheap, "order_CHEAP").await;
    open_payment(&shop, &dear, "order_DEAR").await;
    let replay = handed_back(&dear, "order_CHEAP", "pay_1");
    let reply = verify(&ada, &replay).await;
    assert_eq!(reply.refusal(), (409, "WRONG_GATEWAY_ORDER".to_owned()));
    let unopened = ada.place("TEA", 1).await;
    let early = verify(&ada, &handed_back(&unopened, "order_CHEAP", "pay_1")).await;
    assert_eq!(early.refusal(), (409, "WRONG_GATEWAY_ORDER".to_owned()), "it has no session");
    assert_eq!(shop.count("signals").await, 0, "nobody was told anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genuine_pair_is_one_signal_however_often_it_comes() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let order = ada.place("TEA", 1).await;
    open_payment(&shop, &order, "order_G1").await;
    let body = handed_back(&order, "order_G1", "pay_1");
    for reply in join_all((0..20).map(|_| verify(&ada, &body))).await {
        assert_eq!(reply.status, 202, "the saga has not settled it: {}", reply.body);
        assert_eq!(
            reply.body["data"],
            json!({ "order_id": order, "order_status": "RESERVED", "payment_status": "PENDING" })
        );
    }
    assert_eq!(shop.count("signals where signal_id = 'presented:pay_1'").await, 1);
    assert_eq!(shop.count("signals").await, 1, "twenty reports are one fact");
    assert_eq!(shop.count("ledger_transactions").await, 0, "verify writes no money state");
    assert_eq!(shop.count("payments where status = 'PENDING'").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_holds_a_secret() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let order = ada.place("TEA", 1).await;
    open_payment(&shop, &order, "order_G1").await;
    let session = json!({ "order_id": order });
    let replies = [
        ada.get("/api/v1/orders").await,
        ada.get(&format!("/api/v1/orders/{order}")).await,
        ada.post("/api/v1/payments/create-session", &session).await,
        verify(&ada, &handed_back(&order, "order_G1", "pay_1")).await,
        verify(&ada, &json!({ "order_id": order })).await,
        shop.post("/api/v1/webhooks/razorpay", &json!({})).await,
        shop.get("/info").await,
        shop.get("/metrics").await,
        shop.get("/readyz").await,
        shop.get("/health/db").await,
    ];
    let (jwt, hook) = (crate::support::JWT_SECRET, crate::support::WEBHOOK_SECRET);
    for reply in replies {
        let text = format!("{:?} {}", reply.headers, reply.body);
        for secret in [KEY_SECRET, jwt, hook, crate::support::WEBHOOK_SECRET_BEFORE] {
            assert!(!text.contains(secret), "a secret went out: {text}");
        }
    }
}
