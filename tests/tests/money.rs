//! Money in odd states: refused, failed and pending refunds, partial ones, second payments, and
//! payments that come in while their order is being undone. Nothing is kept, lost or sent twice.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first fault")]

use makegood::{Client, Database};
use makegood_tests::{Answer, Customer, Plan, Session, Shop, Stock, Web, until};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use uuid::Uuid;

/// A shop with ten teas, and a customer who has an order for one and an open payment.
async fn placed(plan: Plan) -> (Shop, Customer, Session) {
    let shop = plan.open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    (shop, customer, session)
}

/// The same, when the order has expired.
async fn expired(plan: Plan) -> (Shop, Customer, Session) {
    let plan = plan.hold_secs(2).late_money("always_refund");
    let (shop, customer, session) = placed(plan).await;
    customer.wait_for(&session.order_id, "EXPIRED").await;
    (shop, customer, session)
}

/// What the merchant does at the gateway by hand.
async fn by_hand(shop: &Shop, path: &str, body: &Value) -> Value {
    let request = Web::new().post(&shop.gateway(&format!("/v1/{path}")));
    let request = request.basic_auth("rzp_test_sandbox000000", Some("sandbox-key-secret"));
    Answer::of(request.json(body)).await.expect("the gateway answers").expect(200).body
}

/// How refunds end from now on.
async fn refunds_end(shop: &Shop, mode: &str) {
    let request = Web::new().put(&shop.gateway("/sandbox/refund-mode"));
    Answer::of(request.json(&json!({"mode": mode}))).await.unwrap().expect(204);
}

/// The gateway's webhooks about this order get lost from now on.
async fn webhooks_get_lost(shop: &Shop, session: &Session) {
    let lost = json!({"order_id": session.gateway_order_id});
    shop.fault(&json!({"match": lost, "times": 100, "action": {"kind": "lose"}})).await;
}

/// Only the capture is reported, so that one run looks after the payment.
async fn only_captures_are_told(shop: &Shop, session: &Session) {
    let lost = json!({"event": "payment.authorized", "order_id": session.gateway_order_id});
    shop.fault(&json!({"match": lost, "times": 100, "action": {"kind": "lose"}})).await;
}

/// A genuine webhook: this payment was captured.
async fn captured(shop: &Shop, session: &Session, payment: &str) {
    let payment = json!({"id": payment, "order_id": session.gateway_order_id,
        "amount": session.amount_minor, "currency": "INR", "status": "captured"});
    let body = json!({"event": "payment.captured", "payload": {"payment": {"entity": payment}}});
    shop.webhook("evt_captured", &body).await.expect(200);
}

/// Waits for an open incident of a class.
async fn held(shop: &Shop, class: &str) {
    let open = format!("from incidents where class = '{class}' and resolved_at is null");
    shop.holds(&format!("a person is told: {class}"), &format!("select exists (select {open})"))
        .await;
}

/// A person has removed the cause, and has everything that waits for them tried again.
async fn retried(shop: &Shop) {
    let cell: String = shop.read("select current_schema()::text").await;
    let url = shop.pool.connect_options().to_url_lossy();
    let database = Database::new(url.as_str(), &cell).unwrap();
    let client = Client::connect(&database).await.unwrap();
    until("nothing waits for a person", async || {
        let stuck = "select array(select run_id from incidents where resolved_at is null)";
        for run in shop.read::<Vec<Uuid>>(stuck).await {
            client.retry(run, "ada", "the cause is gone").await.unwrap();
        }
        (shop.count("tasks").await == 0).then_some(())
    })
    .await;
}

