//! Orders: keys, shapes, errors, lists.

use gateway_sandbox::{Config, Sandbox, signature};
use reqwest::Method;
use serde_json::json;

use crate::shop::{Shop, read, text};

#[tokio::test]
async fn a_checkout_goes_from_order_to_captured_payment_with_a_true_signature() {
    let shop = Shop::open().await;
    let (status, order) =
        shop.post("/orders", json!({"amount": 50_000, "currency": "INR", "receipt": "r-1"})).await;
    assert_eq!(status, 200);
    let id = text(&order, "/id");
    assert!(id.starts_with("order_") && id.len() == 20, "{id}");
    assert_eq!(order["entity"], "order");
    assert_eq!(order["status"], "created");
    assert_eq!(order["notes"], json!([]), "empty notes are an array on the wire");

    let (status, paid) = shop.pay(&id, json!({})).await;
    assert_eq!(status, 200);
    let payment_id = text(&paid, "/razorpay_payment_id");
    assert_eq!(paid["razorpay_order_id"], json!(id));
    let expected = signature::payment(&shop.config.key_secret, &id, &payment_id);
    assert_eq!(paid["razorpay_signature"], json!(expected));

    let (_, payment) = shop.get(&format!("/payments/{payment_id}")).await;
    assert_eq!(payment["status"], "captured");
    assert_eq!(payment["captured"], true);
    assert_eq!(payment["amount"], 50_000);
    assert_eq!(payment["fee"], 1_180, "two percent, and eighteen percent of that");
    let (_, order) = shop.get(&format!("/orders/{id}")).await;
    assert_eq!((&order["status"], &order["attempts"]), (&json!("paid"), &json!(1)));
    assert_eq!((&order["amount_paid"], &order["amount_due"]), (&json!(50_000), &json!(0)));
}

#[tokio::test]
async fn only_the_exact_scheme_and_keys_open_the_api() {
    let shop = Shop::open().await;
    let url = shop.url("/v1/orders");
    let good = shop.v1(Method::GET, "/orders").build().unwrap();
    let header = good.headers()["authorization"].to_str().unwrap().to_owned();
    let wrong = [
        header.replace("Basic", "basic"),
        header.replace("Basic", "BASIC"),
        format!("\"{header}\""),
        "Basic bm86".to_owned(),
    ];
    for value in wrong {
        let (status, body) = read(shop.http.get(&url).header("authorization", &value)).await;
        assert_eq!((status, &body["error"]["code"]), (401, &json!("BAD_REQUEST_ERROR")), "{value}");
    }
    assert_eq!(read(shop.http.get(&url)).await.0, 401, "no header at all");
    assert_eq!(read(shop.http.get(&url).header("authorization", header)).await.0, 200);
}

#[tokio::test]
async fn an_unknown_id_is_a_bad_request() {
    let shop = Shop::open().await;
    for path in ["/orders/order_x", "/orders/order_x/payments", "/payments/pay_x", "/refunds/r"] {
        let (status, body) = shop.get(path).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!("BAD_REQUEST_ERROR")), "{path}");
    }
    let (status, _) = shop.pay("order_x", json!({})).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn an_order_names_the_field_that_is_wrong() {
    let shop = Shop::open().await;
    let wrong = [
        (json!({"currency": "INR"}), "amount"),
        (json!({"amount": 99, "currency": "INR"}), "amount"),
        (json!({"amount": "500", "currency": "INR"}), "amount"),
        (json!({"amount": 1001, "currency": "KWD"}), "amount"),
        (json!({"amount": 500}), "currency"),
        (json!({"amount": 500, "currency": "rupee"}), "currency"),
        (json!({"amount": 500, "currency": "INR", "receipt": "x".repeat(41)}), "receipt"),
        (json!({"amount": 500, "currency": "INR", "notes": "text"}), "notes"),
        (json!({"amount": 500, "currency": "INR", "partial_payment": true}), "partial_payment"),
    ];
    for (body, field) in wrong {
        let (status, answer) = shop.post("/orders", body.clone()).await;
        assert_eq!((status, &answer["error"]["field"]), (400, &json!(field)), "{body}");
    }
}

#[tokio::test]
async fn orders_are_found_by_receipt_newest_first_and_paged() {
    let shop = Shop::open().await;
    let first = shop.order("same").await;
    let second = shop.order("same").await;
    shop.order("other").await;
    assert_ne!(first, second, "two orders may carry one receipt");
    let (_, found) = shop.get("/orders?receipt=same").await;
    assert_eq!((&found["entity"], &found["count"]), (&json!("collection"), &json!(2)));
    assert_eq!(found["items"][0]["id"], json!(second));
    let (_, page) = shop.get("/orders?count=1&skip=1").await;
    assert_eq!(page["items"][0]["id"], json!(second));
    assert_eq!(shop.get("/orders?count=101").await.0, 400);
    assert_eq!(shop.get("/orders?from=99999999999").await.1["count"], 0);

    shop.paid(&first).await;
    let (_, paid) = shop.get("/orders?authorized=1&expand[]=payments").await;
    assert_eq!(paid["count"], 1);
    assert_eq!(paid["items"][0]["payments"]["items"][0]["status"], "captured");
}

#[tokio::test]
async fn a_strict_sandbox_refuses_a_receipt_used_before() {
    let shop = Shop::with(Config { strict_receipts: true, ..Config::default() }).await;
    shop.order("once").await;
    let again = json!({"amount": 500, "currency": "INR", "receipt": "once"});
    let (status, answer) = shop.post("/orders", again).await;
    assert_eq!((status, &answer["error"]["field"]), (400, &json!("receipt")));
}

#[tokio::test]
async fn only_notes_of_an_order_can_change() {
    let shop = Shop::open().await;
    let path = format!("/orders/{}", shop.order("r").await);
    let notes = json!({"notes": {"gift": "yes"}});
    let (status, order) = read(shop.v1(Method::PATCH, &path).json(&notes)).await;
    assert_eq!((status, &order["notes"]["gift"]), (200, &json!("yes")));
    let (status, _) = read(shop.v1(Method::PATCH, &path).json(&json!({"amount": 1}))).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn stopping_closes_the_address_even_while_a_call_hangs() {
    let shop = Shop::open().await;
    let action = json!({"kind": "hang_after", "ms": 600_000});
    shop.fault(json!({"match": {"operation": "list_orders"}, "action": action})).await;
    let call = tokio::spawn(shop.v1(Method::GET, "/orders").send());
    while shop.truth().await["calls"]["list_orders"] != 1 {
        tokio::task::yield_now().await;
    }
    let addr = shop.sandbox.addr();
    shop.sandbox.stop().await;
    assert!(call.await.unwrap().is_err(), "a hanging call is cut, not answered");
    let config = Config { bind: addr, ..Config::default() };
    Sandbox::start(config).await.expect("the address is free again").stop().await;
}
