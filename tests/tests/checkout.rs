//! The checkout saga end to end: the happy path, every way to fail, timers, signals and cancels.
//! Every test has a shop of its own, with the API and the workers as processes.

use futures::future::{join, join_all};
use makegood_tests::{Customer, Session, Shop, Stock, Summary, until};
use serde_json::{Value, json};

const UNTOUCHED: Stock = Stock { available: 10, reserved: 0, sold: 0 };

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

// SAGA-01, SAGA-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_checkout_is_recorded_step_by_step_in_the_order_in_which_it_ran() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let order = shop.customer().await.buy(&[("tea", 2)]).await;
    shop.audit().await;
    assert_eq!(
        shop.history(&order).await,
        [
            "done reserve_stock",
            "done create_gateway_order",
            "done open_payment",
            "signal payment_hint",
            "done read_payment",
            "done settle_payment",
            "done announce_order",
        ],
        "the record names every step once, in order"
    );
    assert_eq!(
        shop.summary(&order).await,
        Summary {
            status: "PAID".to_owned(),
            reason: None,
            run: Some("COMPLETED".to_owned()),
            events: words(&["PENDING", "RESERVED", "PAID"]),
            payments: words(&["SUCCESS"]),
            captures: words(&["FULFILLED"]),
            refunds: Vec::new(),
            ledger: words(&["CAPTURE GATEWAY 2000 0", "CAPTURE SALES 0 2000"]),
            movements: words(&["RESERVE tea", "FINALISE tea"]),
            announced: words(&["order.paid"]),
        },
        "the rows say what happened"
    );
    let kept = "steps where name = 'reserve_stock' and undo = 'release_stock'
                and input is not null and result is not null and attempts = 1";
    assert_eq!(shop.count(kept).await, 1, "what can be undone keeps its input and its result");
    let intended = "steps where next::text like '%create_gateway_order%'
                    and next::text like '%return_captures%'";
    assert_eq!(shop.count(intended).await, 1, "the call outside was recorded before it was made");
    let signalled = "runs r join signals g on g.run_id = r.run_id
                     where r.input is not null and r.output is not null and r.ended_at is not null";
    assert_eq!(shop.count(signalled).await, 1, "the run keeps its input, signal and output");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_costs_five_commits_besides_its_claims() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    shop.customer().await.buy(&[("tea", 1)]).await;
    shop.audit().await;
    // Each commit has an id of its own, which the rows that it wrote bear.
    assert_eq!(shop.count("runs").await, 1, "the start");
    assert_eq!(shop.count("signals").await, 1, "the browser's word");
    let turns = "select count(distinct xmin::text) from steps";
    assert_eq!(
        shop.read::<i64>(turns).await,
        3,
        "hold and intent; gateway order, payment and wait; reading, settlement and end"
    );
}

/// Sees one order to a bad end.
async fn fail(shop: &Shop, customer: &Customer, how: &str, order: &str) {
    let (status, reason) = match how {
        "out of stock" => ("FAILED", "OUT_OF_STOCK"),
        "refused by the gateway" => ("FAILED", "BAD_REQUEST_ERROR"),
        "declined" => {
            let session = customer.session(order).await;
            customer.try_pay(&session, json!({"outcome": "failed"})).await;
            ("FAILED", "PAYMENT_FAILED")
        }
        "expired" => ("EXPIRED", "EXPIRED"),
        _ => {
            customer.session(order).await;
            customer.cancel(order).await.expect(202);
            ("CANCELLED", "CANCELLED")
        }
    };
    customer.wait_for(order, status).await;
    let summary = shop.summary(order).await;
    assert_eq!(summary.reason.as_deref(), Some(reason), "{how}: {summary:?}");
}

// SAGA-03, SAGA-17, INV-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_a_checkout_fails_stock_and_money_are_as_if_it_had_never_been() {
    let mut shop = Shop::plan().workers(0).open().await;
    let customer = shop.customer().await;
    let ways = ["out of stock", "refused by the gateway", "declined", "expired", "cancelled"];
    let mut orders = Vec::new();
    for how in ways {
        let sku = how.replace(' ', "-");
        shop.product(&sku, 10).await;
        let hold_secs = if how == "expired" { 4 } else { 600 };
        shop.run(&format!("update tenants set hold_secs = {hold_secs}")).await;
        let wanted = if how == "out of stock" { 11 } else { 3 };
        orders.push(customer.place(&[(sku.as_str(), wanted)]).await);
    }
    let receipt = orders[1].replace('-', "");
    let meets = json!({"operation": "create_order", "receipt_prefix": receipt});
    shop.fault(&json!({"match": meets, "action": {"kind": "error", "status": 400}})).await;
    shop.start_worker().await;
    join_all(ways.iter().zip(&orders).map(|(how, order)| fail(&shop, &customer, how, order))).await;
    shop.audit().await;
    for (how, order) in ways.iter().zip(&orders) {
        assert_eq!(shop.stock(&how.replace(' ', "-")).await, UNTOUCHED, "{how}: stock is back");
        let summary = shop.summary(order).await;
        assert_eq!(summary.run.as_deref(), Some("COMPENSATED"), "{how}");
        assert!(summary.ledger.is_empty() && summary.captures.is_empty(), "{how}: no money moved");
        assert!(!summary.payments.contains(&"PENDING".to_owned()), "{how}: nothing is awaited");
        let released = summary.movements.iter().filter(|m| m.starts_with("RELEASE")).count();
        let reserved = summary.movements.iter().filter(|m| m.starts_with("RESERVE")).count();
        assert_eq!(released, reserved, "{how}: what was held is released, once: {summary:?}");
    }
    assert_eq!(shop.count("orders where status in ('PENDING', 'RESERVED')").await, 0, "no orphan");
}

