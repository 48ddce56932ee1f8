//! Money that comes when its checkout has ended: the shop's policy decides whether it still pays the
//! order or goes back. It is never kept without an order.
#![expect(clippy::indexing_slicing, reason = "a test stops at the first fault")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

use makegood_tests::{Customer, Plan, Session, Shop, Stock, Summary};
use serde_json::json;

const UNSOLD: Stock = Stock { available: 10, reserved: 0, sold: 0 };

/// Waits until the gateway has refunded every payment, and checks what our books say.
async fn refunded(shop: &Shop, order: &str, status: &str, stock: Stock) -> Summary {
    let back = "select exists (select from gateway_captures where disposition = 'REFUNDED')";
    shop.holds("the money goes back", back).await;
    shop.audit().await;
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.refunds.len(), 1, "it goes back once");
    let came = truth.payments.first().map(|payment| payment.amount);
    assert_eq!(truth.refunds.first().map(|refund| refund.amount), came, "in full");
    let summary = shop.summary(order).await;
    assert_eq!(summary.status, status, "the order's end");
    assert_eq!(summary.captures, ["REFUNDED"]);
    assert_eq!(summary.refunds, ["PROCESSED"]);
    assert_eq!(
        summary.ledger,
        [
            "STRAY_CAPTURE GATEWAY 1000 0",
            "STRAY_CAPTURE CUSTOMER_CREDIT 0 1000",
            "STRAY_REFUND CUSTOMER_CREDIT 1000 0",
            "STRAY_REFUND GATEWAY 0 1000",
        ],
        "both ways are written down, and they cancel out"
    );
    assert_eq!(shop.stock("tea").await, stock);
    summary
}

/// Waits until the order is paid after all, by the one payment that came late.
async fn fulfilled(shop: &Shop, order: &str, ended: &str) {
    let paid = format!("select status = 'PAID' from orders where order_id::text = '{order}'");
    shop.holds("the order is paid after all", &paid).await;
    shop.audit().await;
    let summary = shop.summary(order).await;
    let events = ["PENDING", "RESERVED", ended, "PENDING", "RESERVED", "PAID"];
    assert_eq!(summary.events, events, "held again, then paid");
    assert_eq!(summary.captures, ["FULFILLED"]);
    assert_eq!(summary.payments, ["FAILED", "SUCCESS"]);
    assert_eq!(summary.announced, ["order.paid"], "the customer is told once");
    assert!(shop.gateway_truth().await.refunds.is_empty(), "nothing goes back");
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 0, sold: 1 });
}

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
    let (shop, customer, session) = placed(plan.hold_secs(2)).await;
    customer.wait_for(&session.order_id, "EXPIRED").await;
    (shop, customer, session)
}

