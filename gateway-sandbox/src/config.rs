//! What a sandbox is started with: address, keys, webhook schedule, and the odds of seeded faults.
//! It reads no environment and no file; whoever starts the sandbox fills it in.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use reqwest::Url;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{Error, model::Capture, operation::Operation};

/// Everything one sandbox needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 picks a free one. Default `127.0.0.1:0`.
    pub bind: SocketAddr,
    /// The user of HTTP Basic. Default `rzp_test_sandbox000000`.
    pub key_id: String,
    /// The password of HTTP Basic, and the key of checkout signatures.
    pub key_secret: SecretString,
    /// The key of webhook signatures.
    pub webhook_secret: SecretString,
    /// Where webhooks go (`http://` only); `None` records them without sending.
    pub webhook_url: Option<String>,
    /// How often and how fast a webhook is retried.
    pub webhook_retry: RetrySchedule,
    /// How long a webhook waits for its answer. Default 5 s.
    pub webhook_timeout: Duration,
    /// Decides every seeded fault and every id. Default 0.
    pub seed: u64,
    /// How likely faults are; none by default.
    pub odds: Odds,
    /// Refuse a second order with a receipt already used. Default off: both are made.
    pub strict_receipts: bool,
    /// What happens to authorized payments of orders that do not say. Default automatic.
    pub capture: Capture,
    /// How a new refund ends. Default at once processed.
    pub refunds: RefundMode,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            key_id: "rzp_test_sandbox000000".into(),
            key_secret: "sandbox-key-secret".into(),
            webhook_secret: "sandbox-webhook-secret".into(),
            webhook_url: None,
            webhook_retry: RetrySchedule::default(),
            webhook_timeout: Duration::from_secs(5),
            seed: 0,
            odds: Odds::default(),
            strict_receipts: false,
            capture: Capture::Automatic,
            refunds: RefundMode::Processed,
        }
    }
}

/// The waits between the tries of one webhook: `base`, `base * factor`, ... at most an hour each.
#[derive(Clone, Copy, Debug)]
pub struct RetrySchedule {
    /// The wait after the first failed try. Default 1 s.
    pub base: Duration,
    /// What each wait is multiplied by to give the next. Default 2.
    pub factor: u32,
    /// Tries in all, the first one included; at least 1. Default 12.
    pub max_attempts: u32,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), factor: 2, max_attempts: 12 }
    }
}

impl RetrySchedule {
    const LONGEST: Duration = Duration::from_hours(1);

    /// The wait after try number `attempt` (from 1) has failed; `None` after the last.
    pub(crate) fn wait_after(&self, attempt: u32) -> Option<Duration> {
        (attempt < self.max_attempts).then(|| {
            let times = self.factor.saturating_pow(attempt.saturating_sub(1));
            self.base.saturating_mul(times).min(Self::LONGEST)
        })
    }
}

/// How a refund ends when nobody steers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundMode {
    /// Processed in the moment it is made, as the real gateway does by default.
    #[default]
    Processed,
    /// Stays pending until the admin routes process or fail it.
    Pending,
    /// Made pending, and failed a moment later.
    Failed,
}

/// How likely each seeded fault is, for calls and for webhooks.
#[derive(Clone, Debug, Default)]
pub struct Odds {
    /// For every operation without odds of its own.
    pub calls: CallOdds,
    /// For single operations, instead of `calls`.
    pub by_operation: BTreeMap<Operation, CallOdds>,
    /// For webhooks.
    pub webhooks: WebhookOdds,
}

/// Chances per thousand calls, each drawn alone; the first that hits, in this order, is the fault.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallOdds {
    /// Close the connection without doing the work.
    pub drop_before_per_mille: u16,
    /// Do the work, then close the connection without an answer.
    pub drop_after_per_mille: u16,
    /// Do the work, then answer only after `hang_ms`.
    pub hang_after_per_mille: u16,
    /// Answer 500, 502 (as HTML) or 503 without doing the work.
    pub error_per_mille: u16,
    /// Do the work late, by a time drawn from `delay_ms`.
    pub delay_per_mille: u16,
    /// How long a hanging answer takes, in milliseconds.
    pub hang_ms: u64,
    /// The range of a delay.
    pub delay_ms: DelayRange,
}

/// Chances per thousand webhooks, each drawn alone; the first that hits, in this order, is the fault.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebhookOdds {
    /// Never send it.
    pub lose_per_mille: u16,
    /// Send it twice, with the same event id.
    pub duplicate_per_mille: u16,
    /// Send it after the next one of its order.
    pub reorder_per_mille: u16,
    /// Send it late, by a time drawn from `delay_ms`.
    pub delay_per_mille: u16,
    /// The range of a delay.
    pub delay_ms: DelayRange,
}

/// A range of milliseconds, both ends included.
#[derive(Clone, Copy, Debug, Default)]
pub struct DelayRange {
    /// The shortest.
    pub min_ms: u64,
    /// The longest; below `min_ms` it counts as `min_ms`.
    pub max_ms: u64,
}

/// Reads a webhook address, or says why it cannot be one.
pub(crate) fn webhook_url(text: &str) -> Result<Url, Error> {
    let refuse = |reason: String| Error::WebhookUrl { url: text.to_owned(), reason };
    let url = Url::parse(text).map_err(|error| refuse(error.to_string()))?;
    match url.scheme() {
        "http" => Ok(url),
        other => Err(refuse(format!("the sandbox sends over http only, not {other}"))),
    }
}
