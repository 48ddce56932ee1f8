//! Tells checkouts what the gateway says. They ask it themselves before they believe anything.

use std::marker::PhantomData;

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Client, Delivery, Error, Outside, Workflow,
};
use store::reconciliation::Finding;

use super::{News, fixed, flagged};
use crate::hints::PaymentHint;

/// Signals the runs of `W` that news are about, each in a transaction of its own: the locks of
/// several runs are never held at once. Repeating it is safe, by the signals' ids.
pub struct TellCheckouts<W> {
    client: Client,
    checkout: PhantomData<fn() -> W>,
}

impl<W> TellCheckouts<W> {
    /// Signals through this client.
    pub fn new(client: Client) -> Self {
        Self { client, checkout: PhantomData }
    }
}

impl<W: Workflow> Activity for TellCheckouts<W> {
    const NAME: &'static str = "tell_checkouts";
    type Kind = Outside;
    type Input = Vec<News>;
    type Output = Vec<Finding>;

    async fn run(&self, _: &mut Attempt, news: Vec<News>) -> ActivityResult<Vec<Finding>> {
        let mut findings = Vec::new();
        for one in news {
            let hint = PaymentHint {
                gateway_payment_id: Some(one.gateway_payment_id.clone()),
                source: "reconciler".to_owned(),
                forged: false,
            };
            let told =
                self.client.signal_now::<W, _>(&one.workflow_id, &one.signal_id, &hint).await;
            findings.extend(finding(&one, told)?);
        }
        Ok(findings)
    }
}

fn finding(news: &News, told: Result<Delivery, Error>) -> ActivityResult<Option<Finding>> {
    let payment = &news.gateway_payment_id;
    // Of a report's own signals, a repeat is this very step's, tried again.
    let is_own = news.signal_id.starts_with("reconciler:");
    Ok(match told {
        Ok(Delivery::Queued | Delivery::Late) => Some(fixed(&news.kind, &payment, &news.detail)),
        Ok(Delivery::Repeated) if is_own => Some(fixed(&news.kind, &payment, &news.detail)),
        Ok(Delivery::Repeated) if news.kind == "capture_not_known" => {
            let detail = format!("{}; told before, see the incidents", news.detail);
            Some(flagged(&news.kind, &payment, detail))
        }
        Ok(Delivery::Repeated) => None,
        Err(Error::RunNotFound(id)) => {
            let detail = format!("{}; there is no run {id}", news.detail);
            Some(flagged(&news.kind, &payment, detail))
        }
        Err(error) => return Err(ActivityError::retryable(error.to_string())),
    })
}
