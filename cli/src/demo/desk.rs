//! The shopkeeper's desk: decides what the shop leaves to a person, as `makegood runs` would.
//! Only what has a remedy for its kind; anything else stays, and is a fault of the demo.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use anyhow::Context;
use makegood::{Client, Error, GivenUndo, RunFilter, StepId, Verb, inspect};
use parking_lot::Mutex;
use serde_json::json;
use sqlx::PgPool;
use tokio::time::sleep;
use uuid::Uuid;

const LOOK: Duration = Duration::from_millis(250);
/// Which runs it looks at, so many at once.
const STUCK: &str = "state=STUCK&limit=100";

/// The desk, with what was decided so far.
pub(crate) struct Desk<'a> {
    pool: &'a PgPool,
    client: &'a Client,
    decided: Mutex<BTreeMap<String, u64>>,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(pool: &'a PgPool, client: &'a Client) -> Self {
        Self { pool, client, decided: Mutex::default() }
    }

    /// Decisions so far, by the kind of incident.
    pub(crate) fn decided(&self) -> BTreeMap<String, u64> {
        self.decided.lock().clone()
    }

    /// Decides whatever comes in. Returns only when something is wrong.
    pub(crate) async fn sit(&self) -> anyhow::Error {
        match self.work().await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn work(&self) -> anyhow::Result<Infallible> {
        let operator = self.client.operator("shopkeeper", "decided at the desk of the demo")?;
        let stuck: RunFilter = STUCK.parse()?;
        loop {
            let mut conn = self.pool.acquire().await?;
            for run in inspect::list(&mut conn, &stuck).await?.runs {
                let Some(incident) = inspect::open_incident(&mut conn, run.run_id).await? else {
                    continue;
                };
                let Some(verb) = remedy(run.run_id, &incident) else { continue };
                match operator.carry_out(run.run_id, &verb).await {
                    Ok(_) => {
                        let mut decided = self.decided.lock();
                        let count = decided.entry(incident.class).or_default();
                        *count = count.saturating_add(1);
                    }
                    // A worker is at it: it may need nobody any more.
                    Err(Error::Refused { .. }) => {}
                    Err(error) => return Err(error).context("the desk cannot decide"),
                }
            }
            drop(conn);
            sleep(LOOK).await;
        }
    }
}

/// What a person does about it; the run's id decides where either way is right.
fn remedy(run_id: Uuid, incident: &inspect::OpenIncident) -> Option<Verb> {
    match incident.class.as_str() {
        "amount_mismatch" | "partially_refunded" => Some(Verb::Compensate),
        "late_money" => {
            let may_fulfil = incident.message.contains("\"fulfil\"");
            let verdict =
                if may_fulfil && run_id.as_u128().is_multiple_of(2) { "fulfil" } else { "return" };
            let step = StepId { name: incident.step.clone()?, occurrence: incident.occurrence? };
            Some(Verb::SkipStep { step, result: json!(verdict), undo: GivenUndo::Keep })
        }
        _ => None,
    }
}
