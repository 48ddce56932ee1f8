//! What the shop says to the outside, by way of the outbox: kept with what it announces, for a
//! sender to pick up. It sends nothing itself.

use domain::MessageId;
use makegood::{Activity, ActivityResult, InTransaction};
use store::outbox::NewMessage;
use store::{Conn, outbox};
use uuid::Uuid;

use crate::orders::PlacedOrder;

/// Announces a paid order.
pub struct AnnounceOrder;

impl Activity for AnnounceOrder {
    const NAME: &'static str = "announce_order";
    type Kind = InTransaction;
    type Input = PlacedOrder;
    type Output = MessageId;

    async fn run(&self, tx: &mut Conn, order: PlacedOrder) -> ActivityResult<MessageId> {
        let message_id = MessageId::from(Uuid::now_v7());
        let key = order.order_id.to_string();
        let message = NewMessage {
            message_id,
            tenant_id: &order.tenant_id,
            topic: "order.paid",
            key: &key,
            payload: &serde_json::json!({ "order_id": order.order_id, "total": order.total }),
        };
        outbox::push(tx, &message).await?;
        Ok(message_id)
    }
}
