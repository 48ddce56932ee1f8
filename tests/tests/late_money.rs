//! Money that comes when its checkout has ended goes back: it is never kept without an order.

use makegood_tests::{Customer, Session, Shop, Stock, Summary};
use serde_json::json;

/// Waits until the gateway has refunded every payment, and checks what our books say.
async fn refunded(shop: &Shop, order: &str, status: &str) -> Summary {
    let back = "select exists (select from gateway_captures where disposition = 'REFUNDED')";
    shop.holds("the money goes back", back).await;
    shop.audit().await;
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.refunds.len(), 1, "it goes back once");
    let came = truth.payments.first().map(|payment| payment.amount);
    assert_eq!(truth.refunds.first().map(|refund| refund.amount), came, "in full");
    let summary = shop.summary(order).await;
    assert_eq!(summary.status, status, "the order's end stands");
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
    assert_eq!(shop.stock("tea").await, Stock { available: 10, reserved: 0, sold: 0 });
    summary
}

async fn placed(shop: &Shop) -> (Customer, Session) {
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    (customer, session)
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_captured_after_its_order_has_expired_is_refunded() {
    let shop = Shop::plan().hold_secs(2).open().await;
    let (customer, session) = placed(&shop).await;
    customer.wait_for(&session.order_id, "EXPIRED").await;
    let proof = customer.pay(&session).await;
    let answer = customer.verify(&session.order_id, &proof).await;
    assert_eq!(answer.text("/data/order_status"), "EXPIRED", "{answer}");
    refunded(&shop, &session.order_id, "EXPIRED").await;
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_captured_after_its_order_was_cancelled_is_refunded() {
    let shop = Shop::plan().open().await;
    let (customer, session) = placed(&shop).await;
    customer.cancel(&session.order_id).await.expect(202);
    customer.wait_for(&session.order_id, "CANCELLED").await;
    customer.pay(&session).await;
    refunded(&shop, &session.order_id, "CANCELLED").await;
}

// PAY-15, PAY-22
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_payment_that_is_captured_after_all_is_refunded() {
    let shop = Shop::plan().open().await;
    let (customer, session) = placed(&shop).await;
    customer.try_pay(&session, json!({"outcome": "failed"})).await;
    customer.wait_for(&session.order_id, "FAILED").await;
    let payment = shop.gateway_truth().await.payments[0].id.clone();
    shop.meddle(&format!("payments/{payment}/late-capture"), &json!({})).await.expect(200);
    refunded(&shop, &session.order_id, "FAILED").await;
}

// PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_nobody_reported_is_found_when_its_order_expires_and_pays_it() {
    let shop = Shop::plan().hold_secs(3).without_webhooks().open().await;
    let (customer, session) = placed(&shop).await;
    customer.pay(&session).await;
    customer.wait_for(&session.order_id, "PAID").await;
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 0, sold: 1 });
}
