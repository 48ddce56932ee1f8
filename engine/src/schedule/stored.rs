//! A schedule between its types and its row. It decides nothing.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use super::due::Firing;
use super::{CatchUp, Overlap, Rule, Schedule, Timing};
use crate::client::Started;
use crate::error::Error;
use crate::lane::{Lanes, StartOptions};
use crate::store::runs::{self, NewRun};
use crate::store::schedules::{Definition, Locked, Next};

impl Schedule {
    /// What its row says when it starts runs of this workflow.
    pub(super) fn definition(&self, workflow: &str, version: i32) -> Definition {
        let (catch_up, at_most) = match self.rule.catch_up {
            CatchUp::Skip => ("skip", 0),
            CatchUp::One => ("one", 0),
            CatchUp::All { at_most } => ("all", at_most),
        };
        let overlap = match self.overlap {
            Overlap::Allow => "allow",
            Overlap::Skip => "skip",
        };
        Definition {
            workflow: workflow.to_owned(),
            version,
            cron: self.rule.timing.expression.clone(),
            zone: self.rule.timing.zone.name().to_owned(),
            catch_up: catch_up.to_owned(),
            catch_up_limit: i32::try_from(at_most).unwrap_or(i32::MAX),
            overlap: overlap.to_owned(),
            jitter_ms: millis(self.rule.jitter),
            grace_ms: millis(self.rule.grace),
        }
    }
}

impl Definition {
    /// Whether both fire at the same times.
    pub(super) fn fires_like(&self, other: &Self) -> bool {
        let times = |it: &Self| (it.cron.clone(), it.zone.clone(), it.jitter_ms);
        times(self) == times(other)
    }

    pub(super) fn rule(&self) -> Result<Rule, Error> {
        let at_most = u32::try_from(self.catch_up_limit).unwrap_or(0);
        let catch_up = match self.catch_up.as_str() {
            "skip" => CatchUp::Skip,
            "all" => CatchUp::All { at_most },
            _ => CatchUp::One,
        };
        Ok(Rule {
            timing: Timing::parse(&self.cron, &self.zone)?,
            catch_up,
            jitter: duration(self.jitter_ms),
            grace: duration(self.grace_ms),
        })
    }

    pub(super) fn skips_overlaps(&self) -> bool {
        self.overlap == "skip"
    }
}

impl From<Firing> for Next {
    fn from(firing: Firing) -> Self {
        Self { at: firing.at, due_at: firing.due }
    }
}

/// The workflow's input as it is stored; read as `Scheduled` by it.
#[derive(Serialize)]
struct Input<'a> {
    at: DateTime<Utc>,
    input: &'a RawValue,
}

/// Starts the run of a firing, in the transaction that moves the schedule on. Its id is made of
/// the firing's time, so that it is started once.
pub(super) async fn start(
    conn: &mut PgConnection,
    lanes: &Lanes,
    schedule: &Locked,
    at: DateTime<Utc>,
) -> Result<Started, sqlx::Error> {
    let raw: &RawValue = serde_json::from_str(&schedule.input)
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let input = serde_json::to_string(&Input { at, input: raw })
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let time = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let (workflow, version) = (&schedule.definition.workflow, schedule.definition.version);
    let new = NewRun {
        run_id: Uuid::now_v7(),
        workflow,
        version,
        lane: lanes.of(workflow, version, &StartOptions::default()).await?,
        workflow_id: &format!("schedule:{}:{time}", schedule.name),
        input: &input,
        attributes: None,
    };
    if runs::insert(&mut *conn, &new).await? {
        return Ok(Started { run_id: new.run_id, created: true });
    }
    let (run_id, _) = runs::holder(conn, &new).await?;
    Ok(Started { run_id, created: false })
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
