//! A survey: it is started by an order and then goes its own way. Nobody waits for it.

use std::time::Duration;

use makegood::{Ctx, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};

use crate::messages::{Message, SendMessage};

/// Asks a buyer how it was, some time later.
pub struct Survey;

impl Workflow for Survey {
    const NAME: &'static str = "survey";
    type Input = Question;
    type Output = u64;

    async fn run(ctx: Ctx, question: Question) -> WorkflowResult<u64> {
        ctx.sleep(question.ask_after).await?;
        let to = format!("the buyer of {}", question.order_id);
        ctx.step::<SendMessage>(&Message { what: "survey".to_owned(), to }).await
    }
}

/// What is asked, and when: the input of a [`Survey`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// About which order.
    pub order_id: String,
    /// How long after it was shipped.
    pub ask_after: Duration,
}