// SAGA-05
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_worker_an_order_is_taken_and_makes_no_progress_until_one_comes() {
    let mut shop = Shop::plan().workers(0).open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let answer = customer.try_session(&order).await.unwrap().expect(503);
    assert_eq!(answer.code(), "SESSION_NOT_READY");
    assert_eq!(customer.status(&order).await, "PENDING", "the API runs no step");
    assert_eq!(shop.count("steps").await, 0);
    assert_eq!(shop.stock("tea").await, UNTOUCHED);
    shop.start_worker().await;
    customer.wait_for(&order, "RESERVED").await;
}

// SAGA-06
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_order_whose_answer_was_lost_is_found_by_its_receipt_and_adopted() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let meets = json!({"operation": "create_order"});
    shop.fault(&json!({"match": meets, "action": {"kind": "drop_after"}})).await;
    let order = shop.customer().await.buy(&[("tea", 1)]).await;
    shop.audit().await;
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.orders_of(&order).len(), 1, "the repeat had no second effect");
    assert_eq!(truth.calls_of("create_order"), 1, "it was looked up, not tried again");
    assert!(truth.calls_of("list_orders") >= 1);
}

// SAGA-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_passed_while_everything_was_down_is_kept_as_soon_as_a_worker_is_back() {
    let mut shop = Shop::plan().hold_secs(3).open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 4)]).await;
    customer.session(&order).await;
    shop.worker(0).kill9().await;
    shop.api.kill9().await;
    shop.holds("the deadline passes", "select bool_and(expires_at < now()) from orders").await;
    assert_eq!(shop.stock("tea").await, Stock { available: 6, reserved: 4, sold: 0 });
    shop.start_worker().await;
    let lease = "select not exists (select from tasks)";
    shop.holds("the timer fires and the checkout is made good", lease).await;
    assert_eq!(shop.summary(&order).await.status, "EXPIRED");
    assert_eq!(shop.stock("tea").await, UNTOUCHED, "the hold is released");
    shop.audit().await;
}

// SAGA-08
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_of_a_payment_that_comes_early_and_several_times_is_kept_and_handled_once() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    // The gateway's answer hangs, so that the shop does not know the order that is paid already.
    let hangs = json!({"kind": "hang_after", "ms": 3_000});
    shop.fault(&json!({"match": {"operation": "create_order"}, "action": hangs})).await;
    let again = json!({"kind": "duplicate", "n": 2, "new_event_id": true});
    let fault = json!({"match": {"event": "payment.captured"}, "times": 1, "action": again});
    shop.fault(&fault).await;
    let order = customer.place(&[("tea", 1)]).await;
    let gateway_order_id = until("the gateway knows the order", async || {
        Some(shop.gateway_truth().await.orders_of(&order).first()?.id.clone())
    });
    let early = Session {
        order_id: order.clone(),
        gateway_order_id: gateway_order_id.await,
        amount_minor: 1_000,
    };
    let proof = customer.pay(&early).await;
    let unmatched = "select exists (select from webhook_events where state = 'UNMATCHED')";
    shop.holds("the early webhook is kept", unmatched).await;
    let answer = customer.verify(&order, &proof).await;
    assert_eq!(answer.code(), "WRONG_GATEWAY_ORDER", "no session is stored yet: {answer}");
    customer.wait_for(&order, "PAID").await;
    for _ in 0..2 {
        customer.verify(&order, &proof).await.expect(200);
    }
    shop.audit().await;
    let kept = "select not exists (select from webhook_events where state = 'UNMATCHED')";
    shop.holds("every early webhook is passed on", kept).await;
    let signals = "signals where signal_id like 'captured:%'";
    assert_eq!(shop.count(signals).await, 1, "one fact is one signal, whoever reports it");
    let history = shop.history(&order).await;
    let settled = history.iter().filter(|record| *record == "done settle_payment").count();
    assert_eq!(settled, 1, "it is handled once: {history:?}");
}

