//! Money that is only set aside: we take it when the order wants it, once, and over its amount only.
#![expect(clippy::indexing_slicing, reason = "a test stops at the first fault")]

use makegood_tests::{Customer, Plan, Session, Shop, Stock, until};
use serde_json::{Value, json};

const SOLD: Stock = Stock { available: 9, reserved: 0, sold: 1 };

async fn placed(plan: Plan) -> (Shop, Customer, Session) {
    let shop = plan.open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    (shop, customer, session)
}

/// The customer authorizes the payment; the gateway's proof.
async fn authorized(customer: &Customer, session: &Session) -> Value {
    customer.try_pay(session, json!({"outcome": "authorized"})).await.expect(200).body
}

/// The order is paid by one payment, which was captured by one call that did something.
async fn captured_once(shop: &Shop, session: &Session) {
    shop.audit().await;
    let summary = shop.summary(&session.order_id).await;
    assert_eq!(summary.captures, ["FULFILLED"]);
    assert_eq!(summary.ledger, ["CAPTURE GATEWAY 1000 0", "CAPTURE SALES 0 1000"]);
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.payments.len(), 1);
    assert_eq!(truth.payments[0].status, "captured");
    assert_eq!(shop.stock("tea").await, SOLD);
}

// PAY-14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_41_where_the_shop_captures_an_authorized_payment_is_taken_and_pays_its_order() {
    let (shop, customer, session) = placed(Shop::plan().captures_by_hand()).await;
    // What the shop decided is what the gateway was told: it leaves the payment authorized.
    let answer = customer.try_pay(&session, json!({"outcome": null})).await.expect(200);
    let verified = customer.verify(&session.order_id, &answer.body).await;
    assert!([200, 202].contains(&verified.status), "{verified}");
    customer.wait_for(&session.order_id, "PAID").await;
    captured_once(&shop, &session).await;
    assert_eq!(shop.gateway_truth().await.calls_of("capture"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_41_a_payment_that_the_gateway_left_authorized_is_taken_all_the_same() {
    let (shop, customer, session) = placed(Shop::plan()).await;
    let proof = authorized(&customer, &session).await;
    customer.verify(&session.order_id, &proof).await;
    customer.wait_for(&session.order_id, "PAID").await;
    captured_once(&shop, &session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_54_a_capture_whose_answer_was_lost_is_read_back_and_not_made_again() {
    let (shop, customer, session) = placed(Shop::plan().captures_by_hand()).await;
    let lost = json!({"match": {"operation": "capture"}, "action": {"kind": "drop_after"}});
    shop.fault(&lost).await;
    let proof = authorized(&customer, &session).await;
    customer.verify(&session.order_id, &proof).await;
    customer.wait_for(&session.order_id, "PAID").await;
    captured_once(&shop, &session).await;
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.calls_of("capture"), 1, "it was not asked again");
    assert!(truth.calls_of("get_payment") >= 1, "the payment was read back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_54_a_capture_that_never_arrived_is_read_back_and_made() {
    let (shop, customer, session) = placed(Shop::plan().captures_by_hand()).await;
    let lost = json!({"match": {"operation": "capture"}, "action": {"kind": "drop_before"}});
    shop.fault(&lost).await;
    let proof = authorized(&customer, &session).await;
    customer.verify(&session.order_id, &proof).await;
    customer.wait_for(&session.order_id, "PAID").await;
    captured_once(&shop, &session).await;
    assert_eq!(shop.gateway_truth().await.calls_of("capture"), 2, "a second time, knowingly");
}

// PAY-14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_46_another_amount_than_the_orders_is_held_for_a_person_and_not_even_taken() {
    let (shop, customer, session) = placed(Shop::plan().captures_by_hand()).await;
    let less = json!({"outcome": "authorized", "amount": 900});
    let proof = customer.try_pay(&session, less).await.expect(200).body;
    customer.verify(&session.order_id, &proof).await;
    let held = "select exists (select from incidents where class = 'amount_mismatch'
                and resolved_at is null)";
    shop.holds("a person is told", held).await;
    let truth = shop.gateway_truth().await;
    assert_eq!((truth.payments[0].status.as_str(), truth.calls_of("capture")), ("authorized", 0));
    assert_eq!(shop.summary(&session.order_id).await.status, "RESERVED", "nothing is fulfilled");
}

// PAY-14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_46_another_amount_that_was_captured_goes_back_when_a_person_says_so() {
    let (shop, customer, session) = placed(Shop::plan()).await;
    customer.try_pay(&session, json!({"amount": 900})).await.expect(200);
    let held = "select exists (select from incidents where class = 'amount_mismatch'
                and resolved_at is null)";
    shop.holds("a person is told", held).await;
    let run: String =
        shop.read("select run_id::text from incidents where class = 'amount_mismatch'").await;
    let undo = ["runs", "compensate", &run, "--reason", "the customer paid too little"];
    let done = shop.command(&undo).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    customer.wait_for(&session.order_id, "CANCELLED").await;
    shop.audit().await;
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.refunds.first().map(|refund| refund.amount), Some(900), "in full");
    assert_eq!(shop.stock("tea").await, Stock { available: 10, reserved: 0, sold: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_55_an_authorization_that_lapsed_before_it_was_taken_frees_the_stock() {
    let (shop, customer, session) = placed(Shop::plan().captures_by_hand()).await;
    let down = json!({"kind": "error", "status": 503});
    shop.fault(&json!({"match": {"operation": "capture"}, "times": 100, "action": down})).await;
    let proof = authorized(&customer, &session).await;
    until("the capture fails", async || {
        (shop.gateway_truth().await.calls_of("capture") > 0).then_some(())
    })
    .await;
    let payment = proof["razorpay_payment_id"].as_str().unwrap();
    shop.meddle(&format!("payments/{payment}/lapse"), &json!({})).await.expect(200);
    let order = customer.wait_for(&session.order_id, "FAILED").await;
    assert_eq!(order["reason_code"], "PAYMENT_FAILED", "its customer may try again");
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 10, reserved: 0, sold: 0 });
}
