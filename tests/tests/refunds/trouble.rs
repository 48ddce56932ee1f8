//! Refunds on bad days: lost answers, lost webhooks, a poor shop, a bank that refuses.

use std::time::Duration;

use makegood_tests::{Answer, Shop, Web};
use serde_json::json;

use crate::{Paid, inr};

const MINUTE: Duration = Duration::from_mins(1);

// Case 71, REF-04, RES-03
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_repeat_of_a_refunds_request_bears_the_same_key() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    let lost = json!({"match": {"operation": "refund"}, "times": 2,
        "action": {"kind": "drop_before"}});
    paid.shop.fault(&lost).await;
    paid.ask("part-of-it", inr("3.00")).await.expect(202);
    paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"]).await;
    let keys = paid.shop.gateway_truth().await.refund_keys;
    assert_eq!(keys.len(), 3, "two were lost on the way: {keys:?}");
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    paid.shop.audit().await;
}

// Case 71, REF-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_whose_answer_was_lost_is_found_again_and_not_made_twice() {
    let paid = Paid::in_a_shop(Shop::plan().without_webhooks()).await;
    let lost = json!({"match": {"operation": "refund"}, "action": {"kind": "drop_after"}});
    paid.shop.fault(&lost).await;
    paid.ask("answer-is-lost", json!({})).await.expect(202);
    paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"]).await;
    paid.shop.audit().await;
    let truth = paid.shop.gateway_truth().await;
    assert_eq!(truth.refunds.len(), 1, "made once");
    assert_eq!(truth.calls_of("refund"), 1, "it was found by our id in its notes");
}

// Case 72
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_overtakes_the_answer_makes_no_second_refund() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    let slow =
        json!({"match": {"operation": "refund"}, "action": {"kind": "hang_after", "ms": 1500}});
    paid.shop.fault(&slow).await;
    paid.ask("answer-is-slow", inr("4.00")).await.expect(202);
    let early = "select exists (select from webhook_events
                                where event_type = 'refund.processed' and state = 'UNMATCHED')";
    paid.shop.holds("the webhook is there before the answer", early).await;
    assert_eq!(
        paid.shop.count("refunds where status = 'PENDING'").await,
        1,
        "nothing is known yet"
    );
    paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"]).await;
    let told = "select not exists (select from webhook_events where state = 'UNMATCHED')";
    paid.shop.holds("the early webhook finds its refund", told).await;
    paid.shop.audit().await;
    let summary = paid.shop.summary(&paid.order).await;
    let entries = summary.ledger.iter().filter(|entry| entry.starts_with("REFUND ")).count();
    assert_eq!(entries, 2, "one entry on each side: {:?}", summary.ledger);
}

// Case 73, LED-05
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_the_bank_sends_back_is_taken_back_in_the_books_and_can_be_asked_for_anew() {
    let paid = Paid::in_a_shop(Shop::plan().tax_basis_points(1_000)).await;
    paid.ask("the-first-try", json!({})).await.expect(202);
    paid.customer.sees(&paid.order, "REFUNDED").await;
    paid.shop.all_ended().await;
    let made = paid.shop.gateway_truth().await.refunds[0].id.clone();
    paid.shop.meddle(&format!("refunds/{made}/fail"), &json!({})).await.expect(200);
    let refund = paid.customer.wait_for_refunds(&paid.order, &["FAILED"]).await.remove(0);
    assert_eq!(refund["failure_code"], "FAILED_AT_GATEWAY", "{refund}");
    paid.shop.audit().await;
    let summary = paid.shop.summary(&paid.order).await;
    assert_eq!(summary.status, "PAID", "the order is what it was");
    assert_eq!(summary.payments, ["SUCCESS"]);
    assert_eq!(summary.captures, ["FULFILLED"]);
    assert_eq!(
        summary.ledger[6..],
        [
            "REFUND_REVERSAL SALES 0 1000",
            "REFUND_REVERSAL TAX 0 100",
            "REFUND_REVERSAL GATEWAY 1100 0"
        ],
        "the books take it back: {:?}",
        summary.ledger
    );
    assert_eq!(summary.announced, ["order.paid", "refund.failed", "refund.processed"]);

    paid.ask("the-second-try", json!({})).await.expect(202);
    paid.customer.wait_for_refunds(&paid.order, &["FAILED", "PROCESSED"]).await;
    paid.shop.audit().await;
    assert_eq!(paid.shop.summary(&paid.order).await.status, "REFUNDED", "another key, another try");
}

