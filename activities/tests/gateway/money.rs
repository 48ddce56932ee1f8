//! Captures and refunds: each happens once, however often it is asked and whatever answer is lost.

use activities::gateway::{
    GatewayError, GatewayOrderStatus, GatewayPaymentStatus, GatewayRefundStatus, Notes,
};
use serde_json::json;

use crate::shop::{Shop, rupees};

#[tokio::test]
async fn a_payment_is_captured_once_however_often_it_is_asked() {
    let shop = Shop::open().await;
    let order = shop.order("r-1").await;
    let id = shop.pay(&order, "authorized").await;
    let read = shop.gateway.payment(&id).await.unwrap();
    assert_eq!(read.status, GatewayPaymentStatus::Authorized);
    assert_eq!((read.amount, read.order_id.as_ref()), (order.amount, Some(&order.id)));

    shop.fault("capture", json!({"kind": "drop_after"})).await;
    let lost = shop.gateway.capture(&id, order.amount).await;
    assert!(matches!(lost, Err(GatewayError::Unknown { .. })), "it may have happened: {lost:?}");
    for _ in 0..2 {
        let again = shop.gateway.capture(&id, order.amount).await.unwrap();
        assert_eq!((again.status, &again.id), (GatewayPaymentStatus::Captured, &id));
    }
    let payments = shop.gateway.order_payments(&order.id).await.unwrap();
    assert_eq!(payments.len(), 1, "one payment, captured once: {payments:?}");
    let paid = shop.gateway.orders_by_receipt("r-1").await.unwrap();
    assert_eq!((paid[0].status, paid[0].amount_paid), (GatewayOrderStatus::Paid, order.amount));
    shop.close().await;
}

#[tokio::test]
async fn a_capture_is_no_success_if_amount_or_state_is_wrong() {
    let shop = Shop::open().await;
    let order = shop.order("r-1").await;
    let failed = shop.pay(&order, "failed").await;
    let refused = shop.gateway.capture(&failed, order.amount).await;
    assert!(matches!(refused, Err(GatewayError::Rejected { .. })), "it failed: {refused:?}");

    let captured = shop.pay(&order, "captured").await;
    let other = shop.gateway.capture(&captured, rupees(11600)).await;
    assert!(matches!(other, Err(GatewayError::Rejected { .. })), "another amount: {other:?}");
    let payments = shop.gateway.order_payments(&order.id).await.unwrap();
    let ids: Vec<_> = payments.iter().map(|payment| &payment.id).collect();
    assert!(ids.contains(&&failed) && ids.contains(&&captured), "every attempt is listed: {ids:?}");
    shop.close().await;
}

#[tokio::test]
async fn a_failed_read_after_a_refused_capture_leaves_doubt() {
    let shop = Shop::open().await;
    let order = shop.order("r-1").await;
    let id = shop.pay(&order, "captured").await;
    shop.fault("get_payment", json!({"kind": "error", "status": 500})).await;
    let unclear = shop.gateway.capture(&id, order.amount).await;
    assert!(matches!(unclear, Err(GatewayError::Unknown { .. })), "{unclear:?}");
    shop.close().await;
}

#[tokio::test]
async fn the_same_refund_key_gives_money_back_once() {
    let shop = Shop::open().await;
    let order = shop.order("r-1").await;
    let id = shop.pay(&order, "captured").await;
    // The engine's own form of a key, which the gateway would refuse as it is.
    let (key, notes) = ("0197c0de/refund/1", Notes::from([("run".to_owned(), "x".to_owned())]));

    shop.fault("refund", json!({"kind": "drop_after"})).await;
    let lost = shop.gateway.refund(&id, rupees(5000), key, &notes).await;
    assert!(matches!(lost, Err(GatewayError::Unknown { .. })), "it may have happened: {lost:?}");
    let first = shop.gateway.refund(&id, rupees(5000), key, &notes).await.unwrap();
    let second = shop.gateway.refund(&id, rupees(5000), key, &notes).await.unwrap();
    assert_eq!(first, second, "the same key yields the same refund");
    assert_eq!((first.amount, first.status), (rupees(5000), GatewayRefundStatus::Processed));
    assert_eq!((&first.payment_id, &first.notes), (&id, &notes));
    assert_eq!(shop.gateway.refunds_of(&id).await, Ok(vec![first.clone()]), "there is one refund");
    let payment = shop.gateway.payment(&id).await.unwrap();
    assert_eq!(payment.amount_refunded, rupees(5000), "the money went back once");

    let other = shop.gateway.refund(&id, rupees(6686), "0197c0de/refund/2", &notes).await.unwrap();
    assert_ne!(other.id, first.id, "another key is another refund");
    let payment = shop.gateway.payment(&id).await.unwrap();
    assert_eq!(payment.status, GatewayPaymentStatus::Refunded, "all of it went back");
    let over = shop.gateway.refund(&id, rupees(100), "0197c0de/refund/3", &notes).await;
    assert!(matches!(over, Err(GatewayError::Rejected { .. })), "nothing is left: {over:?}");
    shop.close().await;
}

#[tokio::test]
async fn a_refund_key_used_for_something_else_never_counts_as_refused() {
    let shop = Shop::open().await;
    let order = shop.order("r-1").await;
    let id = shop.pay(&order, "captured").await;
    let refund = |paise| {
        let (gateway, id) = (&shop.gateway, &id);
        async move { gateway.refund(id, rupees(paise), "refund-of-r-1", &Notes::new()).await }
    };
    refund(5000).await.unwrap();
    let conflict = refund(6000).await;
    assert!(matches!(conflict, Err(GatewayError::Unavailable { .. })), "{conflict:?}");
    shop.close().await;
}
