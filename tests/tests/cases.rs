//! Edge cases of placing an order and of its stock, by their numbers in docs/edge-cases.md.

use futures::future::join_all;
use makegood_tests::{Shop, Stock, until};
use serde_json::json;

/// A shop with ten units of tea at 10.00.
async fn with_tea() -> Shop {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    shop
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_01_a_double_click_in_two_tabs_is_one_order_one_checkout_and_one_order_at_the_gateway()
{
    let shop = with_tea().await;
    let customer = shop.customer().await;
    let clicks = (0..8).map(|_| customer.try_place("one-intention", &[("tea", 1)]));
    let mut orders: Vec<String> = Vec::new();
    for answer in join_all(clicks).await {
        let answer = answer.expect("the API answers");
        assert!([200, 201].contains(&answer.status), "{answer}");
        orders.push(answer.text("/data/order/order_id").to_owned());
    }
    orders.dedup();
    assert_eq!(orders.len(), 1, "every click got the same order");
    customer.session(&orders[0]).await;
    assert_eq!(shop.count("runs where workflow = 'checkout'").await, 1);
    assert_eq!(shop.gateway_truth().await.orders.len(), 1);
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 1, sold: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_02_a_key_that_was_used_for_another_cart_is_refused_and_nothing_happens() {
    let shop = with_tea().await;
    let customer = shop.customer().await;
    customer.try_place("one-intention", &[("tea", 1)]).await.unwrap().expect(201);
    let other = customer.try_place("one-intention", &[("tea", 2)]).await.unwrap().expect(409);
    assert_eq!(other.code(), "IDEMPOTENCY_CONFLICT", "{other}");
    assert_eq!(shop.count("orders").await, 1);
    assert_eq!(shop.count("runs").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_03_a_repeat_while_the_first_request_is_under_way_waits_and_gets_its_order() {
    let shop = with_tea().await;
    let customer = shop.customer().await;
    // Whoever writes an order waits until this lock is gone.
    let mut holder = shop.pool.begin().await.unwrap();
    sqlx::query("lock table orders in share mode").execute(&mut *holder).await.unwrap();
    let placing = async || customer.try_place("one-intention", &[("tea", 1)]).await.unwrap();
    let release = async {
        let waiting = "select count(*) = 2 from pg_locks l join pg_class c on c.oid = l.relation
                       where c.relname = 'orders' and not l.granted
                         and c.relnamespace = current_schema()::regnamespace";
        shop.holds("both requests are under way", waiting).await;
        holder.rollback().await.unwrap();
    };
    let (one, two, ()) = futures::join!(placing(), placing(), release);
    let mut answers = [one.status, two.status];
    answers.sort_unstable();
    assert_eq!(answers, [200, 201], "one places it, the other is told of it");
    assert_eq!(one.text("/data/order/order_id"), two.text("/data/order/order_id"));
    assert_eq!(shop.count("runs").await, 1, "one checkout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_04_whoever_hangs_up_has_one_order_by_a_repeat() {
    let shop = with_tea().await;
    let customer = shop.customer().await;
    customer.place_and_leave("gone-at-once", "tea").await;
    // Whether the request came through or not, nobody can say; the repeat is right in both cases.
    let again = customer.try_place("gone-at-once", &[("tea", 1)]).await.unwrap();
    assert!([200, 201].contains(&again.status), "{again}");
    let order = again.text("/data/order/order_id").to_owned();
    let session = customer.session(&order).await;
    let proof = customer.pay(&session).await;
    customer.verify(&order, &proof).await;
    customer.wait_for(&order, "PAID").await;
    assert_eq!(shop.count("orders").await, 1);
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_05_a_key_means_the_same_order_however_long_ago_that_was() {
    let shop = with_tea().await;
    let customer = shop.customer().await;
    let first = customer.try_place("years-ago", &[("tea", 1)]).await.unwrap().expect(201);
    let order = first.text("/data/order/order_id").to_owned();
    shop.run("update orders set created_at = now() - interval '3 years'").await;
    let again = customer.try_place("years-ago", &[("tea", 1)]).await.unwrap().expect(200);
    assert_eq!(again.text("/data/order/order_id"), order);
    assert_eq!(shop.count("orders").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_06_ones_own_hold_of_the_last_unit_keeps_others_away_and_not_oneself() {
    let shop = Shop::plan().open().await;
    shop.product("last", 1).await;
    let (customer, other) = (shop.customer().await, shop.customer().await);
    let phone = customer.try_place("the-last-lamp", &[("last", 1)]).await.unwrap().expect(201);
    let order = phone.text("/data/order/order_id").to_owned();
    let session = customer.session(&order).await;
    let laptop = customer.try_place("the-last-lamp", &[("last", 1)]).await.unwrap().expect(200);
    assert_eq!(laptop.text("/data/order/order_id"), order, "the other device has the same order");
    let late = other.place(&[("last", 1)]).await;
    let refused = other.wait_for(&late, "FAILED").await;
    assert_eq!(refused["reason_code"], "OUT_OF_STOCK");
    customer.try_pay(&session, json!({"outcome": "failed"})).await;
    customer.wait_for(&order, "FAILED").await;
    customer.retry(&order, "once-more-please").await.expect(202);
    let session = customer.session(&order).await;
    let proof = customer.pay(&session).await;
    customer.verify(&order, &proof).await;
    customer.wait_for(&order, "PAID").await;
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_07_a_price_that_changes_meanwhile_is_that_of_later_orders_only() {
    let shop = with_tea().await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 2)]).await;
    shop.run("update products set unit_price_minor = 9900").await;
    let session = customer.session(&order).await;
    assert_eq!(session.amount_minor, 2_000, "the order is paid at the price it was placed at");
    customer.try_pay(&session, json!({"outcome": "failed"})).await;
    customer.wait_for(&order, "FAILED").await;
    customer.retry(&order, "once-more-please").await.expect(202);
    let again = customer.session(&order).await;
    assert_eq!(again.amount_minor, 2_000, "tried again, too");
    assert_ne!(again.gateway_order_id, session.gateway_order_id, "by a gateway order of its own");
    let proof = customer.pay(&again).await;
    customer.verify(&order, &proof).await;
    customer.wait_for(&order, "PAID").await;
    let later = customer.place(&[("tea", 2)]).await;
    assert_eq!(customer.session(&later).await.amount_minor, 19_800, "a new order has new prices");
    let amounts: Vec<i64> = shop.gateway_truth().await.orders.iter().map(|o| o.amount).collect();
    assert_eq!(amounts, [2_000, 2_000, 19_800], "what was asked for is never edited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_08_what_is_paid_is_the_cart_that_was_ordered_not_the_one_edited_since() {
    let shop = with_tea().await;
    shop.product("cups", 10).await;
    let customer = shop.customer().await;
    let ordered = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&ordered).await;
    let edited = customer.place(&[("tea", 1), ("cups", 4)]).await;
    customer.session(&edited).await;
    let proof = customer.pay(&session).await;
    customer.verify(&ordered, &proof).await;
    customer.wait_for(&ordered, "PAID").await;
    assert_eq!(customer.status(&edited).await, "RESERVED", "another cart is another order");
    assert_eq!(shop.stock("tea").await, Stock { available: 8, reserved: 1, sold: 1 });
    assert_eq!(shop.stock("cups").await, Stock { available: 6, reserved: 4, sold: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_10_an_order_for_less_than_the_gateway_takes_is_refused_before_it_is_asked() {
    let shop = with_tea().await;
    let customer = shop.customer().await;
    for (minor, code) in [(0, "NOTHING_TO_PAY"), (99, "TOO_LITTLE_TO_PAY")] {
        shop.run(&format!("update products set unit_price_minor = {minor}")).await;
        let key = format!("costs-{minor}-paise");
        let refused = customer.try_place(&key, &[("tea", 1)]).await.unwrap().expect(422);
        assert_eq!(refused.code(), code, "{refused}");
    }
    assert_eq!(shop.count("orders").await, 0);
    assert!(shop.gateway_truth().await.orders.is_empty());
    shop.run("update products set unit_price_minor = 100").await;
    assert_eq!(customer.session(&customer.place(&[("tea", 1)]).await).await.amount_minor, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_11_two_lines_of_one_product_are_added_up_before_stock_is_looked_at() {
    let shop = with_tea().await;
    let customer = shop.customer().await;
    let fits = customer.place(&[("tea", 3), ("tea", 4)]).await;
    customer.session(&fits).await;
    assert_eq!(shop.stock("tea").await, Stock { available: 3, reserved: 7, sold: 0 });
    let exceeds = customer.place(&[("tea", 2), ("tea", 2)]).await;
    assert_eq!(customer.wait_for(&exceeds, "FAILED").await["reason_code"], "OUT_OF_STOCK");
    assert_eq!(shop.stock("tea").await, Stock { available: 3, reserved: 7, sold: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_13_nothing_that_a_customer_does_prolongs_a_hold() {
    let shop = Shop::plan().hold_secs(5).open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let placed = customer.try_place("a-hoarder", &[("tea", 10)]).await.unwrap().expect(201);
    let order = placed.text("/data/order/order_id").to_owned();
    let until = placed.text("/data/order/expires_at").to_owned();
    customer.session(&order).await;
    customer.session(&order).await;
    customer.try_place("a-hoarder", &[("tea", 10)]).await.unwrap().expect(200);
    customer.retry(&order, "more-time-please").await.expect(202);
    assert_eq!(customer.order(&order).await["expires_at"], until.as_str(), "its time is the same");
    customer.wait_for(&order, "EXPIRED").await;
    assert_eq!(shop.stock("tea").await, Stock { available: 10, reserved: 0, sold: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_18_a_product_taken_off_sale_is_delivered_to_whoever_ordered_it_before() {
    let shop = with_tea().await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    shop.run("update products set is_active = false").await;
    let proof = customer.pay(&session).await;
    customer.verify(&order, &proof).await;
    customer.wait_for(&order, "PAID").await;
    let refused = customer.try_place("too-late-for-it", &[("tea", 1)]).await.unwrap().expect(422);
    assert_eq!(refused.code(), "UNKNOWN_SKU", "{refused}");
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 0, sold: 1 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_19_stock_comes_back_once_however_often_a_cancel_and_its_refund_are_told() {
    let shop = with_tea().await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 2)]).await;
    let session = customer.session(&order).await;
    customer.cancel(&order).await.expect(202);
    customer.cancel(&order).await;
    customer.wait_for(&order, "CANCELLED").await;
    customer.pay(&session).await;
    let back = "select exists (select from refunds where status = 'PROCESSED')";
    shop.holds("the money goes back", back).await;
    shop.all_ended().await;
    let told = "select array_agg(event_id) from webhook_events where state = 'SIGNALLED'";
    let told: Vec<String> = shop.read(told).await;
    for event in &told {
        let path = format!("webhooks/{event}/replay");
        shop.meddle(&path, &json!({"new_event_id": true})).await.expect(204);
    }
    let twice = format!("select count(*) >= {} from webhook_events", told.len() * 2);
    shop.holds("everything was told twice", &twice).await;
    until("every run has ended", async || (shop.count("tasks").await == 0).then_some(())).await;
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 10, reserved: 0, sold: 0 });
    assert_eq!(shop.summary(&order).await.movements, ["RESERVE tea", "RELEASE tea"]);
    assert_eq!(shop.gateway_truth().await.refunds.len(), 1, "and the money once");
}
