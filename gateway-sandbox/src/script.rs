//! Scripted faults as they are written in JSON: what one meets, how often, and what it does.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IntoDeserializer};

use crate::{
    event::{Event, EventName},
    faults::Subject,
    operation::Operation,
};

/// A scripted fault: what it meets, how often still, and what it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script<M, A> {
    #[serde(rename = "match")]
    pub(crate) meets: M,
    #[serde(default = "once")]
    pub(crate) times: u32,
    pub(crate) action: A,
}

/// A scripted fault of a call under `/v1`.
pub(crate) type CallFault = Script<CallMatch, CallAction>;

/// A scripted fault of a webhook.
pub(crate) type WebhookFault = Script<WebhookMatch, WebhookAction>;

/// Which calls a fault meets: all that is given must fit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallMatch {
    /// `None` is written `any`.
    #[serde(deserialize_with = "operation_or_any", serialize_with = "name_or_any")]
    operation: Option<Operation>,
    order_id: Option<String>,
    receipt: Option<String>,
    receipt_prefix: Option<String>,
}

impl CallMatch {
    pub(crate) fn fits(&self, call: &Subject) -> bool {
        let receipt = call.receipt.as_deref();
        self.operation.is_none_or(|operation| operation == call.operation)
            && same(self.order_id.as_deref(), call.order_id.as_deref())
            && same(self.receipt.as_deref(), receipt)
            && starts(self.receipt_prefix.as_deref(), receipt)
    }
}

/// Which webhooks a fault meets: all that is given must fit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookMatch {
    event: Option<EventName>,
    order_id: Option<String>,
    receipt: Option<String>,
    receipt_prefix: Option<String>,
}

impl WebhookMatch {
    pub(crate) fn fits(&self, event: &Event) -> bool {
        let receipt = event.receipt.as_deref();
        self.event.is_none_or(|name| name == event.name)
            && same(self.order_id.as_deref(), Some(&event.order_id))
            && same(self.receipt.as_deref(), receipt)
            && starts(self.receipt_prefix.as_deref(), receipt)
    }
}

fn same(wanted: Option<&str>, given: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| given == Some(wanted))
}

fn starts(wanted: Option<&str>, given: Option<&str>) -> bool {
    wanted.is_none_or(|prefix| given.is_some_and(|given| given.starts_with(prefix)))
}

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum CallAction {
    /// The work is done late, even if the caller has gone.
    Delay { ms: u64 },
    /// Nothing is done; this is the answer.
    Error {
        status: u16,
        #[serde(default)]
        body: ErrorBody,
    },
    /// Nothing is done and the connection closes.
    DropBefore,
    /// The work is done and the connection closes without an answer.
    DropAfter,
    /// The work is done at once, the answer comes late.
    HangAfter { ms: u64 },
}

impl CallAction {
    /// Its name in the counts.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "call_delayed",
            Self::Error { .. } => "call_failed",
            Self::DropBefore => "call_lost",
            Self::DropAfter => "answer_lost",
            Self::HangAfter { .. } => "answer_late",
        }
    }
}

/// How an error looks: the gateway's own object, or a proxy's page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorBody {
    #[default]
    Json,
    Html,
}

/// What goes wrong with a webhook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum WebhookAction {
    /// It is never sent.
    Lose,
    /// It is sent `n` times more, under the same event id or under new ones.
    Duplicate {
        #[serde(default = "once")]
        n: u32,
        #[serde(default)]
        new_event_id: bool,
    },
    /// It is sent late.
    Delay { ms: u64 },
    /// A copy signed with a wrong secret goes out beside it.
    Forge,
    /// It waits for the next event of its order, but no longer than this.
    Reorder {
        #[serde(default = "reorder_wait_ms")]
        max_wait_ms: u64,
    },
}

impl WebhookAction {
    /// Its name in the counts.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Lose => "webhook_lost",
            Self::Duplicate { .. } => "webhook_duplicated",
            Self::Delay { .. } => "webhook_delayed",
            Self::Forge => "webhook_forged",
            Self::Reorder { .. } => "webhook_reordered",
        }
    }
}

/// Uses up one time of the first script that fits.
pub(crate) fn take_first<M, A: Clone>(
    scripts: &mut Vec<Script<M, A>>,
    fits: impl Fn(&M) -> bool,
) -> Option<A> {
    let script = scripts.iter_mut().find(|script| script.times > 0 && fits(&script.meets))?;
    script.times = script.times.saturating_sub(1);
    let action = script.action.clone();
    scripts.retain(|script| script.times > 0);
    Some(action)
}

fn once() -> u32 {
    1
}

pub(crate) fn reorder_wait_ms() -> u64 {
    1_000
}

fn operation_or_any<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Operation>, D::Error> {
    let word = String::deserialize(from)?;
    if word == "any" {
        return Ok(None);
    }
    Operation::deserialize(word.as_str().into_deserializer()).map(Some)
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference to the field"
)]
fn name_or_any<S: Serializer>(operation: &Option<Operation>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(operation.map_or("any", Operation::name))
}
