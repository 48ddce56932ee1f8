//! More load than the shop can carry, and a database that has no room: it says so and means it,
//! keeps what it acknowledged, and recovers by itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first fault"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use devpg::Options;
use futures::future::join_all;
use makegood_tests::{Answer, Customer, Disk, Shop, until};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tokio::time::interval;
use uuid::Uuid;

/// What became of one attempt to place an order under this key.
struct Try {
    key: String,
    /// The order, once it is acknowledged.
    order: Option<String>,
}

/// Tries once; a refusal must be one that a client can act on.
async fn attempt(customer: &Customer, key: String) -> Try {
    let answer = customer.try_place(&key, &[("tea", 1)]).await.expect("the API answers");
    let order = match answer.status {
        200 | 201 => Some(answer.text("/data/order/order_id").to_owned()),
        503 => {
            assert!(answer.retry_after.is_some(), "it says when to come back: {answer}");
            let retryable = answer.body.pointer("/error/retryable");
            assert_eq!(retryable, Some(&true.into()), "a repeat may succeed: {answer}");
            None
        }
        _ => panic!("neither taken nor told to come back: {answer}"),
    };
    Try { key, order }
}

fn key() -> String {
    format!("key-{}", Uuid::now_v7())
}

/// Places what was refused until it is acknowledged; all orders, without one twice.
async fn all_placed(customer: &Customer, tries: Vec<Try>) -> BTreeSet<String> {
    let mut orders = BTreeSet::new();
    for Try { key, order } in tries {
        let order = match order {
            Some(order) => order,
            None => {
                until("a refused order is taken later", async || {
                    attempt(customer, key.clone()).await.order
                })
                .await
            }
        };
        assert!(orders.insert(order), "each key is an order of its own");
    }
    orders
}

/// That the shop has exactly these orders, and that each of them can be ended.
async fn they_are_there_and_end(shop: &Shop, customer: &Customer, orders: &BTreeSet<String>) {
    let stored: Vec<String> = sqlx::query_scalar("select order_id::text from orders")
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    assert_eq!(&BTreeSet::from_iter(stored), orders, "what was acknowledged, and nothing else");
    for some in Vec::from_iter(orders).chunks(16) {
        for answer in join_all(some.iter().map(|order| customer.cancel(order))).await {
            assert_eq!(answer.status, 202, "{answer}");
        }
    }
    customer.buy(&[("tea", 1)]).await;
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_twice_the_load_requests_are_shed_and_no_acknowledged_order_is_lost() {
    let plan = Shop::plan().without_webhooks().api_env("MAKEGOOD_API_IN_FLIGHT", "16");
    let shop = plan.open().await;
    shop.product("tea", 1_000_000).await;
    let customer = shop.customer().await;
    // What it can do: as many at a time as it lets in, each as soon as the one before is answered.
    let (began, each) = (Instant::now(), 12);
    let some = join_all((0..16).map(|_| async {
        let mut tries = Vec::new();
        for _ in 0..each {
            tries.push(attempt(&customer, key()).await);
        }
        tries
    }));
    let mut tries: Vec<Try> = some.await.into_iter().flatten().collect();
    let pace = began.elapsed() / u32::try_from(tries.len()).unwrap();
    // Twice that, whether or not anything is answered.
    let (mut crowd, mut tick) = (JoinSet::new(), interval(pace / 2));
    let mut shed = 0;
    while shed < 100 {
        tick.tick().await;
        let customer = customer.clone();
        crowd.spawn(async move { attempt(&customer, key()).await });
        assert!(tries.len() < 20_000, "nothing is ever shed");
        while let Some(ended) = crowd.try_join_next() {
            let ended = ended.unwrap();
            shed += usize::from(ended.order.is_none());
            tries.push(ended);
        }
    }
    tries.extend(crowd.join_all().await);
    let taken = tries.iter().filter(|tried| tried.order.is_some()).count();
    assert!(taken > 16 * each, "while it sheds it goes on taking orders");
    let orders = all_placed(&customer, tries).await;
    they_are_there_and_end(&shop, &customer, &orders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_connection_left_costs_no_acknowledged_order() {
    let server = Options { max_connections: 60, ..Options::durable() };
    let shop = Shop::plan().without_webhooks().lease(2).server(server).open().await;
    shop.product("tea", 1_000).await;
    let customer = shop.customer().await;
    customer.buy(&[("tea", 1)]).await;
    let before: Vec<String> = sqlx::query_scalar("select order_id::text from orders")
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    let mut others = Vec::new();
    let refused = loop {
        match PgConnection::connect(shop.database_url()).await {
            Ok(connection) => others.push(connection),
            Err(error) => break error,
        }
    };
    let refused =
        refused.as_database_error().expect("a refusal").code().map(|code| code.to_string());
    assert_eq!(refused.as_deref(), Some("53300"), "others have every connection that was left");
    let crowd = join_all((0..40).map(|_| attempt(&customer, key())));
    let relief = async {
        until("orders are taken over the connections that the API has", async || {
            (shop.count("orders").await >= 5).then_some(())
        })
        .await;
        drop(others);
    };
    let (tries, ()) = tokio::join!(crowd, relief);
    let mut orders = all_placed(&customer, tries).await;
    let cancelled: Vec<String> = orders.iter().cloned().collect();
    for order in &cancelled {
        assert_eq!(customer.cancel(order).await.status, 202);
    }
    orders.extend(before);
    let stored: Vec<String> = sqlx::query_scalar("select order_id::text from orders")
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    assert_eq!(BTreeSet::from_iter(stored), orders, "what was acknowledged, and nothing else");
    customer.buy(&[("tea", 1)]).await;
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_costs_no_acknowledged_order() {
    let Some(disk) = Disk::new(320, "a_full_disk_costs_no_acknowledged_order") else { return };
    let server = Options::durable()
        .persistent(disk.path().join("server"))
        .setting("min_wal_size", "32MB")
        .setting("max_wal_size", "64MB");
    let mut shop = Shop::plan().without_webhooks().lease(2).server(server).open().await;
    shop.product("tea", 100_000).await;
    let customer = shop.customer().await;
    let mut tries = vec![attempt(&customer, key()).await];
    assert!(tries[0].order.is_some(), "there is room at first");
    disk.fill();
    let full = Instant::now();
    while tries.iter().filter(|tried| tried.order.is_none()).count() < 20 {
        tries.extend(join_all((0..8).map(|_| attempt(&customer, key()))).await);
        assert!(full.elapsed() < Duration::from_mins(1), "the disk is never felt to be full");
    }
    let lives: Answer = shop.get(&shop.api.url("/livez")).await;
    assert_eq!(lives.status, 200, "the API bears with it");
    disk.free();
    if PgConnection::connect(shop.database_url()).await.is_err() {
        // A server that finds no room for its log ends itself; whoever runs it starts it again.
        shop.restore_database().await;
    }
    let orders = all_placed(&customer, tries).await;
    they_are_there_and_end(&shop, &customer, &orders).await;
}
