//! What guards stock and money when the database refuses for a while, when a record cannot be
//! written, and when the gateway speaks of another currency.

use std::time::{Duration, Instant};

use futures::future::join;
use makegood_tests::{Shop, Stock, Summary, until};
use serde_json::json;

const UNTOUCHED: Stock = Stock { available: 10, reserved: 0, sold: 0 };

/// A trigger that refuses rows. It counts in a sequence, which no rollback takes back.
fn refusing(table: &str, when: &str, refusal: &str) -> String {
    format!(
        "create sequence refusals;
         create function refuse() returns trigger language plpgsql as $$
           declare n bigint := nextval('refusals');
           begin {refusal}; return new; end $$;
         create trigger planted before insert or update on {table}
           for each row when ({when}) execute function refuse()"
    )
}

const ACCEPTING: &str = "drop function refuse cascade; drop sequence refusals";

// INV-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_that_does_not_fit_is_answered_with_409_and_nothing_has_moved() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    shop.product("rare", 1).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 2), ("rare", 2)]).await;
    let refused = until("the shop has decided", async || {
        let answer = customer.try_session(&order).await?;
        (answer.status != 503).then_some(answer)
    });
    assert_eq!(refused.await.expect(409).code(), "ORDER_FAILED");
    assert_eq!(
        customer.order(&order).await["reason_code"],
        "OUT_OF_STOCK",
        "the customer sees why"
    );
    assert_eq!(shop.stock("tea").await, UNTOUCHED, "the line that fits is not held either");
    assert_eq!(shop.stock("rare").await, Stock { available: 1, reserved: 0, sold: 0 });
    assert_eq!(shop.count("stock_movements where kind <> 'RECEIVE'").await, 0);
    assert!(shop.gateway_truth().await.orders.is_empty(), "and nobody was asked for money");
    shop.audit().await;
}

// INV-08
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_refusals_of_the_database_are_tried_again_and_no_customer_sees_them() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    // A serialization failure, a deadlock and a serialization failure; then it passes.
    let passing = "if n <= 3 then raise exception 'planted'
        using errcode = case n when 2 then '40P01' else '40001' end; end if";
    shop.run(&refusing("inventory", "true", passing)).await;
    let begun = Instant::now();
    let order = customer.place(&[("tea", 2)]).await;
    let session = customer.try_session(&order).await.unwrap();
    assert_eq!(session.status, 200, "while stock is held: {session}");
    // Pauses of 200, 400 and 800 ms, each with a quarter of jitter.
    assert!(begun.elapsed() >= Duration::from_millis(1_050), "each pause is longer than the last");
    assert_eq!(shop.stock("tea").await, Stock { available: 8, reserved: 2, sold: 0 });
    assert!(shop.read::<i64>("select last_value from refusals").await >= 4, "it was refused");

    shop.run("alter sequence refusals restart").await;
    let session = customer.session(&order).await;
    let proof = customer.pay(&session).await;
    let settled = customer.verify(&order, &proof).await;
    assert_eq!(settled.status, 200, "while stock is sold: {settled}");
    customer.wait_for(&order, "PAID").await;
    assert!(shop.read::<i64>("select last_value from refusals").await >= 4, "it was refused");
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 8, reserved: 0, sold: 2 });
    assert_eq!(shop.count("incidents").await, 0, "nobody was called");
    let movements = shop.summary(&order).await.movements;
    assert_eq!(movements, ["RESERVE tea", "FINALISE tea"], "each movement once");
}

/// What an order left behind, the state of its run aside: a claimed one may be on its way again.
async fn seen(shop: &Shop, order: &str) -> (Summary, Stock) {
    (Summary { run: None, ..shop.summary(order).await }, shop.stock("tea").await)
}

const TWICE: &str = "select last_value >= 2 from refusals";
const ALWAYS: &str = "raise exception 'planted'";

// DB-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_fails_at_any_statement_leaves_nothing_and_is_made_whole_later() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let mut held = 0;
    for (table, when) in [
        ("orders", "new.status = 'RESERVED'"),
        ("order_events", "new.to_status = 'RESERVED'"),
        ("inventory", "true"),
        ("holds", "true"),
        ("hold_lines", "true"),
        ("stock_movements", "true"),
        ("steps", "new.name = 'reserve_stock'"),
    ] {
        shop.run(&refusing(table, when, ALWAYS)).await;
        let order = customer.place(&[("tea", 1)]).await;
        shop.holds(&format!("holding fails at {table} more than once"), TWICE).await;
        let (summary, stock) = seen(&shop, &order).await;
        assert_eq!(summary.status, "PENDING", "{table} failing");
        assert_eq!(summary.events, ["PENDING"], "{table} failing");
        assert!(summary.movements.is_empty(), "{table} failing: {summary:?}");
        assert_eq!(stock, Stock { available: 10 - held, reserved: held, sold: 0 }, "{table}");
        assert_eq!(shop.count("holds").await, held, "no hold is left, {table} failing");
        shop.run(ACCEPTING).await;
        customer.session(&order).await;
        held += 1;
        assert_eq!(shop.summary(&order).await.status, "RESERVED");
        assert_eq!(
            shop.stock("tea").await,
            Stock { available: 10 - held, reserved: held, sold: 0 }
        );
    }
    assert_eq!(shop.count("incidents").await, 0, "nobody was called");
}

// DB-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_whose_record_cannot_be_written_leaves_nothing_and_is_made_whole_later() {
    let shop = Shop::plan().without_webhooks().lease(1).open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let mut sold = 0;
    for (table, when) in
        [("steps", "new.name = 'settle_payment'"), ("runs", "new.ended_state is not null")]
    {
        let order = customer.place(&[("tea", 1)]).await;
        let session = customer.session(&order).await;
        let before = seen(&shop, &order).await;
        shop.run(&refusing(table, when, ALWAYS)).await;
        let proof = customer.pay(&session).await;
        let failing = async {
            shop.holds(&format!("settling fails at {table} more than once"), TWICE).await;
            assert_eq!(seen(&shop, &order).await, before, "nothing is left, {table} failing");
            assert_eq!(shop.count("ledger_transactions").await, sold, "{table} failing");
            shop.run(ACCEPTING).await;
        };
        let (answer, ()) = join(customer.verify(&order, &proof), failing).await;
        assert!([200, 202].contains(&answer.status), "{answer}");
        customer.wait_for(&order, "PAID").await;
        sold += 1;
    }
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 10 - sold, reserved: 0, sold });
}

// PAY-14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_in_another_currency_is_held_for_a_person_and_not_fulfilled() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 2)]).await;
    let session = customer.session(&order).await;
    customer.try_pay(&session, json!({"currency": "USD"})).await.expect(200);
    let held = "select exists (select from incidents where class = 'amount_mismatch'
                and resolved_at is null)";
    shop.holds("there is an incident", held).await;
    let summary = shop.summary(&order).await;
    assert_eq!(summary.status, "RESERVED", "2,000 of another money do not pay it");
    assert_eq!(summary.payments, ["PENDING"]);
    assert!(summary.ledger.is_empty(), "no money counts as ours");
    assert_eq!(shop.stock("tea").await, Stock { available: 8, reserved: 2, sold: 0 });
}
