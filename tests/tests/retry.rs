//! An order whose payment failed is tried again: same order, same number, at the stock of now.

use futures::future::join_all;
use makegood_tests::{Customer, Plan, Session, Shop, Stock};
use serde_json::json;

async fn placed(plan: Plan, units: i64) -> (Shop, Customer, Session) {
    let shop = plan.open().await;
    shop.product("tea", units).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    (shop, customer, session)
}

/// The customer's bank says no.
async fn declined(customer: &Customer, session: &Session) {
    customer.try_pay(session, json!({"outcome": "failed"})).await;
    customer.wait_for(&session.order_id, "FAILED").await;
}

// PAY-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_43_a_forged_proof_fails_the_attempt_frees_the_stock_and_the_order_can_be_tried_again()
{
    let (shop, customer, session) = placed(Shop::plan(), 10).await;
    let order = &session.order_id;
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 1, sold: 0 });
    customer.forge(&session).await;
    customer.wait_for(order, "FAILED").await;
    let summary = shop.summary(order).await;
    assert_eq!(summary.reason.as_deref(), Some("PAYMENT_FAILED"));
    assert_eq!(summary.payments, ["FAILED"], "the attempt has failed");
    assert_eq!(shop.stock("tea").await, Stock { available: 10, reserved: 0, sold: 0 });

    let before = customer.order(order).await;
    let retried = customer.retry(order, "retry-0001").await.expect(202);
    assert_eq!(retried.text("/data/order/order_number"), before["order_number"].as_str().unwrap());
    let second = customer.session(order).await;
    assert_ne!(second.gateway_order_id, session.gateway_order_id, "a new order at the gateway");
    let proof = customer.pay(&second).await;
    customer.verify(order, &proof).await;
    customer.wait_for(order, "PAID").await;
    shop.audit().await;
    let summary = shop.summary(order).await;
    assert_eq!(summary.payments, ["FAILED", "SUCCESS"], "each attempt has its row");
    assert_eq!(summary.events, ["PENDING", "RESERVED", "FAILED", "PENDING", "RESERVED", "PAID"]);
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 0, sold: 1 });
}

// PAY-07, PAY-21
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_43_a_forged_proof_does_not_fail_a_payment_that_the_gateway_has() {
    let (shop, customer, session) = placed(Shop::plan().without_webhooks(), 10).await;
    customer.pay(&session).await;
    customer.forge(&session).await;
    customer.wait_for(&session.order_id, "PAID").await;
    customer.forge(&session).await;
    shop.audit().await;
    assert_eq!(customer.status(&session.order_id).await, "PAID", "and not one that is settled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_takes_the_stock_of_now_and_fails_where_there_is_none() {
    let (shop, customer, session) = placed(Shop::plan(), 1).await;
    declined(&customer, &session).await;
    shop.customer().await.buy(&[("tea", 1)]).await;
    customer.retry(&session.order_id, "retry-0001").await.expect(202);
    let order = customer.wait_for(&session.order_id, "FAILED").await;
    assert_eq!(order["reason_code"], "OUT_OF_STOCK");
    let again = customer.retry(&session.order_id, "retry-0002").await.expect(409);
    assert_eq!(again.code(), "ORDER_FAILED", "only a failed payment is tried again");
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 0, reserved: 0, sold: 1 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_retries_at_once_make_one_attempt_and_three_attempts_are_enough() {
    let (shop, customer, first) = placed(Shop::plan(), 10).await;
    let order = &first.order_id;
    declined(&customer, &first).await;
    let keys: Vec<String> = (0..20).map(|n| format!("retry-{:04}", n % 10)).collect();
    let answers = join_all(keys.iter().map(|key| customer.retry(order, key))).await;
    for answer in answers {
        assert_eq!(answer.status, 202, "{answer}");
        assert_eq!(answer.body["data"]["order"]["attempt"], 2, "{answer}");
    }
    assert_eq!(shop.count("runs where workflow = 'checkout'").await, 2, "one new checkout");
    let second = customer.session(order).await;
    declined(&customer, &second).await;
    let used: Vec<String> = shop.read("select retry_keys from orders").await;
    let repeated = customer.retry(order, &used[0]).await.expect(202);
    assert_eq!(repeated.text("/data/order/status"), "FAILED", "an old key starts nothing");
    customer.retry(order, "retry-third").await.expect(202);
    let third = customer.session(order).await;
    declined(&customer, &third).await;
    let refused = customer.retry(order, "retry-fourth").await.expect(409);
    assert_eq!(refused.code(), "ATTEMPTS_USED_UP");
    assert_eq!(shop.gateway_truth().await.orders_of(order).len(), 3);
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_owner_tries_again_and_only_what_failed_for_its_payment() {
    let (shop, customer, session) = placed(Shop::plan().hold_secs(2), 10).await;
    let waiting = customer.retry(&session.order_id, "retry-0001").await.expect(202);
    assert_eq!(waiting.body["data"]["order"]["attempt"], 1, "it can be paid as it stands");
    let foreign = shop.customer().await.retry(&session.order_id, "retry-0001").await.expect(403);
    assert_eq!(foreign.code(), "NOT_YOURS");
    customer.wait_for(&session.order_id, "EXPIRED").await;
    let refused = customer.retry(&session.order_id, "retry-0001").await.expect(409);
    assert_eq!(refused.code(), "ORDER_EXPIRED");
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_53_of_two_attempts_that_are_both_paid_the_order_keeps_one_and_the_other_goes_back() {
    let (shop, customer, first) = placed(Shop::plan(), 10).await;
    let order = &first.order_id;
    declined(&customer, &first).await;
    customer.retry(order, "retry-0001").await.expect(202);
    let second = customer.session(order).await;
    // The bank takes the money of the first attempt after all, while the second one is open.
    let payment = shop.gateway_truth().await.payments[0].id.clone();
    shop.meddle(&format!("payments/{payment}/late-capture"), &json!({})).await.expect(200);
    let judged = "select exists (select from steps where name = 'judge_late_money'
                  and result::text = '\"wait\"')";
    shop.holds("the first payment waits for the second attempt", judged).await;
    let proof = customer.pay(&second).await;
    customer.verify(order, &proof).await;
    customer.wait_for(order, "PAID").await;
    shop.audit().await;
    let summary = shop.summary(order).await;
    assert_eq!(summary.captures, ["FULFILLED", "REFUNDED"]);
    assert_eq!(summary.payments, ["FAILED", "REFUNDED stray", "SUCCESS"]);
    assert_eq!(shop.gateway_truth().await.refunds.len(), 1, "one goes back, once");
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 0, sold: 1 });
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_39_a_first_attempt_paid_late_pays_the_order_that_its_second_one_did_not() {
    let (shop, customer, first) = placed(Shop::plan(), 10).await;
    let order = &first.order_id;
    declined(&customer, &first).await;
    customer.retry(order, "retry-0001").await.expect(202);
    let second = customer.session(order).await;
    let payment = shop.gateway_truth().await.payments[0].id.clone();
    shop.meddle(&format!("payments/{payment}/late-capture"), &json!({})).await.expect(200);
    let judged = "select exists (select from steps where name = 'judge_late_money')";
    shop.holds("the first payment is known", judged).await;
    declined(&customer, &second).await;
    let paid = format!("select status = 'PAID' from orders where order_id::text = '{order}'");
    shop.holds("the money that came pays it", &paid).await;
    shop.audit().await;
    let summary = shop.summary(order).await;
    assert_eq!(summary.captures, ["FULFILLED"]);
    assert!(shop.gateway_truth().await.refunds.is_empty());
}
