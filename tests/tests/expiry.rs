//! Orders whose time is over end by themselves, each by its own timer.

use futures::future::join_all;
use makegood_tests::{Shop, Stock};

// REC-01
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_orders_that_expire_one_that_cannot_holds_up_no_other() {
    let shop = Shop::plan().workers(2).hold_secs(4).open().await;
    shop.product("tea", 100).await;
    let customer = shop.customer().await;
    let orders = join_all((0..12).map(|_| customer.place(&[("tea", 1)]))).await;
    for order in &orders {
        customer.session(order).await;
    }
    let (bad, good) = orders.split_first().unwrap();
    shop.run(&format!(
        "create function refuse_the_end() returns trigger language plpgsql as $$
         begin
           if new.order_id = '{bad}' and new.status = 'EXPIRED' then raise exception 'planted'; end if;
           return new;
         end $$;
         create trigger planted before update on orders for each row execute function refuse_the_end()"
    ))
    .await;
    for order in good {
        customer.wait_for(order, "EXPIRED").await;
    }
    assert_eq!(customer.status(bad).await, "RESERVED", "the bad one is tried again and again");
    shop.run("drop trigger planted on orders").await;
    customer.wait_for(bad, "EXPIRED").await;
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 100, reserved: 0, sold: 0 });
    let closed = "payments where status = 'PENDING'";
    assert_eq!(shop.count(closed).await, 0, "no payment is awaited any more");
}
