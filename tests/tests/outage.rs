//! PostgreSQL is killed under load and comes back: what was acknowledged is there, and ends.
//! While it is away, probes tell so, and no process gives up.

use std::sync::Mutex;

use futures::future::{join, join_all};
use makegood_tests::{Answer, Customer, Shop, Web, until};
use uuid::Uuid;

/// Places an order until the shop acknowledges it; the key makes a repeat harmless.
async fn place(customer: &Customer) -> String {
    let key = format!("key-{}", Uuid::now_v7());
    until("the order is acknowledged", async || {
        let answer = customer.try_place(&key, &[("tea", 1)]).await?;
        [200, 201].contains(&answer.status).then(|| answer.text("/data/order/order_id").to_owned())
    })
    .await
}

/// Pays an order, trying again whatever fails on the way.
async fn pay(customer: &Customer, order: &str) {
    let session = until("the payment is open", async || {
        let answer = customer.try_session(order).await?;
        assert_ne!(answer.status, 404, "an acknowledged order is there: {answer}");
        (answer.status == 200).then_some(answer)
    });
    let answer = session.await;
    let session = makegood_tests::Session {
        order_id: order.to_owned(),
        gateway_order_id: answer.text("/data/gateway_order_id").to_owned(),
        amount_minor: 1_000,
    };
    let proof = customer.pay(&session).await;
    until("the payment is verified", async || {
        let answer = customer.try_verify(order, &proof).await?;
        (answer.text("/data/order_status") == "PAID").then_some(())
    })
    .await;
}

// DB-07, SAGA-18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_acknowledged_before_postgresql_was_killed_is_there_and_ends() {
    let mut shop = Shop::plan().workers(2).lease(1).own_server().open().await;
    shop.product("tea", 1_000).await;
    let customer = shop.customer().await;
    let acknowledged = Mutex::new(Vec::new());
    let crowd = join_all((0..40).map(|n| {
        let (customer, acknowledged) = (&customer, &acknowledged);
        async move {
            for _ in 0..3 {
                let order = place(customer).await;
                acknowledged.lock().unwrap().push(order.clone());
                // Every fourth customer leaves; those orders are called off in the end.
                if n % 4 != 0 {
                    pay(customer, &order).await;
                }
            }
        }
    }));
    let crash = async {
        for orders in [15, 60] {
            until("the crowd is busy", async || {
                (acknowledged.lock().unwrap().len() >= orders).then_some(())
            })
            .await;
            shop.kill_database().await;
            shop.restore_database().await;
        }
    };
    join(crowd, crash).await;
    let acknowledged = acknowledged.into_inner().unwrap();
    assert_eq!(acknowledged.len(), 120);
    let unpaid = "select order_id::text from orders where status in ('PENDING', 'RESERVED')";
    let unpaid: Vec<String> = sqlx::query_scalar(unpaid).fetch_all(&shop.pool).await.unwrap();
    for order in &unpaid {
        customer.cancel(order).await.expect(202);
    }
    shop.audit().await;
    assert_eq!(shop.count("orders").await, 120, "one order for each acknowledgement");
    for order in &acknowledged {
        let status = shop.summary(order).await.status;
        assert!(["PAID", "CANCELLED"].contains(&status.as_str()), "{order} ended: {status}");
    }
    assert_eq!(shop.count("orders where status = 'PAID'").await, 90);
}

// OBS-01, OBS-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_tell_that_the_database_is_away_and_that_it_is_back() {
    let mut shop = Shop::plan().own_server().open().await;
    let api = |path: &str| shop.api.url(path);
    let worker = |path: &str| shop.workers[0].url(path);
    let lives = [api("/livez"), worker("/livez")];
    let needs_database = [api("/readyz"), api("/health/db"), worker("/readyz")];
    let info = shop.get(&api("/info")).await.expect(200);
    assert!(!info.text("/name").is_empty() && !info.text("/version").is_empty(), "{info}");
    for url in lives.iter().chain(&needs_database) {
        until(url, async || (shop.get(url).await.status == 200).then_some(())).await;
    }
    let ready = shop.get(&api("/readyz")).await;
    for part in ["database", "migrations", "worker"] {
        assert_eq!(ready.text(&format!("/checks/{part}")), "ok", "each part is told: {ready}");
    }
    let web = Web::new();
    let status = async |url: &str| Answer::of(web.get(url)).await.map(|answer| answer.status);
    shop.kill_database().await;
    for url in &needs_database {
        until(&format!("503 from {url}"), async || (status(url).await? == 503).then_some(())).await;
    }
    for url in &lives {
        assert_eq!(status(url).await, Some(200), "{url}: a restart cures no outage");
    }
    shop.restore_database().await;
    for url in &needs_database {
        until(&format!("200 from {url}"), async || (status(url).await? == 200).then_some(())).await;
    }
}
