//! Orders: what is asked is what comes back, and a receipt finds what a lost answer left behind.

use activities::gateway::{GatewayError, GatewayOrderStatus, Operation};
use serde_json::json;

use crate::shop::{Shop, new_order, rupees};

#[tokio::test]
async fn an_order_comes_back_as_asked_and_is_found_by_its_receipt_only() {
    let shop = Shop::open().await;
    let order = shop.order("r-1").await;
    assert_eq!((order.amount, order.amount_paid), (rupees(11686), rupees(0)));
    assert_eq!(order.status, GatewayOrderStatus::Created);
    assert_eq!(order.receipt.as_deref(), Some("r-1"));
    assert_eq!(order.notes, new_order("r-1").notes);
    assert!(order.created_at.is_some(), "the oldest can be told from the others");
    assert_eq!(shop.gateway.orders_by_receipt("r-1").await, Ok(vec![order]));
    assert_eq!(shop.gateway.orders_by_receipt("r-2").await, Ok(Vec::new()));
    shop.close().await;
}

#[tokio::test]
async fn an_order_whose_answer_was_lost_is_unknown_and_found_by_its_receipt() {
    let shop = Shop::open().await;
    let losses = [
        ("r-drop", json!({"kind": "drop_after"})),
        ("r-hang", json!({"kind": "hang_after", "ms": 20_000})),
    ];
    for (receipt, loss) in losses {
        shop.fault("create_order", loss).await;
        let lost = shop.gateway.create_order(&new_order(receipt)).await;
        let Err(GatewayError::Unknown { operation: Operation::CreateOrder, .. }) = lost else {
            panic!("{receipt}: it may have happened: {lost:?}");
        };
        let found = shop.gateway.orders_by_receipt(receipt).await.unwrap();
        assert_eq!(found.len(), 1, "{receipt}: it did happen, once: {found:?}");
        assert_eq!(found[0].amount, rupees(11686));
    }
    shop.fault("create_order", json!({"kind": "drop_before"})).await;
    let lost = shop.gateway.create_order(&new_order("r-none")).await;
    assert!(matches!(lost, Err(GatewayError::Unknown { .. })), "it looks just the same: {lost:?}");
    assert_eq!(shop.gateway.orders_by_receipt("r-none").await, Ok(Vec::new()), "but it did not");
    shop.close().await;
}

#[tokio::test]
async fn more_orders_than_fit_on_a_page_are_all_found() {
    let shop = Shop::open().await;
    for _ in 0..101 {
        shop.order("r-many").await;
    }
    let found = shop.gateway.orders_by_receipt("r-many").await.unwrap();
    assert_eq!(found.len(), 101, "none is cut off");
    assert!(found.is_sorted_by_key(|order| order.created_at), "the oldest comes first");
    shop.close().await;
}
