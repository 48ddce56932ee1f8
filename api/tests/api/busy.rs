//! More than can be done at once, and a database that keeps requests waiting: each is answered, in
//! time, with whether to come back; and nothing is half done.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;

use crate::support::{Shop, cart, read, until};

/// A trigger that makes every insert of an order take half a minute.
const DAWDLING: &str = "create function dawdle() returns trigger language plpgsql as $$
     begin perform pg_sleep(30); return new; end $$;
     create trigger dawdle before insert on orders for each row execute function dawdle()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_places_are_told_to_come_back() {
    let shop = Shop::open_with(|config| config.in_flight = 2).await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let lock = shop.lock("orders").await;
    let tea = cart(&[("TEA", 1)]);
    let two = join_all([ada.place_with("key-0000001", &tea), ada.place_with("key-0000002", &tea)]);
    let meanwhile = async {
        let waiting = "pg_locks where not granted and relation = 'orders'::regclass";
        until("both places are taken", async || shop.count(waiting).await == 2).await;
        let third = ada.place_with("key-0000003", &tea).await;
        assert_eq!(third.refusal(), (503, "OVERLOADED".to_owned()), "{}", third.body);
        assert_eq!(third.body["error"]["retryable"], true);
        assert_eq!(third.headers["retry-after"], "1", "and says when");
        for path in ["/livez", "/readyz", "/metrics", "/console/sign-in"] {
            assert_eq!(shop.get(path).await.status, 200, "{path} is let in all the same");
        }
        lock.commit().await.unwrap();
    };
    let (two, ()) = tokio::join!(two, meanwhile);
    for reply in two {
        assert_eq!(reply.status, 201, "who was let in is served: {}", reply.body);
    }
    let again = ada.place_with("key-0000003", &tea).await;
    assert_eq!(again.status, 201, "and later there is a place for the third: {}", again.body);
    assert_eq!(shop.count("orders").await, 3, "an order for each acknowledgement");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_a_lock_gets_an_answer_while_it_is_held_and_frees_his_connection() {
    let short = Duration::from_millis(300);
    let shop = Shop::open_with(|config| (config.connections, config.lock_limit) = (2, short)).await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let lock = shop.lock("orders").await;
    // Twice as many as there are connections.
    let (keys, tea) = ([1, 2, 3, 4].map(|n| format!("key-000000{n}")), cart(&[("TEA", 1)]));
    for reply in join_all(keys.iter().map(|key| ada.place_with(key, &tea))).await {
        assert_eq!(reply.refusal(), (503, "UNAVAILABLE".to_owned()), "{}", reply.body);
        assert_eq!(reply.headers["retry-after"], "1");
    }
    let product = shop.get("/api/v1/products/TEA").await;
    assert_eq!(product.status, 200, "the connections serve others: {}", product.body);
    lock.commit().await.unwrap();
    for key in &keys {
        assert_eq!(ada.place_with(key, &tea).await.status, 201, "a repeat is right");
    }
    assert_eq!(shop.count("orders").await, 4, "and each is one order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_given_up_and_leaves_nothing() {
    let short = Duration::from_millis(400);
    let shop = Shop::open_with(|config| config.statement_limit = short).await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    shop.run(DAWDLING).await;
    let reply = ada.place_with("key-0000001", &cart(&[("TEA", 1)])).await;
    assert_eq!(reply.refusal(), (503, "UNAVAILABLE".to_owned()), "{}", reply.body);
    assert_eq!((shop.count("orders").await, shop.count("runs").await), (0, 0));
    shop.run("drop function dawdle cascade").await;
    let reply = ada.place_with("key-0000001", &cart(&[("TEA", 1)])).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_sign_ins_is_cut_and_costs_no_customer_his_order() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let cores = std::thread::available_parallelism().unwrap().get();
    let guess = serde_json::json!({ "email": "ada@example.test", "password": "a wild guess" });
    let flood = join_all((0..cores * 64 * 2).map(|_| async {
        let request = shop.request(Method::POST, "/api/v1/auth/login").json(&guess);
        let reply = read(request).await;
        let known = [(401, "BAD_CREDENTIALS"), (503, "OVERLOADED")];
        let (status, code) = reply.refusal();
        assert!(known.contains(&(status, code.as_str())), "{}", reply.body);
        status
    }));
    let (answers, order) = tokio::join!(flood, ada.place("TEA", 1));
    assert!(answers.contains(&401) && answers.contains(&503), "some are checked, others cut");
    assert_eq!(ada.status(&order).await, "PENDING");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_followers_than_places_are_told_to_come_back_and_whoever_leaves_makes_room() {
    let shop = Shop::open_with(|config| config.followers = 1).await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let path = format!("/api/v1/orders/{}/stream", ada.place("TEA", 1).await);
    let first = ada.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(first.status(), 200);
    let second = ada.get(&path).await;
    assert_eq!(second.refusal(), (503, "OVERLOADED".to_owned()), "{}", second.body);
    assert_eq!(second.headers["retry-after"], "1");
    drop(first);
    until("there is room again", async || {
        ada.request(Method::GET, &path).send().await.unwrap().status() == 200
    })
    .await;
}
