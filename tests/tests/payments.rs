//! Payments through HTTP: one session, one effect however often and from wherever it is reported,
//! and nothing is believed that the gateway does not say.

use std::time::Duration;

use futures::future::{join, join_all};
use futures::stream::{self, StreamExt};
use makegood_tests::{Answer, Customer, Shop, Stock, Summary};
use serde_json::json;

// PAY-01, PAY-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_for_a_session_get_the_same_one_and_the_gateway_sees_one_order() {
    let shop = Shop::plan().tax_basis_points(1_800).open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 2)]).await;
    let answers = join_all((0..50).map(|_| customer.try_session(&order))).await;
    let answers: Vec<Answer> = answers.into_iter().map(Option::unwrap).collect();
    let truth = shop.gateway_truth().await;
    let opened = truth.orders_of(&order);
    assert_eq!(opened.len(), 1, "one order at the gateway");
    assert_eq!(opened[0].amount, 2_360, "over the order's total, tax included");
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer}");
        assert_eq!(answer.text("/data/gateway_order_id"), opened[0].id);
        assert_eq!(answer.body["data"]["amount_minor"], 2_360);
        let printed = answer.body.to_string();
        assert!(!printed.contains("secret"), "what the page gets holds no secret: {printed}");
    }
    assert_eq!(shop.count("payments where status = 'PENDING'").await, 1, "one payment is awaited");
    let again = customer.session(&order).await;
    assert_eq!(again.gateway_order_id, opened[0].id, "a refreshed page gets it again");
}

// PAY-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_settlement_changes_becomes_visible_all_at_once() {
    let shop = Shop::plan().workers(2).open().await;
    shop.product("tea", 100).await;
    let customer = shop.customer().await;
    let buying = async {
        stream::iter(0..60)
            .for_each_concurrent(10, async |_| {
                customer.buy(&[("tea", 1)]).await;
            })
            .await;
    };
    // One statement is one picture of all tables.
    let mixed = "select count(*) filter (where facts not in (0, 5)) as mixed,
            count(*) filter (where facts = 5) as settled
        from (
          select (o.status = 'PAID')::int
            + exists (select from payments p
                where p.order_id = o.order_id and p.status = 'SUCCESS')::int
            + exists (select from holds h
                where h.order_id = o.order_id and h.state = 'FINALISED')::int
            + exists (select from ledger_transactions t
                where t.order_id = o.order_id and t.kind = 'CAPTURE')::int
            + exists (select from outbox b
                where b.key = o.order_id::text and b.topic = 'order.paid')::int as facts
          from orders o
        ) seen";
    let looking = async {
        let mut pictures = 0;
        loop {
            let (torn, settled): (i64, i64) =
                sqlx::query_as(mixed).fetch_one(&shop.pool).await.unwrap();
            assert_eq!(torn, 0, "order, payment, stock, ledger and message change together");
            pictures += u32::from(settled > 0 && settled < 60);
            if settled == 60 {
                return pictures;
            }
        }
    };
    let ((), pictures) = join(buying, looking).await;
    assert!(pictures > 20, "it was watched while it happened: {pictures} pictures");
    shop.audit().await;
}

// PAY-05
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifying_a_hundred_times_gives_the_first_answer_and_has_one_effect() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    let proof = customer.pay(&session).await;
    let first = customer.verify(&order, &proof).await.expect(200);
    shop.holds("the run ends", "select not exists (select 1 from tasks)").await;
    let before = shop.summary(&order).await;
    for _ in 0..9 {
        let answers = join_all((0..11).map(|_| customer.verify(&order, &proof))).await;
        for answer in answers {
            assert_eq!(answer.status, 200);
            assert_eq!(answer.body["data"], first.body["data"], "the answer stays the same");
        }
    }
    shop.audit().await;
    assert_eq!(shop.summary(&order).await, before, "no further effect");
}

async fn race(shop: &Shop, customer: &Customer) -> String {
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    // The webhook leaves while the customer's browser gets its answer.
    let proof = customer.pay(&session).await;
    let answers = join(customer.verify(&order, &proof), customer.verify(&order, &proof)).await;
    for answer in [answers.0, answers.1] {
        assert!([200, 202].contains(&answer.status), "{answer}");
    }
    customer.wait_for(&order, "PAID").await;
    assert_eq!(shop.summary(&order).await.payments, ["SUCCESS"]);
    order
}

const RACES: usize = 1_000;

// PAY-11, D34
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_races_of_verify_and_webhook_settle_each_order_once() {
    let shop = Shop::plan().workers(2).open().await;
    shop.product("tea", 1_100).await;
    let customer = shop.customer().await;
    let races = stream::iter(0..RACES).map(|_| race(&shop, &customer)).buffer_unordered(12);
    assert_eq!(races.count().await, RACES);
    shop.audit().await;
    for (rows, what) in [
        ("payments where status = 'SUCCESS'", "one payment"),
        ("ledger_transactions", "one ledger set"),
        ("order_events where to_status = 'PAID'", "one event"),
        ("outbox where topic = 'order.paid'", "one message"),
    ] {
        assert_eq!(shop.count(rows).await, 1_000, "{what} an order");
    }
    // None where news of the authorization was enough to find the money.
    let signals = shop.count("signals where signal_id like 'captured:%'").await;
    assert!((1..=1_000).contains(&signals), "at most one signal an order: {signals}");
    let delivered = "webhook_events where event_type in ('payment.captured', 'order.paid')";
    assert!(shop.count(delivered).await >= 1_000, "the webhooks took part");
    assert_eq!(shop.stock("tea").await, Stock { available: 100, reserved: 0, sold: 1_000 });
}

