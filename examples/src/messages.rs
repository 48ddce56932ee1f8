//! Messages to people. A message that was sent cannot be unsent: it has no undo.

use makegood::{Activity, ActivityResult, Attempt, Outside};
use serde::{Deserialize, Serialize};

use crate::outside::{Client, Order};

/// What is to be sent, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Which message: `welcome`, `reminder`, `survey`, ....
    pub what: String,
    /// To whom.
    pub to: String,
}

/// Sends a message and answers with the number of its delivery.
///
/// It has no `resolve`: the other side knows the key, so that a second try is the same message.
pub struct SendMessage(pub(crate) Client);

impl Activity for SendMessage {
    const NAME: &'static str = "send_message";
    type Kind = Outside;
    type Input = Message;
    type Output = u64;

    async fn run(&self, attempt: &mut Attempt, message: Message) -> ActivityResult<u64> {
        let order = Order { what: message.what, whom: message.to, cents: 0 };
        Ok(self.0.place("messages", &attempt.idempotency_key, &order).await?.number)
    }
}