/// All of the payment has gone back, and the books say so, each refund with its own amount.
async fn is_returned(shop: &Shop, session: &Session, status: &str, refunds: &[i64]) {
    let back = "select exists (select from payments where stray and status = 'REFUNDED')";
    shop.holds("the money goes back", back).await;
    shop.audit().await;
    let truth = shop.gateway_truth().await;
    let there: Vec<i64> = truth.refunds.iter().map(|refund| refund.amount).collect();
    assert_eq!(there, refunds, "what the gateway sent back, and no more");
    let summary = shop.summary(&session.order_id).await;
    assert_eq!(summary.status, status, "the order's end stands");
    assert_eq!(summary.captures, ["REFUNDED"]);
    assert_eq!(summary.refunds, vec!["PROCESSED"; refunds.len()]);
    let entries = "select array(select r.amount_minor from refunds r order by 1)";
    let mut sorted = refunds.to_vec();
    sorted.sort_unstable();
    assert_eq!(shop.read::<Vec<i64>>(entries).await, sorted, "each with its own amount");
    let sum = "select (sum(debit_minor) = sum(credit_minor)
        and sum(debit_minor) filter (where account = 'CUSTOMER_CREDIT') = 1000) from ledger_entries";
    assert!(shop.read::<bool>(sum).await, "the ledger has it coming and going: {summary:?}");
    assert_eq!(shop.stock("tea").await, Stock { available: 10, reserved: 0, sold: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_refund_of_late_money_is_held_for_a_person_and_made_when_they_retry() {
    let (shop, customer, session) = expired(Shop::plan()).await;
    only_captures_are_told(&shop, &session).await;
    let refused = json!({"kind": "error", "status": 400});
    shop.fault(&json!({"match": {"operation": "refund"}, "times": 1, "action": refused})).await;
    customer.pay(&session).await;
    held(&shop, "refund_refused").await;
    assert_eq!(shop.count("refunds").await, 0, "nothing is booked that did not happen");
    retried(&shop).await;
    is_returned(&shop, &session, "EXPIRED", &[1_000]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_refund_of_a_payment_whose_order_is_undone_is_held_for_a_person() {
    let (shop, customer, session) = placed(Shop::plan().without_webhooks()).await;
    let refused = json!({"kind": "error", "status": 400});
    shop.fault(&json!({"match": {"operation": "refund"}, "times": 1, "action": refused})).await;
    customer.pay(&session).await;
    customer.cancel(&session.order_id).await.expect(202);
    held(&shop, "refund_refused").await;
    assert_eq!(customer.status(&session.order_id).await, "RESERVED", "it has not ended");
    retried(&shop).await;
    customer.wait_for(&session.order_id, "CANCELLED").await;
    is_returned(&shop, &session, "CANCELLED", &[1_000]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_failed_is_held_for_a_person_and_not_booked_as_money_returned() {
    let (shop, customer, session) = expired(Shop::plan()).await;
    only_captures_are_told(&shop, &session).await;
    refunds_end(&shop, "failed").await;
    customer.pay(&session).await;
    held(&shop, "refund_failed").await;
    assert_eq!(shop.count("refunds where status = 'PROCESSED'").await, 0, "it did not go back");
    assert_eq!(shop.count("ledger_transactions where kind = 'STRAY_REFUND'").await, 0);
    // A person sends it back by hand, under a key of their own.
    refunds_end(&shop, "processed").await;
    let payment = shop.gateway_truth().await.payments[0].id.clone();
    by_hand(&shop, &format!("payments/{payment}/refund"), &json!({"amount": 1_000})).await;
    retried(&shop).await;
    let back = "select exists (select from payments where stray and status = 'REFUNDED')";
    shop.holds("it is written down", back).await;
    shop.audit().await;
    let summary = shop.summary(&session.order_id).await;
    assert_eq!(
        summary.refunds,
        ["PROCESSED"],
        "the one that went through, not the one that failed"
    );
    assert_eq!(summary.captures, ["REFUNDED"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_under_way_is_pending_in_the_books_and_not_in_the_ledger() {
    let (shop, customer, session) = expired(Shop::plan()).await;
    refunds_end(&shop, "pending").await;
    customer.pay(&session).await;
    let booked = "select exists (select from refunds)";
    shop.holds("it is written down", booked).await;
    let summary = shop.summary(&session.order_id).await;
    assert_eq!(summary.refunds, ["PENDING"], "it has not left for the customer's bank");
    assert_eq!(
        summary.ledger,
        ["STRAY_CAPTURE GATEWAY 1000 0", "STRAY_CAPTURE CUSTOMER_CREDIT 0 1000"],
        "the money is still owed"
    );
    assert_eq!(shop.gateway_truth().await.refunds.len(), 1, "it was asked for once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_of_which_a_part_went_back_does_not_pay_its_order() {
    let (shop, customer, session) = placed(Shop::plan().without_webhooks()).await;
    let proof = customer.pay(&session).await;
    let payment = proof["razorpay_payment_id"].as_str().unwrap();
    by_hand(&shop, &format!("payments/{payment}/refund"), &json!({"amount": 400})).await;
    customer.verify(&session.order_id, &proof).await;
    held(&shop, "partially_refunded").await;
    let summary = shop.summary(&session.order_id).await;
    assert_eq!(summary.status, "RESERVED", "it is not fulfilled, and its stock stays held");
    assert_eq!(summary.run.as_deref(), Some("STUCK"));
    assert!(summary.ledger.is_empty(), "no money counts as ours");
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 1, sold: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_late_money_of_which_a_part_went_back_only_the_rest_is_returned() {
    let (shop, customer, session) = expired(Shop::plan()).await;
    webhooks_get_lost(&shop, &session).await;
    let proof = customer.pay(&session).await;
    let payment = proof["razorpay_payment_id"].as_str().unwrap();
    by_hand(&shop, &format!("payments/{payment}/refund"), &json!({"amount": 400})).await;
    captured(&shop, &session, payment).await;
    is_returned(&shop, &session, "EXPIRED", &[400, 600]).await;
}

/// A second payment is at the gateway: the order keeps its own, and the other has gone back.
async fn keeps_one(shop: &Shop, session: &Session) {
    let both = "select array(select disposition from gateway_captures order by 1)
        = array['FULFILLED', 'REFUNDED']";
    shop.holds("the second payment is written down", both).await;
    shop.audit().await;
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.refunds.len(), 1, "one payment goes back, once");
    let summary = shop.summary(&session.order_id).await;
    assert_eq!(summary.status, "PAID");
    assert_eq!(summary.payments, ["REFUNDED stray", "SUCCESS"], "and the order keeps the other");
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 0, sold: 1 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_payment_under_the_same_receipt_goes_back_and_the_order_keeps_the_first() {
    let (shop, customer, session) = placed(Shop::plan()).await;
    customer.pay(&session).await;
    customer.wait_for(&session.order_id, "PAID").await;
    // The order was opened twice at the gateway: a lost answer, and the customer has both pages.
    let receipt = shop.gateway_truth().await.orders[0].receipt.clone();
    let twin = json!({"amount": 1_000, "currency": "INR", "receipt": receipt});
    let twin = by_hand(&shop, "orders", &twin).await;
    let gateway_order_id = twin["id"].as_str().unwrap().to_owned();
    let second = Session { gateway_order_id, ..session.clone() };
    webhooks_get_lost(&shop, &second).await;
    let proof = customer.pay(&second).await;
    captured(&shop, &session, proof["razorpay_payment_id"].as_str().unwrap()).await;
    keeps_one(&shop, &session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_payment_that_the_gateway_itself_sends_back_is_written_down() {
    let (shop, customer, session) = placed(Shop::plan()).await;
    customer.try_pay(&session, json!({"outcome": "pending"})).await.expect(202);
    let payment = shop.gateway_truth().await.payments[0].id.clone();
    customer.pay(&session).await;
    customer.wait_for(&session.order_id, "PAID").await;
    shop.meddle(&format!("payments/{payment}/late-capture"), &json!({})).await.expect(200);
    keeps_one(&shop, &session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_worker_has_died_in_an_undo_that_sent_money_back_another_goes_on_undoing() {
    let plan = Shop::plan().lease(5).hold_secs(4).without_webhooks();
    let mut shop = plan.open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    // The gateway says that nobody paid; before it answers the undo's question, somebody does.
    let of = json!({"operation": "order_payments"});
    for action in [json!({"kind": "hang_after", "ms": 1}), json!({"kind": "delay", "ms": 2_000})] {
        shop.fault(&json!({"match": of, "times": 1, "action": action})).await;
    }
    until("the undo asks", async || {
        (shop.gateway_truth().await.calls_of("order_payments") == 2).then_some(())
    })
    .await;
    customer.pay(&session).await;
    let slow = json!({"kind": "hang_after", "ms": 3_000});
    shop.fault(&json!({"match": {"operation": "refund"}, "times": 1, "action": slow})).await;
    until("the money goes back", async || {
        (!shop.gateway_truth().await.refunds.is_empty()).then_some(())
    })
    .await;
    shop.worker(0).kill9().await;
    let decided = "select exists (select from steps where kind = 'compensating')";
    assert!(shop.read::<bool>(decided).await, "the decision to undo was durable before");
    shop.start_worker().await;
    customer.wait_for(&order, "EXPIRED").await;
    is_returned(&shop, &session, "EXPIRED", &[1_000]).await;
}
