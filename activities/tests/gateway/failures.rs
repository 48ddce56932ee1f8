//! Wrong keys, unknown ids and outages: none of them may look like a refusal or a success.

use activities::gateway::{Gateway, GatewayError};
use serde_json::json;

use crate::shop::{Shop, client, new_order, rupees};

#[tokio::test]
async fn wrong_keys_stop_everything_and_undo_nothing() {
    let shop = Shop::open().await;
    // One client each: the first call holds the second back.
    let stranger = || client(&shop.sandbox, "not-the-secret");
    let created = stranger().create_order(&new_order("r-1")).await;
    let listed = stranger().orders_by_receipt("r-1").await;
    for error in [created.unwrap_err(), listed.unwrap_err()] {
        assert!(matches!(error, GatewayError::Misconfigured { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("not-the-secret"), "{error:?}");
    }
    shop.close().await;
}

#[tokio::test]
async fn an_id_that_the_gateway_does_not_know_is_final() {
    let shop = Shop::open().await;
    let nobody = "pay_00000000000000".parse().unwrap();
    let read = shop.gateway.payment(&nobody).await;
    let Err(GatewayError::Rejected { status, code, .. }) = read else {
        panic!("an unknown id is refused: {read:?}");
    };
    assert_eq!((status, code.as_str()), (Some(400), "BAD_REQUEST_ERROR"));
    let captured = shop.gateway.capture(&nobody, rupees(100)).await;
    assert!(matches!(captured, Err(GatewayError::Rejected { .. })), "{captured:?}");
    shop.close().await;
}

#[tokio::test]
async fn in_an_outage_a_read_may_be_repeated_and_an_effect_never_counts_as_refused() {
    let shop = Shop::open().await;
    let order = shop.order("r-1").await;
    shop.post("/sandbox/outage", &json!({"ms": 60_000})).await;
    let listed = shop.gateway.order_payments(&order.id).await;
    assert!(matches!(listed, Err(GatewayError::Unavailable { .. })), "{listed:?}");
    let created = shop.gateway.create_order(&new_order("r-2")).await;
    match created {
        Err(GatewayError::Unavailable { retry_after, .. }) => {
            assert!(
                retry_after.is_some(),
                "only a promise to be back proves that nothing was done"
            );
        }
        Err(GatewayError::Unknown { .. }) => {}
        other => panic!("an outage refuses nothing: {other:?}"),
    }
    shop.close().await;
}
