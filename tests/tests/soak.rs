//! A crowd that does everything at once, a gateway that fails by its seed, and workers that are
//! killed: in the end every promise holds.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use gateway_sandbox::{CallOdds, DelayRange, Odds, WebhookOdds};
use makegood_tests::{Customer, Shop};
use serde_json::json;

const CHECKOUTS: usize = 150;

/// Every call of the gateway may fail in every way; no webhook is lost for good, because money that
/// nobody ever reports is not a checkout's business.
fn odds() -> Odds {
    let calls = CallOdds {
        drop_before_per_mille: 40,
        drop_after_per_mille: 60,
        hang_after_per_mille: 20,
        error_per_mille: 80,
        delay_per_mille: 100,
        hang_ms: 2_000,
        delay_ms: DelayRange { min_ms: 10, max_ms: 300 },
    };
    let webhooks = WebhookOdds {
        lose_per_mille: 0,
        duplicate_per_mille: 200,
        reorder_per_mille: 100,
        delay_per_mille: 300,
        delay_ms: DelayRange { min_ms: 10, max_ms: 2_000 },
    };
    Odds { calls, webhooks, ..Odds::default() }
}

/// One customer's visit; its kind goes by its number.
async fn visit(customer: &Customer, number: usize) {
    let lines: &[(&str, i64)] = match number % 4 {
        0 => &[("tea", 1)],
        1 => &[("cup", 1), ("tea", 2)],
        2 => &[("tea", 1), ("cup", 1), ("rare", 1)],
        _ => &[("cup", 3)],
    };
    let order = customer.place(lines).await;
    if number.is_multiple_of(11) {
        customer.cancel(&order).await;
        return;
    }
    let session = loop {
        let Some(answer) = customer.try_session(&order).await else { continue };
        match answer.status {
            200 => break answer,
            409 => return, // Out of stock, or expired while the gateway was failing.
            _ => {}
        }
    };
    let session = makegood_tests::Session {
        order_id: order.clone(),
        gateway_order_id: session.text("/data/gateway_order_id").to_owned(),
        amount_minor: 0,
    };
    match number % 7 {
        0 => {} // Walks away.
        1 => {
            customer.try_pay(&session, json!({"outcome": "failed"})).await;
        }
        2 => {
            // The bank changes its mind.
            let late = json!({"after_ms": 1_500});
            customer.try_pay(&session, json!({"outcome": "failed", "late": late})).await;
        }
        3 => {
            customer.try_pay(&session, json!({})).await; // The webhook will tell.
        }
        4 => {
            customer.try_pay(&session, json!({})).await;
            customer.cancel(&order).await;
        }
        _ => {
            let paid = customer.try_pay(&session, json!({})).await;
            for _ in 0..number % 3 {
                customer.verify(&order, &paid.body).await;
            }
        }
    }
}

// SAGA-18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_random_faults_and_kills_every_checkout_has_ended_and_every_promise_holds() {
    let mut shop = Shop::plan()
        .workers(2)
        .lease(1)
        .hold_secs(8)
        .odds(odds())
        .worker_env("MAKEGOOD_GATEWAY_TIMEOUT_MS", "1000")
        .open()
        .await;
    for (sku, units) in [("tea", 500), ("cup", 500), ("rare", 20)] {
        shop.product(sku, units).await;
    }
    let customer = shop.customer().await;
    let crowd =
        stream::iter(0..CHECKOUTS).for_each_concurrent(16, |number| visit(&customer, number));
    let killing = async {
        for placed in [30, 70, 110] {
            let busy = format!("select count(*) > {placed} from orders");
            shop.holds("the crowd is busy", &busy).await;
            shop.workers.remove(0).kill9().await;
            shop.start_worker().await;
        }
    };
    futures::future::join(crowd, killing).await;
    shop.agrees_within(Duration::from_secs(90)).await;
    shop.audit().await;
    let statuses: Vec<(String, i64)> =
        sqlx::query_as("select status, count(*) from orders group by 1 order by 1")
            .fetch_all(&shop.pool)
            .await
            .unwrap();
    let ended = ["CANCELLED", "EXPIRED", "FAILED", "PAID"];
    let seen: Vec<&str> = statuses.iter().map(|(status, _)| status.as_str()).collect();
    assert_eq!(seen, ended, "every kind of end was met: {statuses:?}");
    assert_eq!(statuses.iter().map(|(_, count)| count).sum::<i64>(), 150, "{statuses:?}");
}
