//! Stock under load, through HTTP: nothing is sold twice, and crossing carts do not lock up.

use futures::future::join_all;
use makegood_tests::{Shop, Stock};
use serde_json::json;

// INV-06, SAGA-17
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_buyers_of_a_hundred_units_leave_a_hundred_orders_and_no_unit() {
    let shop = Shop::plan().workers(2).open().await;
    shop.product("last", 100).await;
    let customer = shop.customer().await;
    join_all((0..200).map(|_| customer.place(&[("last", 1)]))).await;
    shop.holds(
        "every buyer has an answer",
        "select not exists (select from orders where status = 'PENDING')",
    )
    .await;
    assert_eq!(shop.count("orders where status = 'RESERVED'").await, 100, "as many as there were");
    let refused = "orders where status = 'FAILED' and reason_code = 'OUT_OF_STOCK'";
    assert_eq!(shop.count(refused).await, 100, "the others are told why");
    assert_eq!(shop.stock("last").await, Stock { available: 0, reserved: 100, sold: 0 });
    let movements = "stock_movements where kind = 'RESERVE'";
    assert_eq!(shop.count(movements).await, 100, "a movement for each unit");
}

// INV-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crossing_carts_take_all_of_their_lines_or_none_and_do_not_lock_each_other_up() {
    let shop = Shop::plan().workers(2).open().await;
    for sku in ["a", "b", "c"] {
        shop.product(sku, 30).await;
    }
    let customer = shop.customer().await;
    let carts: [&[(&str, i64)]; 3] =
        [&[("a", 1), ("b", 1)], &[("c", 1), ("b", 1), ("a", 1)], &[("b", 1), ("a", 1)]];
    let place = |n: usize| customer.place(carts[n % carts.len()]);
    let orders = join_all((0..90).map(place)).await;
    shop.holds(
        "every cart has an answer",
        "select not exists (select from orders where status = 'PENDING')",
    )
    .await;
    let held = shop.count("orders where status = 'RESERVED'").await;
    assert_eq!(held, 30, "each cart needs an a and a b, and there are 30 of each");
    assert_eq!(shop.stock("a").await.available, 0);
    assert_eq!(shop.stock("b").await.available, 0);
    let partial = "holds h join orders o on o.order_id = h.order_id
        where h.state = 'HELD' and (select count(*) from hold_lines l where l.hold_id = h.hold_id)
          <> (select count(*) from order_items i where i.order_id = o.order_id)";
    assert_eq!(shop.count(partial).await, 0, "all lines or none");
    assert_eq!(shop.count("holds where state <> 'HELD'").await, 0, "who got nothing holds nothing");
    assert_eq!(orders.len(), 90);
}

// INV-14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_units_two_orders_of_ten_one_paid_and_one_failed_leave_ninety() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 100).await;
    let customer = shop.customer().await;
    let pays = customer.place(&[("tea", 10)]).await;
    let fails = customer.place(&[("tea", 10)]).await;
    let (paying, failing) = (customer.session(&pays).await, customer.session(&fails).await);
    assert_eq!(shop.stock("tea").await, Stock { available: 80, reserved: 20, sold: 0 });
    let proof = customer.pay(&paying).await;
    customer.verify(&pays, &proof).await;
    customer.try_pay(&failing, json!({"outcome": "failed"})).await;
    customer.wait_for(&pays, "PAID").await;
    customer.wait_for(&fails, "FAILED").await;
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 90, reserved: 0, sold: 10 });
    let total: i64 = shop.read("select total from inventory where sku = 'tea'").await;
    assert_eq!(total, 90, "what is left in the house");
}
