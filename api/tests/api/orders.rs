//! Placing, reading, listing and cancelling orders, with no worker anywhere.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Shop, cart};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_priced_by_the_shop_and_placed_as_pending() {
    let shop = Shop::open().await;
    shop.run("update tenants set tax_basis_points = 825").await;
    shop.product("TEA", 1_099, 50).await;
    shop.product("CUP", 25_000, 5).await;
    let ada = shop.customer().await;
    let reply = ada.place_with("key-0000001", &cart(&[("TEA", 2), ("CUP", 1), ("TEA", 1)])).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let order = &reply.body["data"]["order"];
    assert_eq!(order["status"], "PENDING");
    assert_eq!(order["reason_code"], Value::Null);
    assert_eq!(order["subtotal"], json!({ "amount": "282.97", "currency": "INR" }));
    assert_eq!(order["tax"], json!({ "amount": "23.35", "currency": "INR" }), "8.25 %, half up");
    assert_eq!(order["total"], json!({ "amount": "306.32", "currency": "INR" }));
    let lines = order["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2, "lines of one SKU are one line: {order}");
    assert_eq!((&lines[1]["sku"], &lines[1]["quantity"]), (&json!("TEA"), &json!(3)));
    assert!(order["expires_at"].as_str() > order["created_at"].as_str(), "{order}");

    let id = reply.text("/data/order/order_id");
    let read = ada.get(&format!("/api/v1/orders/{id}")).await;
    assert_eq!(read.body["data"]["order"], *order, "what was answered is what is stored");

    let product = shop.get("/api/v1/products/TEA").await;
    assert_eq!(
        product.body["data"],
        json!({
            "sku": "TEA", "name": "A product", "available": 50,
            "unit_price": { "amount": "10.99", "currency": "INR" },
        })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_with_one_key_place_one_order() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 100).await;
    let ada = shop.customer().await;
    let body = cart(&[("TEA", 1)]);
    let replies = join_all((0..50).map(|_| ada.place_with("one-intention", &body))).await;
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    let repeated = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!((created, repeated), (1, 49), "one is placed, the others are told about it");
    let ids: BTreeSet<_> = replies.iter().map(|reply| reply.text("/data/order/order_id")).collect();
    assert_eq!(ids.len(), 1, "all of them name the same order");
    assert_eq!((shop.count("orders").await, shop.count("runs").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_stands_for_one_customers_one_cart() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 100).await;
    shop.product("CUP", 1_000, 100).await;
    let (ada, bob) = (shop.customer().await, shop.customer().await);
    let first = ada.place_with("the-same-key", &cart(&[("TEA", 1), ("CUP", 2)])).await;
    assert_eq!(first.status, 201);

    let reordered = ada.place_with("the-same-key", &cart(&[("CUP", 2), ("TEA", 1)])).await;
    assert_eq!(reordered.status, 200, "the order of lines does not matter: {}", reordered.body);
    for other in [cart(&[("TEA", 2), ("CUP", 2)]), cart(&[("TEA", 1)])] {
        let reply = ada.place_with("the-same-key", &other).await;
        assert_eq!(reply.refusal(), (409, "IDEMPOTENCY_CONFLICT".to_owned()), "{other}");
    }
    let bobs = bob.place_with("the-same-key", &cart(&[("TEA", 1)])).await;
    assert_eq!(bobs.status, 201, "another customer's keys are his own");

    shop.run("update products set is_active = false").await;
    let later = ada.place_with("the-same-key", &cart(&[("TEA", 1), ("CUP", 2)])).await;
    assert_eq!(later.status, 200, "a repeat is answered even when nothing is on sale any more");
    assert_eq!(later.text("/data/order/order_id"), first.text("/data/order/order_id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_needs_a_key_and_products_on_sale() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    shop.product("OLD", 1_000, 10).await;
    shop.product("FREE", 0, 10).await;
    shop.run("update products set is_active = false where sku = 'OLD'").await;
    let ada = shop.customer().await;

    let keyless = ada.post("/api/v1/orders", &cart(&[("TEA", 1)])).await;
    assert_eq!(keyless.refusal(), (400, "BAD_REQUEST".to_owned()));
    assert_eq!(keyless.text("/error/details/field"), "Idempotency-Key");
    for key in ["short", &"k".repeat(129), "umlaut-\u{fc}\u{fc}\u{fc}"] {
        let reply = ada.place_with(key, &cart(&[("TEA", 1)])).await;
        assert_eq!(reply.refusal(), (400, "BAD_REQUEST".to_owned()), "{key}");
    }
    let unknown = ada.place_with("key-0000001", &cart(&[("TEA", 1), ("OLD", 1), ("X", 1)])).await;
    assert_eq!(unknown.refusal(), (422, "UNKNOWN_SKU".to_owned()));
    assert_eq!(unknown.body["error"]["details"]["skus"], json!(["OLD", "X"]));
    let free = ada.place_with("key-0000001", &cart(&[("FREE", 1)])).await;
    assert_eq!(free.refusal(), (422, "NOTHING_TO_PAY".to_owned()));
    assert_eq!(shop.count("orders").await, 0, "nothing was written");
    assert_eq!(shop.get("/api/v1/products/OLD").await.status, 404, "nor is it shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reaches_an_order_that_is_not_his() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let (ada, bob) = (shop.customer().await, shop.customer().await);
    let order = ada.place("TEA", 1).await;
    let none = "0197a0a0-0000-7000-8000-000000000000";
    let claim = |order: &str| {
        json!({
            "order_id": order, "razorpay_order_id": "order_1", "razorpay_payment_id": "pay_1",
            "razorpay_signature": "0".repeat(64),
        })
    };
    for (id, expected) in [(order.as_str(), (403, "NOT_YOURS")), (none, (404, "ORDER_NOT_FOUND"))] {
        let replies = [
            bob.get(&format!("/api/v1/orders/{id}")).await,
            bob.get(&format!("/api/v1/orders/{id}/stream")).await,
            bob.cancel(id).await,
            bob.post("/api/v1/payments/create-session", &json!({ "order_id": id })).await,
            bob.post("/api/v1/payments/verify", &claim(id)).await,
        ];
        for reply in replies {
            assert_eq!(reply.refusal(), (expected.0, expected.1.to_owned()), "{}", reply.body);
        }
    }
    assert_eq!(shop.count("signals").await, 0, "no cancel and no hint went through");
    let list = bob.get("/api/v1/orders").await;
    assert_eq!(list.body["data"]["orders"], json!([]), "nor is it in his list");

    shop.run(
        "insert into tenants (tenant_id, name, currency) values ('other', 'Other', 'INR');
         update orders set tenant_id = 'other'",
    )
    .await;
    let reply = ada.get(&format!("/api/v1/orders/{order}")).await;
    assert_eq!(reply.status, 404, "an order of another shop does not exist here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_orders_hold_each_order_once() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 100).await;
    let ada = shop.customer().await;
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.insert(0, ada.place("TEA", 1).await);
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = ada.get(&format!("/api/v1/orders?limit=2{after}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let orders = page.body["data"]["orders"].as_array().unwrap();
        assert!(orders.len() <= 2);
        seen.extend(orders.iter().map(|o| o["order_id"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["data"]["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, placed, "newest first, none twice, none missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_alone_makes_no_progress() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let order = ada.place("TEA", 1).await;
    let session = json!({ "order_id": order });
    let reply = ada.post("/api/v1/payments/create-session", &session).await;
    assert_eq!(reply.refusal(), (503, "SESSION_NOT_READY".to_owned()), "after a real wait");
    assert_eq!(reply.body["error"]["retryable"], true);
    assert_eq!(ada.status(&order).await, "PENDING", "no worker, no step");
    assert_eq!(shop.count("steps").await, 0);
    assert_eq!(shop.count("holds").await, 0);
    assert_eq!(shop.count("payments").await, 0);
    assert_eq!(shop.count("tasks where owner is null and due_at <= now()").await, 1, "it waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_session_waits_for_the_payment_and_then_shows_it() {
    let wait = Duration::from_secs(10);
    let shop = Shop::open_with(|config| {
        config.settle_wait = wait;
        config.request_timeout = wait * 2;
    })
    .await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let order = ada.place("TEA", 3).await;
    let body = json!({ "order_id": order });
    let asked = Instant::now();
    let mut request = pin!(ada.post("/api/v1/payments/create-session", &body));
    let early = timeout(Duration::from_millis(150), &mut request).await;
    assert!(early.is_err(), "it waits while there is no payment");
    // In a worker's stead.
    open_payment(&shop, &order, "order_G1").await;
    let reply = request.await;
    assert!(asked.elapsed() < wait, "it answers as soon as the payment is open");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let session = &reply.body["data"];
    assert_eq!(session["gateway"], "razorpay");
    assert_eq!(session["key_id"], crate::support::KEY_ID);
    assert_eq!(session["gateway_order_id"], "order_G1");
    assert_eq!(session["amount_minor"], 3_000);
    assert_eq!(session["amount"], json!({ "amount": "30.00", "currency": "INR" }));
    assert_eq!(session["currency"], "INR");
    let again = ada.post("/api/v1/payments/create-session", &body).await;
    assert_eq!(again.body["data"], *session, "asking again gives the same session");

    shop.run("update orders set status = 'EXPIRED'").await;
    let ended = ada.post("/api/v1/payments/create-session", &body).await;
    assert_eq!(ended.refusal(), (409, "ORDER_EXPIRED".to_owned()));
}

/// Writes what a worker writes when the payment of an order is open.
pub(crate) async fn open_payment(shop: &Shop, order: &str, gateway_order: &str) {
    shop.run(&format!(
        "update orders set status = 'RESERVED' where order_id = '{order}';
         insert into payments (payment_id, tenant_id, order_id, workflow_id, gateway,
                               gateway_order_id, amount_minor, currency)
         select gen_random_uuid(), tenant_id, order_id, workflow_id, 'razorpay',
                '{gateway_order}', total_minor, currency
         from orders where order_id = '{order}'"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_is_a_request_to_the_saga() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let order = ada.place("TEA", 1).await;
    for _ in 0..2 {
        let reply = ada.cancel(&order).await;
        assert_eq!(reply.status, 202, "{}", reply.body);
        assert_eq!(reply.body["data"], json!({ "order_id": order, "cancellation": "REQUESTED" }));
    }
    assert_eq!(shop.count("signals").await, 1, "two wishes are one request");
    assert_eq!(ada.status(&order).await, "PENDING", "the saga decides, not the API");

    let paid = ada.place("TEA", 1).await;
    open_payment(&shop, &paid, "order_G2").await;
    shop.run(&format!("update orders set status = 'PAID' where order_id = '{paid}'")).await;
    assert_eq!(ada.cancel(&paid).await.refusal(), (409, "TOO_LATE".to_owned()));
    let path = format!("/api/v1/orders/{order}/cancel");
    let keyless = ada.post(&path, &json!({ "reason": "x" })).await;
    assert_eq!(keyless.text("/error/details/field"), "Idempotency-Key");
}
