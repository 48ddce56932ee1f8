//! One run in a world of its own: opened, played to its end, looked at.
//! Starts no worker: whoever opens it brings the workers, and the faults.

use std::time::{Duration, Instant};

use super::report::difference;
use super::scenario::{Result, Scenario};
use super::stage::Stage;
use crate::journal::RowKind;
use crate::operator::RunState;
use crate::store::inspect;
use crate::store::testkit::{self as sql, Recorded};

const PAUSE: Duration = Duration::from_millis(5);

/// What a run and its world look like when nothing moves any more.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// How the run ended.
    pub(crate) state: String,
    /// Why it was made good, if it was.
    pub(crate) cause: Option<String>,
    pub(crate) outcome: Vec<String>,
    pub(crate) slate: Vec<String>,
    /// The slate before the run was started.
    pub(crate) before: Vec<String>,
    /// The records of the run and of those that it led to.
    pub(crate) records: Vec<Recorded>,
}

impl Seen {
    /// Nothing is left of a run that was made good.
    pub(crate) fn is_clean(&self) -> Result<()> {
        match difference(&self.before, &self.slate) {
            Some(lines) => {
                Err(format!("the slate is not clean of a run that {}:\n{lines}", self.end()).into())
            }
            None => Ok(()),
        }
    }

    /// It ended as another run did.
    pub(crate) fn is_like(&self, other: &Self) -> Result<()> {
        if self.state != other.state {
            let wanted = &other.state;
            return Err(format!("it {}, and undisturbed it ends {wanted}", self.end()).into());
        }
        if self.state == COMPENSATED {
            self.is_clean()?;
        }
        match difference(&other.outcome, &self.outcome) {
            Some(lines) => Err(format!("the outcome is another one:\n{lines}").into()),
            None => Ok(()),
        }
    }

    /// It was made good.
    pub(crate) fn is_made_good(&self) -> Result<()> {
        if self.state != COMPENSATED {
            return Err(format!("it {}, not {COMPENSATED}", self.end()).into());
        }
        self.is_clean()
    }

    /// It ended as its scenario says.
    pub(crate) fn is_ended(&self, wanted: RunState) -> Result<()> {
        if self.state == wanted.as_str() {
            return Ok(());
        }
        let wanted = wanted.as_str();
        Err(format!("it {}, where its scenario's `ends` says {wanted}", self.end()).into())
    }

    fn end(&self) -> String {
        match &self.cause {
            Some(cause) => format!("ends {} because of {cause}", self.state),
            None => format!("ends {}", self.state),
        }
    }
}

pub(crate) const COMPENSATED: &str = "COMPENSATED";

/// When a run may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// After the outside has done its part.
    AsDriven,
    /// Whenever it likes: the outside may wait in vain, or fail.
    Early,
    /// The outside has done its part before.
    Undriven,
}

/// One run and its world.
pub(crate) struct Scene<'a, S: Scenario> {
    scenario: &'a S,
    pub(crate) stage: Stage,
    before: Vec<String>,
    patience: Duration,
}

impl<'a, S: Scenario> Scene<'a, S> {
    /// Prepares a world and starts the run in it; nobody drives it yet.
    pub(crate) async fn open(scenario: &'a S, patience: Duration) -> Result<Self> {
        let mut stage = Stage::open(scenario.place().await?).await?;
        let input = scenario.prepare(&stage).await?;
        let before = scenario.slate(&stage).await?;
        stage.start::<S::Saga>(&input).await?;
        Ok(Self { scenario, stage, before, patience })
    }

    /// Lets the outside do its part and time pass, until nothing is left to do.
    ///
    /// `meddle` is called again and again on the way.
    pub(crate) async fn play(
        &self,
        end: End,
        mut meddle: impl AsyncFnMut(&Stage) -> Result<()>,
    ) -> Result<()> {
        let begun = Instant::now();
        let mut drive = std::pin::pin!(self.scenario.drive(&self.stage));
        let mut driven = end == End::Undriven;
        loop {
            tokio::select! {
                done = &mut drive, if !driven => {
                    driven = true;
                    // In a run that ends early, what it deals with may never come to be.
                    if let (Err(error), End::AsDriven) = (done, end) {
                        return Err(format!("the outside could not do its part: {error}").into());
                    }
                }
                () = tokio::time::sleep(PAUSE) => {}
            }
            meddle(&self.stage).await?;
            let rest = self.stage.rest().await?;
            if rest.live == 0 && (driven || end == End::Early) {
                return Ok(());
            }
            if rest.stuck > 0 {
                return Err(self.incident().await?.into());
            }
            // Without a wait for rest: if a worker dies just now, only `meddle` brings another.
            if let (true, 0, Some(next_ms)) = (driven, rest.moving, rest.next_ms) {
                let by = Duration::from_millis(u64::try_from(next_ms).unwrap_or_default());
                self.stage.advance(by).await?;
            }
            if begun.elapsed() > self.patience {
                let who = if driven { "the run" } else { "the outside" };
                let (patience, records) = (self.patience, self.records().await?);
                return Err(format!("{who} is not done within {patience:?}: {records:#?}").into());
            }
        }
    }

    /// What is there when nothing moves any more. The engine's own promises hold, too.
    pub(crate) async fn look(&self) -> Result<Seen> {
        let mut conn = self.stage.pool().acquire().await?;
        let faults = inspect::faults(&mut conn).await?;
        if !faults.is_empty() {
            return Err(format!("the engine's invariants do not hold: {faults:#?}").into());
        }
        let run = inspect::run(&mut conn, self.stage.workflow_id()).await?;
        let run = run.ok_or("the run is not there")?;
        let steps = inspect::steps(&mut conn, run.run_id).await?;
        let made_good = steps.into_iter().rfind(|s| s.kind == RowKind::Compensating.as_str());
        let records = sql::records(&mut conn).await?;
        drop(conn);
        Ok(Seen {
            state: run.state,
            cause: made_good.and_then(|row| row.result).map(|cause| cause.to_string()),
            outcome: self.scenario.outcome(&self.stage).await?,
            slate: self.scenario.slate(&self.stage).await?,
            before: self.before.clone(),
            records,
        })
    }

    async fn incident(&self) -> Result<String> {
        let mut conn = self.stage.pool().acquire().await?;
        let incident = sql::incident(&mut conn).await?;
        Ok(incident.unwrap_or_else(|| "a run was stuck for a moment".to_owned()))
    }

    async fn records(&self) -> Result<Vec<String>> {
        let mut conn = self.stage.pool().acquire().await?;
        let records = sql::records(&mut conn).await?;
        Ok(records.iter().map(|row| format!("{} {}", row.kind, row.name)).collect())
    }
}
