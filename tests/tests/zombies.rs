//! A worker that stands still past its lease, then goes on: what it still writes changes nothing,
//! and it comes back as a new incarnation.

use futures::future::join_all;
use makegood_tests::{Shop, Stock, until};

/// A worker stops at `point` in the middle of a checkout; another one ends the checkout; the first
/// one wakes up.
async fn stand_still(point: &str) {
    let mut shop = Shop::plan().workers(0).lease(1).without_webhooks().open().await;
    shop.product("tea", 100).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let zombie = shop.spawn_worker("MAKEGOOD_FAULT", &format!("stop:{point}"));
    if point.contains("read_payment") {
        let session = customer.session(&order).await;
        let proof = customer.pay(&session).await;
        customer.verify(&order, &proof).await.expect(202);
    }
    until("the worker stands still", async || zombie.is_stopped().then_some(())).await;
    let name = zombie.name().to_owned();
    shop.start_worker().await;
    if !point.contains("read_payment") {
        let session = customer.session(&order).await;
        let proof = customer.pay(&session).await;
        customer.verify(&order, &proof).await;
    }
    customer.wait_for(&order, "PAID").await;
    let (before, steps) = (shop.summary(&order).await, shop.history(&order).await);

    zombie.cont();
    let back = format!(
        "select count(*) filter (where not alive) >= 1 and count(*) filter (where alive) = 1
         from workers where name = '{name}'"
    );
    shop.holds("it comes back as a new incarnation", &back).await;
    // Both drive runs now; whatever the first one had in its hands is gone.
    join_all((0..20).map(|_| customer.buy(&[("tea", 1)]))).await;
    shop.audit().await;
    assert_eq!(shop.summary(&order).await, before, "its late write changed nothing");
    assert_eq!(shop.history(&order).await, steps, "no step was recorded twice");
    assert_eq!(shop.gateway_truth().await.orders_of(&order).len(), 1, "one order at the gateway");
    assert_eq!(shop.stock("tea").await, Stock { available: 79, reserved: 0, sold: 21 });
}

// SAGA-04, SAGA-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_wakes_up_after_a_call_whose_run_was_taken_over_writes_nothing() {
    stand_still("after the call of create_gateway_order#1").await;
}

// SAGA-04, SAGA-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_wakes_up_on_the_way_to_settle_a_settled_order_settles_nothing() {
    stand_still("after the call of read_payment#1").await;
}

// SAGA-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stands_still_under_load_loses_nothing_and_doubles_nothing() {
    let mut shop = Shop::plan().workers(2).lease(1).open().await;
    shop.product("tea", 1_000).await;
    let customer = shop.customer().await;
    let buying = join_all((0..60).map(|_| customer.buy(&[("tea", 1)])));
    let meddling = async {
        let busy = "select count(*) > 5 from orders where status = 'PAID'";
        shop.holds("checkouts are under way", busy).await;
        let [lost, _] = shop.workers.as_slice() else { panic!("two workers") };
        lost.stop();
        let buried = "select exists (select from workers where not alive)";
        shop.holds("it is buried", buried).await;
        lost.cont();
    };
    futures::future::join(buying, meddling).await;
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 940, reserved: 0, sold: 60 });
    assert_eq!(shop.count("ledger_transactions").await, 60);
    let (status, _) = shop.worker(0).terminate().await;
    assert!(status.success(), "it is whole and ends in order: {status}");
}