// Case 73
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_fails_on_its_way_leaves_no_trace_in_the_ledger() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    paid.refunds_are("failed").await;
    paid.ask("fails-on-its-way", json!({})).await.expect(202);
    paid.customer.wait_for_refunds(&paid.order, &["FAILED"]).await;
    paid.shop.audit().await;
    let summary = paid.shop.summary(&paid.order).await;
    assert_eq!((&*summary.status, summary.ledger.len()), ("PAID", 2), "{:?}", summary.ledger);
}

// Case 74
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_nobody_reports_is_looked_at_until_it_has_left() {
    let paid = Paid::in_a_shop(Shop::plan().without_webhooks()).await;
    paid.refunds_are("pending").await;
    paid.ask("takes-its-days", json!({})).await.expect(202);
    paid.shop
        .holds(
            "the gateway has it",
            "select exists (select from refunds where gateway_refund_id is not null)",
        )
        .await;
    for pause in [MINUTE, MINUTE * 2, MINUTE * 5] {
        paid.shop.pass(pause).await;
    }
    // Its third look is over: only the next one can see what happens now.
    paid.shop.refund_waits(MINUTE * 15).await;
    let made = paid.shop.gateway_truth().await.refunds[0].id.clone();
    paid.customer.wait_for_refunds(&paid.order, &["PENDING"]).await;
    paid.shop.meddle(&format!("refunds/{made}/process"), &json!({})).await.expect(200);
    paid.shop.pass(MINUTE * 15).await;
    paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"]).await;
    paid.shop.audit().await;
    assert_eq!(paid.shop.summary(&paid.order).await.status, "REFUNDED");
}

// Case 77
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_whose_balance_is_too_low_makes_the_refund_when_it_has_money() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    let poor = json!({"match": {"operation": "refund"}, "times": 2,
                      "action": {"kind": "error", "status": 400}});
    paid.shop.fault(&poor).await;
    paid.ask("balance-too-low", json!({})).await.expect(202);
    let waits =
        "select exists (select from refunds where status = 'PENDING' and failure_code is not null)";
    paid.shop.holds("everybody can see why it waits", waits).await;
    paid.shop.pass(MINUTE).await;
    paid.shop.pass(MINUTE * 2).await;
    let refund = paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"]).await.remove(0);
    assert_eq!(refund["failure_code"], json!(null), "{refund}");
    paid.shop.audit().await;
    assert_eq!(paid.shop.gateway_truth().await.refunds.len(), 1, "made once");
}

// Case 78
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_of_more_than_six_months_fails_at_once_and_says_why() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    let path = format!("payments/{}/age", paid.payment);
    paid.shop.meddle(&path, &json!({"days": 200})).await.expect(200);
    paid.ask("much-too-late", json!({})).await.expect(202);
    let refund = paid.customer.wait_for_refunds(&paid.order, &["FAILED"]).await.remove(0);
    assert_eq!(refund["failure_code"], "PAYMENT_TOO_OLD", "{refund}");
    paid.shop.audit().await;
    let summary = paid.shop.summary(&paid.order).await;
    assert_eq!((&*summary.status, &*summary.captures), ("PAID", &["FULFILLED".to_owned()][..]));
    assert!(summary.announced.contains(&"refund.failed".to_owned()), "somebody pays it by hand");
}

// REF-06
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_outlives_an_outage_of_the_gateway_and_is_seen_meanwhile() {
    let paid = Paid::in_a_shop(Shop::plan().without_webhooks()).await;
    paid.shop.meddle("outage", &json!({"ms": 3_600_000})).await.expect(204);
    paid.ask("gateway-is-away", json!({})).await.expect(202);
    let tried =
        "select exists (select from run_states where workflow = 'refund' and tries is not null)";
    paid.shop.holds("it is tried, in vain", tried).await;
    paid.customer.wait_for_refunds(&paid.order, &["PENDING"]).await;
    let over = Web::new().delete(&paid.shop.gateway("/sandbox/faults"));
    Answer::of(over).await.unwrap().expect(204);
    paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"]).await;
    paid.shop.audit().await;
    assert_eq!(paid.shop.gateway_truth().await.refunds.len(), 1, "made once");
}
