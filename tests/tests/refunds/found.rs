//! Refunds that nobody asked us for: made by hand, or left over by a checkout.

use makegood_tests::{Shop, Stock};
use serde_json::json;

use crate::{Paid, inr};

const SWEEP: &str = "refunds of late";

// Case 75
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_made_in_the_gateways_dashboard_is_ours_as_soon_as_a_webhook_tells() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    paid.shop.refund_in_dashboard(&paid.payment, 400).await;
    let refund = paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"]).await.remove(0);
    assert_eq!(
        (&refund["actor"], &refund["reason"]),
        (&json!("gateway"), &json!("made at the gateway"))
    );
    let refused = paid.ask("more-than-is-left", inr("7.00")).await;
    assert_eq!((refused.status, refused.code()), (409, "REFUND_TOO_LARGE"), "{refused}");
    paid.ask("all-that-is-left", json!({})).await.expect(202);
    paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"; 2]).await;
    paid.shop.audit().await;
    assert_eq!(paid.shop.summary(&paid.order).await.status, "REFUNDED");
}

// Case 75
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_no_webhook_tells_of_is_found_by_the_sweep_and_found_once() {
    let paid = Paid::in_a_shop(Shop::plan().without_webhooks()).await;
    paid.shop.refund_in_dashboard(&paid.payment, 1_000).await;
    let swept = paid.shop.fire(SWEEP).await;
    assert_eq!(swept, json!({"read": 1, "unwatched": 0, "differing": 1}));
    paid.customer.sees(&paid.order, "REFUNDED").await;
    paid.shop.audit().await;
    let swept = paid.shop.fire(SWEEP).await;
    assert_eq!(swept["differing"], 0, "a second look finds nothing to do: {swept}");
    paid.shop.audit().await;
    assert_eq!(paid.shop.count("refunds").await, 1);
}

// Case 73, case 56
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_the_bank_sends_back_unreported_is_found_by_the_sweep() {
    let paid = Paid::in_a_shop(Shop::plan().without_webhooks()).await;
    paid.ask("goes-and-comes-back", json!({})).await.expect(202);
    paid.customer.sees(&paid.order, "REFUNDED").await;
    let made = paid.shop.gateway_truth().await.refunds[0].id.clone();
    paid.shop.meddle(&format!("refunds/{made}/fail"), &json!({})).await.expect(200);
    paid.shop.fire(SWEEP).await;
    paid.customer.wait_for_refunds(&paid.order, &["FAILED"]).await;
    paid.shop.audit().await;
    assert_eq!(paid.shop.summary(&paid.order).await.status, "PAID");
}

// Case 76
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_is_told_before_its_payment_waits_for_it_and_the_order_is_not_fulfilled() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    for event in ["payment.authorized", "payment.captured", "order.paid"] {
        let lost = json!({"match": {"event": event}, "action": {"kind": "lose"}});
        shop.fault(&lost).await;
    }
    let proof = customer.pay(&session).await;
    let payment = shop.gateway_truth().await.payments_of(&order)[0].id.clone();
    shop.refund_in_dashboard(&payment, 1_000).await;
    let early = "select count(*) = 2 from webhook_events
                 where event_type like 'refund.%' and state = 'UNMATCHED'";
    shop.holds("the refund is told, and nobody knows its payment", early).await;
    customer.verify(&order, &proof).await;
    customer.wait_for(&order, "FAILED").await;
    let told = "select not exists (select from webhook_events where state = 'UNMATCHED')";
    shop.holds("the refund finds its payment", told).await;
    shop.audit().await;
    let summary = shop.summary(&order).await;
    assert_eq!(
        (&*summary.payments, &*summary.refunds),
        (&["FAILED".into(), "REFUNDED stray".into()][..], &["PROCESSED".into()][..])
    );
    assert_eq!(shop.stock("tea").await, Stock { available: 10, reserved: 0, sold: 0 });
}

