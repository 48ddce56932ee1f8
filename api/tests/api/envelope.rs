//! The one shape of every answer, and what becomes of requests that make no sense.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Shop, cart, read};

fn assert_failure(body: &Value, status: u16) {
    assert_eq!(body["status_code"], status, "{body}");
    assert_eq!(body["data"], Value::Null, "{body}");
    assert!(body["message"].is_string(), "{body}");
    let error = &body["error"];
    for (field, fits) in [
        ("code", error["code"].is_string()),
        ("message", error["message"].is_string()),
        ("retryable", error["retryable"].is_boolean()),
        ("details", error["details"].is_object()),
        ("request_id", error["request_id"].as_str().is_some_and(|id| !id.is_empty())),
    ] {
        assert!(fits, "every error has a {field}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_comes_in_the_envelope() {
    let shop = Shop::open().await;
    let ada = shop.customer().await;
    let raw = |body: &'static str, kind: &'static str| {
        let request = ada.request(Method::POST, "/api/v1/payments/create-session");
        read(request.header("content-type", kind).body(body))
    };
    let json = "application/json";
    let refusals = [
        (shop.get("/api/v1/nothing").await, 404, "ROUTE_NOT_FOUND"),
        (shop.get("/nothing").await, 404, "ROUTE_NOT_FOUND"),
        (read(shop.request(Method::DELETE, "/api/v1/orders")).await, 405, "METHOD_NOT_ALLOWED"),
        (shop.get("/api/v1/products/none").await, 404, "PRODUCT_NOT_FOUND"),
        (ada.get("/api/v1/orders/not-a-uuid").await, 404, "ORDER_NOT_FOUND"),
        (ada.get("/api/v1/orders?limit=0").await, 400, "BAD_REQUEST"),
        (ada.get("/api/v1/orders?limit=101").await, 400, "BAD_REQUEST"),
        (ada.get("/api/v1/orders?page=2").await, 400, "BAD_REQUEST"),
        (raw("{", json).await, 400, "BAD_REQUEST"),
        (raw("", json).await, 400, "BAD_REQUEST"),
        (
            raw("{\"order_id\":\"0197a0a0-0000-7000-8000-000000000000\"} x", json).await,
            400,
            "BAD_REQUEST",
        ),
        (raw("{}", "text/plain").await, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ];
    for (reply, status, code) in refusals {
        assert_eq!(reply.refusal(), (status, code.to_owned()), "{}", reply.body);
        assert_failure(&reply.body, status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_field_is_named() {
    let shop = Shop::open().await;
    let ada = shop.customer().await;
    let cases = [
        (json!({ "lines": [{ "sku": "A", "quantity": "two" }] }), "lines[0].quantity"),
        (json!({ "lines": [{ "sku": "A", "quantity": 0 }] }), "lines[0].quantity"),
        (json!({ "lines": [{ "sku": "A", "quantity": 1.5 }] }), "lines[0].quantity"),
        (json!({ "lines": [{ "sku": "a b", "quantity": 1 }] }), "lines[0].sku"),
        (json!({ "lines": [{ "sku": "A", "quantity": 1, "price": 1 }] }), "lines[0].price"),
        (json!({ "lines": [], "user_id": ada.id }), "user_id"),
        (json!({ "lines": [] }), "lines"),
        (cart(&vec![("A", 1); 101]), "lines"),
        (cart(&[("A", 600_000), ("A", 600_000)]), "lines"),
    ];
    for (body, field) in cases {
        let reply = ada.place_with("key-0000001", &body).await;
        assert_eq!(reply.refusal(), (400, "BAD_REQUEST".to_owned()), "{body}");
        assert_eq!(reply.text("/error/details/field"), field, "{}", reply.body);
    }
    assert_eq!(shop.count("orders").await, 0, "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_a_body_is_refused() {
    let shop = Shop::open().await;
    let ada = shop.customer().await;
    let body = json!({ "lines": [], "filler": "x".repeat(70_000) });
    let reply = ada.place_with("key-0000001", &body).await;
    assert_eq!(reply.refusal(), (413, "BODY_TOO_LARGE".to_owned()));
    assert_failure(&reply.body, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_keeps_its_id_or_gets_one() {
    let shop = Shop::open().await;
    let with_id = |id: &str| read(shop.request(Method::GET, "/none").header("x-request-id", id));

    let kept = with_id("order-page.7_42").await;
    assert_eq!(kept.headers["x-request-id"], "order-page.7_42");
    assert_eq!(kept.text("/error/request_id"), "order-page.7_42", "in the error as well");

    for unsafe_id in ["short", "has a space", "quote\"quote", &"x".repeat(65)] {
        let made = with_id(unsafe_id).await;
        let id = made.headers["x-request-id"].to_str().unwrap();
        assert_ne!(id, unsafe_id, "what could do harm in a log is replaced");
        assert_eq!(made.text("/error/request_id"), id);
    }
    let bare = shop.get("/livez").await;
    assert!(!bare.headers["x-request-id"].is_empty(), "every answer has one");
}
