//! Two captured payments in one order at the gateway, as one in bad shape may have: the order is paid
//! by one, the other goes back.

use makegood_tests::{Shop, Stock};
use serde_json::json;

// PAY-06, PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_53_of_two_payments_captured_for_one_order_the_second_goes_back_in_the_same_checkout()
{
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    let proof = customer.pay(&session).await;
    customer.try_pay(&session, json!({"beside": true})).await.expect(200);
    customer.verify(&order, &proof).await;
    customer.wait_for(&order, "PAID").await;

    shop.audit().await;
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.refunds.len(), 1, "one of them goes back, once");
    let summary = shop.summary(&order).await;
    assert_eq!(summary.run.as_deref(), Some("COMPLETED"));
    assert_eq!(summary.payments, ["REFUNDED stray", "SUCCESS"], "and the order keeps the other");
    assert_eq!(summary.captures, ["FULFILLED", "REFUNDED"]);
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 0, sold: 1 });
}