// PAY-15, case 74
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_a_cancelled_checkout_sends_back_is_followed_until_it_has_left() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    let paid = Paid { payment: String::new(), order: order.clone(), customer, shop };
    paid.refunds_are("pending").await;
    paid.customer.pay(&session).await;
    paid.customer.cancel(&order).await.expect(202);
    paid.customer.wait_for(&order, "CANCELLED").await;
    paid.shop.all_ended().await;
    assert_eq!(paid.shop.summary(&order).await.refunds, ["PENDING"], "on its way, nobody at it");
    let made = paid.shop.gateway_truth().await.refunds[0].id.clone();
    paid.shop.fire(SWEEP).await;
    paid.shop.holds("a run sees to it", "select exists (select from refunds where watched)").await;
    // Its first look is over: only the next one can see what happens now.
    paid.shop.refund_waits(std::time::Duration::from_mins(1)).await;
    paid.shop.meddle(&format!("refunds/{made}/process"), &json!({})).await.expect(200);
    paid.shop.pass(std::time::Duration::from_mins(1)).await;
    paid.customer.wait_for_refunds(&order, &["PROCESSED"]).await;
    paid.shop.audit().await;
    let summary = paid.shop.summary(&order).await;
    assert_eq!(
        (&*summary.status, &*summary.payments),
        ("CANCELLED", &["FAILED".to_owned(), "REFUNDED stray".to_owned()][..])
    );
}

// PAY-15, case 74
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_money_whose_refund_takes_its_time_is_left_to_the_sweep() {
    let plan = Shop::plan().hold_secs(2).late_money("always_refund").without_webhooks();
    let shop = plan.open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    customer.wait_for(&order, "EXPIRED").await;
    let paid = Paid { payment: String::new(), order: order.clone(), customer, shop };
    paid.refunds_are("pending").await;
    let proof = paid.customer.pay(&session).await;
    paid.customer.verify(&order, &proof).await.expect(200);
    let back = "select exists (select from gateway_captures where disposition = 'REFUNDED')";
    paid.shop.holds("the money is on its way back", back).await;
    paid.shop.all_ended().await;
    assert_eq!(paid.shop.summary(&order).await.refunds, ["PENDING"], "and nobody waits for it");
    paid.shop.fire(SWEEP).await;
    let made = paid.shop.gateway_truth().await.refunds[0].id.clone();
    // Its first look is over: only the next one can see what happens now.
    paid.shop.refund_waits(std::time::Duration::from_mins(1)).await;
    paid.shop.meddle(&format!("refunds/{made}/process"), &json!({})).await.expect(200);
    paid.shop.pass(std::time::Duration::from_mins(1)).await;
    paid.customer.wait_for_refunds(&order, &["PROCESSED"]).await;
    paid.shop.audit().await;
    let looks = paid.shop.count("steps where name = 'return_strays'").await;
    assert_eq!(looks, 1, "one of them follows it, not both");
}

// PAY-15, case 73
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_no_order_keeps_and_that_cannot_go_back_is_for_a_person_until_it_has() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    let paid = Paid { payment: String::new(), order: order.clone(), customer, shop };
    paid.customer.pay(&session).await;
    paid.customer.cancel(&order).await.expect(202);
    paid.customer.wait_for(&order, "CANCELLED").await;
    paid.customer.wait_for_refunds(&order, &["PROCESSED"]).await;
    paid.shop.all_ended().await;
    let truth = paid.shop.gateway_truth().await;
    let (made, payment) = (truth.refunds[0].id.clone(), truth.payments[0].id.clone());
    paid.shop.meddle(&format!("refunds/{made}/fail"), &json!({})).await.expect(200);
    paid.shop.fire(SWEEP).await;
    let stuck = "select exists (select from run_states where state = 'STUCK')";
    paid.shop.holds("a person is asked", stuck).await;
    let class: String = paid.shop.read("select class from incidents").await;
    assert_eq!(class, "refund_failed");
    assert_eq!(paid.booked("CUSTOMER_CREDIT").await, -1_000, "the customer's money is still here");

    paid.shop.refund_in_dashboard(&payment, 1_000).await;
    paid.shop.fire(SWEEP).await;
    paid.customer.wait_for_refunds(&order, &["FAILED", "PROCESSED"]).await;
    let run: uuid::Uuid =
        paid.shop.read("select run_id from run_states where state = 'STUCK'").await;
    let args = ["runs", "retry", &run.to_string(), "--reason", "given back by hand"];
    let done = paid.shop.command(&args).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    paid.shop.audit().await;
    assert_eq!(paid.booked("CUSTOMER_CREDIT").await, 0, "and now it is with the customer");
}
