//! Who may see and move a payment, what is never taken in, and what a customer is told while the
//! gateway is away.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

use makegood_tests::{Answer, Shop, Stock, Web};
use serde_json::{Value, json};

const CARD: &str = "4111111111111111";

// PAY-17
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_number_is_refused_and_leaves_no_trace_in_tables_or_logs() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    let card = json!({"number": CARD, "cvv": "123", "expiry": "12/30"});
    let mut proof = customer.pay(&session).await;
    proof["card"] = card.clone();
    customer.verify(&order, &proof).await.expect(400);
    for (path, mut body) in [
        ("/api/v1/payments/create-session", json!({"order_id": order})),
        ("/api/v1/orders", json!({"lines": [{"sku": "tea", "quantity": 1}]})),
    ] {
        body["card"] = card.clone();
        let answer = customer.send(path, &body).await;
        assert_eq!((answer.status, answer.code()), (400, "BAD_REQUEST"), "{path}: {answer}");
        assert!(!answer.body.to_string().contains(CARD), "{path}: it is not repeated");
    }
    let tables = "select array_agg(table_name::text) from information_schema.tables
                  where table_schema = current_schema() and table_type = 'BASE TABLE'";
    for table in shop.read::<Vec<String>>(tables).await {
        let rows = format!("{table} t where t::text like '%{CARD}%'");
        assert_eq!(shop.count(&rows).await, 0, "{table} holds no card");
    }
    for log in std::fs::read_dir(shop.logs()).unwrap() {
        let log = std::fs::read_to_string(log.unwrap().path()).unwrap();
        assert!(!log.contains(CARD), "no log holds a card");
    }
}

// PAY-13
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_of_an_order_and_nobody_else_can_read_its_payment() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    customer.session(&order).await;
    let session = customer.try_session(&order).await.unwrap().expect(200);
    let payment = format!("/api/v1/payments/{}", session.text("/data/payment_id"));
    let awaited = customer.read(&payment).await.expect(200);
    assert_eq!(awaited.text("/data/status"), "PENDING");
    assert_eq!(shop.customer().await.read(&payment).await.expect(403).code(), "NOT_YOURS");
    let paid = customer.buy(&[("tea", 1)]).await;
    let id: String = shop
        .read(&format!("select payment_id::text from payments where order_id::text = '{paid}'"))
        .await;
    let settled = customer.read(&format!("/api/v1/payments/{id}")).await.expect(200);
    assert_eq!(settled.text("/data/status"), "SUCCESS");
    let unknown = customer.read("/api/v1/payments/none").await.expect(404);
    assert_eq!(unknown.code(), "PAYMENT_NOT_FOUND");
}

// PAY-21
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_money_at_the_gateway_pays_an_order() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    let proof = json!({"order_id": order, "razorpay_order_id": session.gateway_order_id,
        "razorpay_payment_id": "pay_00000000000000", "razorpay_signature": "0".repeat(64)});
    for path in ["/api/v1/payments/verify", "/api/v1/payments/create-session"] {
        let anonymous = Web::new().post(&shop.api.url(path)).json(&proof);
        assert_eq!(Answer::of(anonymous).await.unwrap().expect(401).code(), "UNAUTHORIZED");
    }
    let entity = json!({"id": "pay_00000000000000", "order_id": session.gateway_order_id});
    let claim = json!({"event": "payment.captured", "payload": {"payment": {"entity": entity}}});
    let unsigned = Web::new().post(&shop.api.url("/api/v1/webhooks/razorpay")).json(&claim);
    Answer::of(unsigned).await.unwrap().expect(400);
    shop.webhook("evt_claim", &claim).await.expect(200);
    let asked = "select exists (select from steps where name = 'read_payment')";
    shop.holds("the gateway is asked about a signed claim", asked).await;
    customer.forge(&session).await;
    customer.wait_for(&order, "FAILED").await;
    assert_eq!(shop.count("orders where paid_at is not null").await, 0);
    assert_eq!(shop.count("ledger_transactions").await, 0);
    assert_eq!(shop.stock("tea").await, Stock { available: 10, reserved: 0, sold: 0 });
}

// RES-05
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_gateway_is_down_the_answer_is_a_clear_503_and_the_order_waits() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    outage(&shop, 3_600_000).await;
    let order = customer.place(&[("tea", 1)]).await;
    let answer = customer.try_session(&order).await.unwrap().expect(503);
    assert_eq!(answer.code(), "SESSION_NOT_READY");
    assert_eq!(answer.body.pointer("/error/retryable"), Some(&Value::Bool(true)), "{answer}");
    assert_eq!(customer.status(&order).await, "RESERVED", "its stock is held meanwhile");
    outage(&shop, 0).await;
    let session = customer.session(&order).await;
    let proof = customer.pay(&session).await;
    customer.verify(&order, &proof).await;
    customer.wait_for(&order, "PAID").await;
    shop.audit().await;
}

/// Everything of the gateway answers 503 for so long from now.
async fn outage(shop: &Shop, ms: u64) {
    let asked = Web::new().post(&shop.gateway("/sandbox/outage")).json(&json!({"ms": ms}));
    Answer::of(asked).await.unwrap().expect(204);
}
