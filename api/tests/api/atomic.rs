//! An order and its checkout are written together or not at all.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Reply, Shop, cart, until};

async fn place(shop: &Shop) -> Reply {
    shop.product("TEA", 1_000, 10).await;
    let reply = shop.customer().await.place_with("key-0000001", &cart(&[("TEA", 1)])).await;
    let text = reply.body.to_string();
    assert!(!text.contains("planted"), "what the database said stays inside: {text}");
    reply
}

async fn assert_neither(shop: &Shop) {
    for table in ["orders", "order_items", "order_events", "runs", "tasks"] {
        assert_eq!(shop.count(table).await, 0, "nothing may be left in {table}");
    }
}

/// A trigger that refuses every row of a table, at once or at the commit.
async fn refuse(shop: &Shop, table: &str, kind: &str, when: &str) {
    shop.run(&format!(
        "create function planted() returns trigger language plpgsql as $$
         begin raise exception 'planted' using errcode = 'XX001'; end $$;
         create {kind} trigger planted after insert on {table} {when}
           for each row execute function planted()"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_remains_when_its_checkout_cannot_start() {
    let shop = Shop::open().await;
    refuse(&shop, "tasks", "", "").await;
    let reply = place(&shop).await;
    assert_eq!(reply.refusal(), (500, "INTERNAL".to_owned()));
    assert_eq!(reply.body["data"], Value::Null);
    assert_neither(&shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_remains_when_the_commit_fails() {
    let shop = Shop::open().await;
    refuse(&shop, "orders", "constraint", "deferrable initially deferred").await;
    assert_eq!(place(&shop).await.refusal(), (500, "INTERNAL".to_owned()));
    assert_neither(&shop).await;

    shop.run("drop function planted cascade").await;
    let ada = shop.customer().await;
    let order = ada.place("TEA", 1).await;
    assert_eq!(ada.status(&order).await, "PENDING", "the same API goes on when the fault is gone");
    assert_eq!((shop.count("orders").await, shop.count("runs").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_remains_when_the_connection_dies_in_between() {
    let shop = Shop::open().await;
    shop.run(
        "create function planted() returns trigger language plpgsql as $$
         begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
         create trigger planted after insert on runs
           for each row execute function planted()",
    )
    .await;
    let reply = place(&shop).await;
    assert_eq!(reply.refusal(), (503, "UNAVAILABLE".to_owned()), "try again: {}", reply.body);
    assert_eq!(reply.body["error"]["retryable"], true);
    assert_neither(&shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_placed_order_and_its_checkout_name_each_other() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    shop.product("CUP", 1_000, 10).await;
    let ada = shop.customer().await;
    let reply = ada.place_with("key-0000001", &cart(&[("TEA", 1), ("CUP", 1)])).await;
    let order = reply.text("/data/order/order_id");
    let (workflow, workflow_id, input): (String, String, Value) =
        sqlx::query_as("select workflow, workflow_id, input from runs")
            .fetch_one(&shop.pool)
            .await
            .unwrap();
    assert_eq!((workflow.as_str(), workflow_id), ("checkout", format!("checkout:{order}:1")));
    assert_eq!(input["order_id"], order.as_str());
    assert_eq!(input["lines"][0]["sku"], "CUP", "sorted by SKU, so that stock is locked in order");
    assert_eq!(input["total"], reply.body["data"]["order"]["total"]);
    assert_eq!(input["expires_at"], reply.body["data"]["order"]["expires_at"]);
    let receipt = input["receipt"].as_str().unwrap();
    assert_eq!(receipt, format!("{}-1", order.replace('-', "")), "the gateway's limit is 40");
    assert!(receipt.len() <= 40);
    let customer = "select r.attributes ->> 'customer' = o.user_id::text from runs r, orders o";
    let found: bool = sqlx::query_scalar(customer).fetch_one(&shop.pool).await.unwrap();
    assert!(found, "an operator finds what a customer asks about");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_finished_even_when_its_customer_hangs_up() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let held = shop.lock("runs").await;
    let body = cart(&[("TEA", 1)]);
    let hung_up = {
        let mut request = std::pin::pin!(ada.place_with("key-0000001", &body));
        let blocked = shop.until_blocked("runs");
        tokio::select! {
            _ = &mut request => false,
            () = blocked => true,
        }
    };
    assert!(hung_up, "the request was given up in the middle of its transaction");
    held.rollback().await.unwrap();
    until("the order is there", async || shop.count("orders").await == 1).await;
    assert_eq!(shop.count("runs").await, 1, "with its checkout");
    let again = ada.place_with("key-0000001", &body).await;
    assert_eq!(again.status, 200, "and his next try finds it: {}", again.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_came_too_late_can_be_asked_for_again() {
    let shop = Shop::open_with(|config| {
        config.settle_wait = Duration::from_millis(50);
        config.request_timeout = Duration::from_millis(500);
    })
    .await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let held = shop.lock("runs").await;
    let body = cart(&[("TEA", 1)]);
    let reply = ada.place_with("key-0000001", &body).await;
    assert_eq!(reply.refusal(), (503, "TIMEOUT".to_owned()));
    assert_eq!(reply.body["error"]["retryable"], true);
    held.rollback().await.unwrap();
    until("the order is there", async || shop.count("orders").await == 1).await;
    assert_eq!(ada.place_with("key-0000001", &body).await.status, 200, "the same order");
}
