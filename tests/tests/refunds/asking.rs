//! What becomes of a refund that is asked for.

use futures::future::join_all;
use makegood_tests::Shop;
use serde_json::json;

use crate::{Paid, inr};

// REF-01, REF-03
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_a_paid_order_goes_back_once_and_the_order_is_refunded() {
    let paid = Paid::in_a_shop(Shop::plan().tax_basis_points(1_800)).await;
    let asked = paid.ask("whole-order", json!({})).await.expect(202);
    assert_eq!(asked.text("/data/refund/status"), "PENDING", "{asked}");
    let refund = paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"]).await.remove(0);
    for (field, wanted) in [
        ("/reason", json!("it does not fit")),
        ("/amount", json!({"amount": "11.80", "currency": "INR"})),
        ("/failure_code", json!(null)),
    ] {
        assert_eq!(refund.pointer(field), Some(&wanted), "{refund}");
    }
    assert!(refund["actor"].as_str().unwrap().starts_with("customer:"), "{refund}");
    assert!(refund["gateway_refund_id"].as_str().unwrap().starts_with("rfnd_"), "{refund}");

    paid.shop.audit().await;
    let summary = paid.shop.summary(&paid.order).await;
    assert_eq!(summary.status, "REFUNDED");
    assert_eq!(
        (&*summary.payments, &*summary.captures),
        (&["REFUNDED".into()][..], &["REFUNDED".into()][..])
    );
    assert_eq!(
        summary.ledger,
        [
            "CAPTURE GATEWAY 1180 0",
            "CAPTURE SALES 0 1000",
            "CAPTURE TAX 0 180",
            "REFUND SALES 1000 0",
            "REFUND TAX 180 0",
            "REFUND GATEWAY 0 1180",
        ],
        "the sale is taken back, tax and all"
    );
    assert_eq!(summary.announced, ["order.paid", "refund.processed"], "and it is announced");
    let truth = paid.shop.gateway_truth().await;
    assert_eq!(truth.refunds.len(), 1, "the gateway saw one refund");
    let shown = paid.customer.order(&paid.order).await;
    assert_eq!(shown.pointer("/refunds/0/status"), Some(&json!("PROCESSED")), "{shown}");
}

// REF-02, case 70
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_refunds_asked_for_at_once_no_more_is_made_than_was_paid() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    let keys: Vec<String> = (0..8).map(|n| format!("a-part-{n}")).collect();
    let answers = join_all(keys.iter().map(|key| paid.ask(key, inr("3.00")))).await;
    let made = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(made, 3, "three times 3.00 fit into 10.00");
    for refused in answers.iter().filter(|answer| answer.status != 202) {
        assert_eq!((refused.status, refused.code()), (409, "REFUND_TOO_LARGE"), "{refused}");
        let left = refused.body.pointer("/error/details/left/amount");
        assert_eq!(left, Some(&json!("1.00")), "it says what is left: {refused}");
    }
    paid.shop.all_ended().await;
    assert_eq!(paid.shop.summary(&paid.order).await.payments, ["PARTIALLY_REFUNDED"]);
    assert_eq!(paid.shop.summary(&paid.order).await.status, "PAID", "a part of it is kept");
    paid.ask("the-last-part", json!({})).await.expect(202);
    paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"; 4]).await;
    paid.shop.audit().await;
    assert_eq!(paid.shop.summary(&paid.order).await.status, "REFUNDED", "the rest is the whole");
    let back: i64 = paid.shop.gateway_truth().await.refunds.iter().map(|r| r.amount).sum();
    assert_eq!(back, 1_000, "to the paisa");
    let more = paid.ask("yet-more-of-it", json!({})).await;
    assert_eq!((more.status, more.code()), (409, "NOTHING_TO_REFUND"), "{more}");
}

// Case 80
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_parts_of_a_refund_add_up_to_the_sale_to_the_paisa() {
    let paid = Paid::in_a_shop(Shop::plan().tax_basis_points(1_175)).await;
    for (n, part) in ["3.33", "3.33", "3.33"].iter().enumerate() {
        paid.ask(&format!("a-third-{n}"), inr(part)).await.expect(202);
    }
    paid.ask("the-remainder", json!({})).await.expect(202);
    paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"; 4]).await;
    paid.shop.audit().await;
    for account in ["GATEWAY", "SALES", "TAX"] {
        assert_eq!(paid.booked(account).await, 0, "nothing of the sale is left in {account}");
    }
}

// REF-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_is_one_refund_however_often_and_whenever_it_is_sent() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    let answers = join_all((0..6).map(|_| paid.ask("one-and-the-same", inr("4.00")))).await;
    let ids: Vec<&str> = answers.iter().map(|a| a.text("/data/refund/refund_id")).collect();
    assert!(ids.iter().all(|id| !id.is_empty() && *id == ids[0]), "one refund: {answers:?}");
    let new = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(new, 1, "one request made it, the others are told of it");
    paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"]).await;
    let later = paid.ask("one-and-the-same", inr("4.00")).await.expect(200);
    assert_eq!(later.text("/data/refund/status"), "PROCESSED", "{later}");
    for other in [inr("5.00"), json!({}), json!({"reason": "another"})] {
        let conflict = paid.ask("one-and-the-same", other).await;
        assert_eq!((conflict.status, conflict.code()), (409, "IDEMPOTENCY_CONFLICT"), "{conflict}");
    }
    paid.shop.audit().await;
    assert_eq!(paid.shop.gateway_truth().await.refunds.len(), 1, "the gateway made one");
}