fn metric(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.starts_with(name))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

// SAGA-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_workers_carry_a_hundred_checkouts_and_no_step_runs_twice() {
    let shop = Shop::plan().workers(4).open().await;
    shop.product("tea", 1_000).await;
    let customer = shop.customer().await;
    for _ in 0..5 {
        join_all((0..20).map(|_| customer.buy(&[("tea", 1)]))).await;
    }
    shop.audit().await;
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.calls_of("create_order"), 100, "each call was made once");
    assert_eq!(truth.calls_of("list_orders"), 0, "and none was in doubt");
    for step in ["reserve_stock", "create_gateway_order", "open_payment", "settle_payment"] {
        let done = shop.count(&format!("steps where kind = 'done' and name = '{step}'")).await;
        assert_eq!(done, 100, "{step} is recorded once for each checkout");
    }
    assert_eq!(shop.count("outbox where topic = 'order.paid'").await, 100);
    assert_eq!(shop.stock("tea").await, Stock { available: 900, reserved: 0, sold: 100 });
    let mut claiming = 0;
    for worker in &shop.workers {
        let metrics = shop.get(&worker.url("/metrics")).await.body;
        let claimed = metric(metrics.as_str().unwrap_or_default(), "makegood_runs_claimed_total");
        claiming += u32::from(claimed.unwrap_or_default() > 0.0);
    }
    assert!(claiming >= 2, "the work was spread: {claiming} of 4 workers claimed");
}

// SAGA-14, DB-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_and_its_run_are_written_together_or_not_at_all() {
    let shop = Shop::plan().workers(0).open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    for table in ["order_items", "order_events", "runs", "tasks"] {
        shop.run(&refusing(table)).await;
        let answer = customer.try_place("the-same-key", &[("tea", 1)]).await.unwrap();
        assert!(answer.status >= 500, "{table} refuses: {answer}");
        for written in ["orders", "order_items", "order_events", "runs", "tasks"] {
            assert_eq!(shop.count(written).await, 0, "{table} refused, and {written} is empty");
        }
        shop.run(&accepting(table)).await;
    }
    customer.try_place("the-same-key", &[("tea", 1)]).await.unwrap().expect(201);
    assert_eq!(shop.count("orders o join runs r on r.workflow_id = o.workflow_id").await, 1);
}

fn refusing(table: &str) -> String {
    format!(
        "create function refuse_{table}() returns trigger language plpgsql as
           $$ begin raise exception 'planted'; end $$;
         create trigger planted before insert or update on {table}
           for each row execute function refuse_{table}()"
    )
}

fn accepting(table: &str) -> String {
    format!("drop trigger planted on {table}; drop function refuse_{table}()")
}

// SAGA-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_in_the_middle_of_a_call_takes_effect_at_the_next_safe_point() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let late = json!({"kind": "hang_after", "ms": 1_500});
    shop.fault(&json!({"match": {"operation": "create_order"}, "action": late})).await;
    let order = customer.place(&[("tea", 5)]).await;
    until("the call is under way", async || {
        (!shop.gateway_truth().await.orders_of(&order).is_empty()).then_some(())
    })
    .await;
    customer.cancel(&order).await.expect(202);
    let ended: Value = customer.wait_for(&order, "CANCELLED").await;
    assert_eq!(ended["reason_code"], "CANCELLED");
    assert_eq!(shop.stock("tea").await, UNTOUCHED, "the hold is released");
    shop.audit().await;
    let history = shop.history(&order).await;
    assert!(history.contains(&"undone create_gateway_order".to_owned()), "{history:?}");
    let refused = customer.cancel(&customer.buy(&[("tea", 1)]).await).await.expect(409);
    assert_eq!(refused.code(), "TOO_LATE", "a paid order is past its pivot");
}

// SAGA-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_that_was_acknowledged_is_not_overtaken_by_the_payment() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    let slow = json!({"kind": "hang_after", "ms": 1_500});
    let meets = json!({"operation": "order_payments", "order_id": session.gateway_order_id});
    shop.fault(&json!({"match": meets, "action": slow})).await;
    let proof = customer.pay(&session).await;
    let cancelling = async {
        until("the saga reads the payment", async || {
            (shop.gateway_truth().await.calls_of("order_payments") > 0).then_some(())
        })
        .await;
        customer.cancel(&order).await.expect(202);
    };
    let (answer, ()) = join(customer.verify(&order, &proof), cancelling).await;
    assert!([200, 202].contains(&answer.status), "{answer}");
    customer.wait_for(&order, "CANCELLED").await;
    shop.audit().await;
    assert_eq!(shop.summary(&order).await.captures, ["REFUNDED"], "the money went back");
    assert_eq!(shop.stock("tea").await, UNTOUCHED);
}