// PAY-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_who_never_comes_back_has_the_order_paid_by_the_webhook_alone() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    customer.pay(&session).await;
    customer.wait_for(&order, "PAID").await;
    shop.audit().await;
    let sources = "select count(*) from signals where payload ->> 'source' = 'verify'";
    assert_eq!(shop.read::<i64>(sources).await, 0, "nobody verified");
}

// PAY-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_webhook_lost_the_browser_s_word_is_enough_to_ask_the_gateway() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let order = shop.customer().await.buy(&[("tea", 1)]).await;
    shop.audit().await;
    assert_eq!(shop.count("webhook_events").await, 0);
    assert_eq!(shop.summary(&order).await.captures, ["FULFILLED"]);
}

// PAY-14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_over_another_amount_is_held_for_a_person_and_not_fulfilled() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 2)]).await;
    let session = customer.session(&order).await;
    customer.try_pay(&session, json!({"amount": 100})).await;
    let held = "select exists (select from incidents where class = 'amount_mismatch'
                and resolved_at is null)";
    shop.holds("there is an incident", held).await;
    let summary = shop.summary(&order).await;
    assert_eq!(summary.status, "RESERVED", "it is not fulfilled, and its stock stays held");
    assert_eq!(summary.run.as_deref(), Some("STUCK"));
    assert_eq!(summary.payments, ["PENDING"]);
    assert!(summary.ledger.is_empty(), "no money counts as ours");
    assert_eq!(shop.stock("tea").await, Stock { available: 8, reserved: 2, sold: 0 });
}

// PAY-21
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genuine_webhook_about_a_payment_that_the_gateway_does_not_have_pays_nothing() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    let payment = json!({"id": "pay_Invented000000", "order_id": session.gateway_order_id,
        "amount": 1_000, "currency": "INR", "status": "captured"});
    let body = json!({"event": "payment.captured", "payload": {"payment": {"entity": payment}}});
    shop.webhook("evt_invented", &body).await.expect(200);
    let asked = "select exists (select from steps where name = 'read_payment')";
    shop.holds("the saga asks the gateway", asked).await;
    assert_eq!(customer.status(&order).await, "RESERVED", "the gateway's word counts");
    assert_eq!(shop.count("ledger_transactions").await, 0);
    // A real payment is taken all the same.
    let proof = customer.pay(&session).await;
    customer.verify(&order, &proof).await;
    customer.wait_for(&order, "PAID").await;
    shop.audit().await;
}

// LED-01
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_way_a_payment_is_settled_its_ledger_entries_are_the_same() {
    let shop = Shop::plan().tax_basis_points(1_800).open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let by_webhook = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&by_webhook).await;
    customer.pay(&session).await;
    customer.wait_for(&by_webhook, "PAID").await;

    let by_verify = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&by_verify).await;
    let lost = json!({"order_id": session.gateway_order_id});
    shop.fault(&json!({"match": lost, "times": 100, "action": {"kind": "lose"}})).await;
    let proof = customer.pay(&session).await;
    customer.verify(&by_verify, &proof).await;
    customer.wait_for(&by_verify, "PAID").await;

    shop.audit().await;
    let entries = ["CAPTURE GATEWAY 1180 0", "CAPTURE SALES 0 1000", "CAPTURE TAX 0 180"];
    assert_eq!(shop.summary(&by_webhook).await.ledger, entries, "settled by the webhook");
    assert_eq!(shop.summary(&by_verify).await.ledger, entries, "settled by verify");
}

// DB-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_that_fails_at_any_statement_leaves_nothing_and_is_made_whole_later() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 100).await;
    let customer = shop.customer().await;
    let tables = [
        "orders",
        "order_events",
        "holds",
        "inventory",
        "stock_movements",
        "payments",
        "gateway_captures",
        "ledger_transactions",
        "ledger_entries",
        "outbox",
    ];
    for table in tables {
        let order = customer.place(&[("tea", 1)]).await;
        let session = customer.session(&order).await;
        let before = (shop.summary(&order).await, shop.stock("tea").await);
        shop.run(&format!(
            "create function refuse_{table}() returns trigger language plpgsql as
               $$ begin raise exception 'planted'; end $$;
             create trigger planted before insert or update on {table}
               for each row execute function refuse_{table}()"
        ))
        .await;
        let proof = customer.pay(&session).await;
        let settling = customer.verify(&order, &proof);
        let failing = async {
            let failed = "select exists (select from tasks, jsonb_each(tries) t
                          where (t.value ->> 'failed')::int >= 2)";
            shop.holds(&format!("settling fails at {table} more than once"), failed).await;
            let (summary, stock) = &before;
            // A claimed run may be on its way again; all else is as before.
            let now = Summary { run: summary.run.clone(), ..shop.summary(&order).await };
            assert_eq!(now, *summary, "nothing partial is left, {table} failing");
            assert_eq!(shop.stock("tea").await, *stock, "no stock moved, {table} failing");
            let mended = "drop trigger planted on {table}; drop function refuse_{table}()";
            shop.run(&mended.replace("{table}", table)).await;
        };
        let (answer, ()) = join(settling, failing).await;
        assert!([200, 202].contains(&answer.status), "{answer}");
        customer.wait_for(&order, "PAID").await;
    }
    shop.audit().await;
    let sold = i64::try_from(tables.len()).unwrap();
    assert_eq!(shop.stock("tea").await, Stock { available: 100 - sold, reserved: 0, sold });
}

// PAY-10: the gateway's own retries make up for an API that is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_finds_the_api_away_comes_again_and_settles_the_order() {
    let mut shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    shop.api.terminate().await;
    customer.pay(&session).await;
    tokio::time::timeout(Duration::from_secs(30), shop.restart_api()).await.unwrap();
    shop.returning(&customer).wait_for(&order, "PAID").await;
    shop.audit().await;
}