/// The bank says no, and later yes to the same payment.
async fn failed_then_captured(shop: &Shop, customer: &Customer, session: &Session) {
    customer.try_pay(session, json!({"outcome": "failed"})).await;
    customer.wait_for(&session.order_id, "FAILED").await;
    let payment = shop.gateway_truth().await.payments[0].id.clone();
    shop.meddle(&format!("payments/{payment}/late-capture"), &json!({})).await.expect(200);
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_49_a_capture_after_expiry_pays_the_order_from_the_stock_that_is_left() {
    let (shop, customer, session) = expired(Shop::plan()).await;
    let proof = customer.pay(&session).await;
    let answer = customer.verify(&session.order_id, &proof).await;
    assert!([200, 202].contains(&answer.status), "{answer}");
    fulfilled(&shop, &session.order_id, "EXPIRED").await;
    let again = customer.verify(&session.order_id, &proof).await.expect(200);
    assert_eq!(again.text("/data/order_status"), "PAID");
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_49_a_capture_after_expiry_goes_back_where_the_stock_is_gone() {
    let shop = Shop::plan().hold_secs(2).open().await;
    shop.product("tea", 1).await;
    let (customer, faster) = (shop.customer().await, shop.customer().await);
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    customer.wait_for(&order, "EXPIRED").await;
    faster.buy(&[("tea", 1)]).await;
    customer.pay(&session).await;
    let back = "select exists (select from gateway_captures where disposition = 'REFUNDED')";
    shop.holds("the money goes back", back).await;
    shop.audit().await;
    let summary = shop.summary(&order).await;
    assert_eq!(
        (summary.status.as_str(), summary.reason.as_deref()),
        ("FAILED", Some("OUT_OF_STOCK"))
    );
    assert_eq!(summary.captures, ["REFUNDED"]);
    assert_eq!(shop.stock("tea").await, Stock { available: 0, reserved: 0, sold: 1 });
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_49_a_capture_after_expiry_goes_back_where_the_shop_wants_it_so() {
    let (shop, customer, session) = expired(Shop::plan().late_money("always_refund")).await;
    let proof = customer.pay(&session).await;
    let answer = customer.verify(&session.order_id, &proof).await;
    assert_eq!(answer.text("/data/order_status"), "EXPIRED", "{answer}");
    refunded(&shop, &session.order_id, "EXPIRED", UNSOLD).await;
}

// PAY-15, PAY-22
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_38_a_payment_that_failed_and_is_captured_after_all_pays_its_order() {
    let (shop, customer, session) = placed(Shop::plan()).await;
    failed_then_captured(&shop, &customer, &session).await;
    fulfilled(&shop, &session.order_id, "FAILED").await;
}

// PAY-15, PAY-22
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_38_a_payment_that_failed_and_is_captured_after_all_goes_back_by_policy() {
    let (shop, customer, session) = placed(Shop::plan().late_money("always_refund")).await;
    failed_then_captured(&shop, &customer, &session).await;
    refunded(&shop, &session.order_id, "FAILED", UNSOLD).await;
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_51_a_capture_after_a_cancel_goes_back_whatever_else_is_fulfilled() {
    let (shop, customer, session) = placed(Shop::plan()).await;
    customer.cancel(&session.order_id).await.expect(202);
    customer.wait_for(&session.order_id, "CANCELLED").await;
    customer.pay(&session).await;
    refunded(&shop, &session.order_id, "CANCELLED", UNSOLD).await;
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_50_a_late_authorization_is_taken_only_once_the_stock_is_held_again() {
    let (shop, customer, session) = expired(Shop::plan()).await;
    customer.try_pay(&session, json!({"outcome": "authorized"})).await.expect(200);
    fulfilled(&shop, &session.order_id, "EXPIRED").await;
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_50_a_late_authorization_is_left_to_lapse_where_late_money_goes_back() {
    let (shop, customer, session) = expired(Shop::plan().late_money("always_refund")).await;
    customer.try_pay(&session, json!({"outcome": "authorized"})).await.expect(200);
    let looked = "select exists (select from steps where name = 'return_strays')";
    shop.holds("the gateway was asked", looked).await;
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.payments[0].status, "authorized", "what is not taken need not go back");
    assert_eq!(truth.calls_of("capture"), 0);
    shop.meddle(&format!("payments/{}/lapse", truth.payments[0].id), &json!({})).await.expect(200);
    assert_eq!(
        customer.status(&session.order_id).await,
        "EXPIRED",
        "and the order stays as it ended"
    );
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_50_a_late_authorization_that_waits_for_a_person_is_not_taken_meanwhile() {
    let (shop, customer, session) = expired(Shop::plan().late_money("manual_review")).await;
    customer.try_pay(&session, json!({"outcome": "authorized"})).await.expect(200);
    let held = "select exists (select from incidents where class = 'late_money')";
    shop.holds("a person is asked", held).await;
    assert_eq!(shop.count("gateway_captures").await, 0, "no money is ours");
    assert_eq!(shop.gateway_truth().await.calls_of("capture"), 0, "and none is taken");
    decide(&shop, "\"fulfil\"").await;
    fulfilled(&shop, &session.order_id, "EXPIRED").await;
    assert_eq!(shop.gateway_truth().await.calls_of("capture"), 1, "now it is");
}

// PAY-14, PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_46_another_amount_that_comes_late_goes_back_whatever_the_policy() {
    for policy in ["rereserve_then_fulfil", "manual_review"] {
        let (shop, customer, session) = expired(Shop::plan().late_money(policy)).await;
        customer.try_pay(&session, json!({"amount": 1_100})).await.expect(200);
        let back = "select exists (select from gateway_captures where disposition = 'REFUNDED')";
        shop.holds("the money goes back", back).await;
        shop.audit().await;
        assert_eq!(customer.status(&session.order_id).await, "EXPIRED", "{policy}");
        assert_eq!(shop.gateway_truth().await.refunds[0].amount, 1_100, "all of it: {policy}");
        assert_eq!(shop.count("incidents").await, 0, "nobody has to decide: {policy}");
        assert_eq!(shop.stock("tea").await, UNSOLD, "{policy}");
    }
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_nobody_reported_is_found_when_its_order_expires_and_pays_it() {
    let shop = Shop::plan().hold_secs(3).without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    customer.pay(&session).await;
    customer.wait_for(&session.order_id, "PAID").await;
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 0, sold: 1 });
}

/// A person decides about the late money of an expired order.
async fn decided(verdict: &str) -> (Shop, Session) {
    let (shop, customer, session) = expired(Shop::plan().late_money("manual_review")).await;
    customer.pay(&session).await;
    let held = "select exists (select from incidents where class = 'late_money'
                and resolved_at is null)";
    shop.holds("a person is asked", held).await;
    let why: String = shop.read("select message from incidents where class = 'late_money'").await;
    for told in ["10.00 INR", "EXPIRED", "\"fulfil\"", "\"return\""] {
        assert!(why.contains(told), "the incident says what happened and what to do: {why}");
    }
    assert_eq!(shop.count("incidents where class = 'late_money'").await, 1, "once");
    let review = "gateway_captures where disposition = 'REVIEW'";
    assert_eq!(shop.count(review).await, 1, "until then the money is under review");
    let run: String =
        shop.read("select run_id::text from incidents where class = 'late_money'").await;
    let undo = ["runs", "compensate", &run, "--reason", "away with it"];
    let refused = shop.command(&undo).output().await.unwrap();
    assert!(!refused.status.success(), "that it came cannot be undone: it pays or goes back");
    decide(&shop, verdict).await;
    (shop, session)
}

/// What the person says.
async fn decide(shop: &Shop, verdict: &str) {
    let run: String =
        shop.read("select run_id::text from incidents where class = 'late_money'").await;
    let skip =
        ["runs", "skip", &run, "--step", "ask_person", "--result", verdict, "--reason", "decided"];
    let done = shop.command(&skip).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_49_a_person_may_have_the_late_money_pay_its_order() {
    let (shop, session) = decided("\"fulfil\"").await;
    fulfilled(&shop, &session.order_id, "EXPIRED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_85_a_persons_decision_bears_name_and_reason_is_taken_once_and_makes_no_money() {
    let (shop, session) = decided("\"fulfil\"").await;
    fulfilled(&shop, &session.order_id, "EXPIRED").await;
    let run: String =
        shop.read("select run_id::text from incidents where class = 'late_money'").await;
    let said = ["--step", "ask_person", "--result", "\"fulfil\"", "--actor", "meera"];
    let skip = [&["runs", "skip", &run], &said[..]].concat();
    let nameless = shop.command(&skip).output().await.unwrap();
    assert_eq!(nameless.status.code(), Some(2), "nothing is decided without a reason");
    let again = [&skip[..], &["--reason", "once more"]].concat();
    let again = shop.command(&again).output().await.unwrap();
    assert_eq!(again.status.code(), Some(4), "a decision is taken once");
    let shown = shop.command(&["runs", "show", &run, "-o", "json"]).output().await.unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let actions = shown["actions"].as_array().unwrap();
    assert_eq!(actions.len(), 1, "{shown}");
    assert_eq!(actions[0]["reason"], "decided", "the run shows who decided, and why: {shown}");
    assert!(actions[0]["actor"].as_str().is_some_and(|actor| !actor.is_empty()), "{shown}");
    let summary = shop.summary(&session.order_id).await;
    assert_eq!(summary.ledger, ["CAPTURE GATEWAY 1000 0", "CAPTURE SALES 0 1000"]);
    assert_eq!(shop.gateway_truth().await.payments.len(), 1, "what came in is what was booked");
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_49_a_person_may_send_the_late_money_back() {
    let (shop, session) = decided("\"return\"").await;
    refunded(&shop, &session.order_id, "EXPIRED", UNSOLD).await;
}
