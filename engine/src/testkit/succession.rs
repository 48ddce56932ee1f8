//! One worker process after the other: each but the last is struck at a point, and the next one
//! carries the run on.

use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::kit::Kit;
use super::plan::Target;
use super::process::{Fate, Folder, Orders, Process};
use super::scenario::{Result, Scenario};
use super::scene::{End, Scene, Seen};
use super::stage::Stage;
use super::sweep::Tried;
use crate::store::testkit as sql;

/// A dead worker's lease is let run out by the kit: this one only has to outlive a busy machine.
const LONG: Duration = Duration::from_secs(5);

/// The lease of workers that stand still: it has to run out by itself.
const SHORT: Duration = Duration::from_secs(1);

const SIGKILL: i32 = 9;

/// What befalls a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// SIGKILL.
    Killed,
    /// SIGSTOP, until the run has ended without it.
    Stopped,
}

/// What befalls a worker, and at which point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) blow: Blow,
    pub(crate) at: String,
}

impl Strike {
    pub(crate) fn new(blow: Blow, at: &str) -> Self {
        Self { blow, at: at.to_owned() }
    }

    fn fate(&self) -> Fate<'_> {
        match self.blow {
            Blow::Killed => Fate::Dies(&self.at),
            Blow::Stopped => Fate::Stops(&self.at),
        }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.blow {
            Blow::Killed => write!(f, "killed {}", self.at),
            Blow::Stopped => write!(f, "stopped {}", self.at),
        }
    }
}

/// The worker processes of one world.
struct Crew<'a> {
    orders: Orders<&'a super::place::Place>,
    test: &'a str,
    folder: Arc<Folder>,
    strikes: &'a [Strike],
    /// Where the one that nothing befalls writes the points down that it comes to.
    log: Option<PathBuf>,
    workers: Vec<Process>,
}

impl<'a> Crew<'a> {
    fn new<S: Scenario>(
        kit: &'a Kit<S>,
        scene: &'a Scene<'_, S>,
        targets: &[Target],
        strikes: &'a [Strike],
    ) -> Result<Self> {
        let stops = strikes.iter().any(|strike| strike.blow == Blow::Stopped);
        let lease = if stops { SHORT } else { LONG };
        let orders = Orders {
            scenario: kit.scenario.name(),
            place: scene.stage.place(),
            name: String::new(),
            lease_ms: u64::try_from(lease.as_millis())?,
            targets: targets.to_vec(),
        };
        let folder = Arc::new(Folder::new()?);
        Ok(Self { orders, test: &kit.test, folder, strikes, log: None, workers: Vec::new() })
    }

    fn name(number: usize) -> String {
        format!("worker {number}")
    }

    /// Sends the next one.
    fn send(&mut self) -> Result<()> {
        let number = self.workers.len();
        self.orders.name = Self::name(number);
        let fate = match (self.strikes.get(number), &self.log) {
            (Some(strike), _) => strike.fate(),
            (None, Some(log)) => Fate::Logs(log),
            (None, None) => Fate::Lives,
        };
        let worker = Process::spawn(self.test, &self.orders, &fate, &self.folder)?;
        self.workers.push(worker);
        Ok(())
    }

    fn at_work(&mut self) -> Result<(&mut Process, Option<&'a Strike>)> {
        let number = self.workers.len().saturating_sub(1);
        let strike = self.strikes.get(number);
        Ok((self.workers.last_mut().ok_or("nobody works")?, strike))
    }

    /// Looks whether the one at work was struck, and sends the next.
    async fn succeed(&mut self, stage: &Stage) -> Result<()> {
        let (worker, strike) = self.at_work()?;
        let Some(Strike { blow, .. }) = strike else { return worker.still_there() };
        let status = worker.status()?;
        match (blow, status) {
            (Blow::Killed, Some(status)) if status.signal() == Some(SIGKILL) => {
                let mut conn = stage.pool().acquire().await?;
                sql::expire(&mut conn, &Self::name(self.workers.len().saturating_sub(1))).await?;
            }
            (Blow::Stopped, None) if worker.stands_still()? => {}
            (Blow::Killed | Blow::Stopped, None) => return Ok(()),
            (_, Some(status)) => {
                return Err(worker.fault(&format!("the worker ended with {status}")));
            }
        }
        self.send()
    }

    /// After the run's end: whether everything befell that should have. The last points come after
    /// the last commit.
    async fn all_struck(&mut self) -> Result<bool> {
        let is_last = self.workers.len() == self.strikes.len();
        let (worker, strike) = self.at_work()?;
        let Some(Strike { blow, .. }) = strike else { return Ok(true) };
        let ended = worker.dismiss().await?;
        let struck = match blow {
            Blow::Killed => ended.is_some_and(|status| status.signal() == Some(SIGKILL)),
            Blow::Stopped => ended.is_none(),
        };
        Ok(struck && is_last)
    }

    /// Those who stand still go on, and all end.
    async fn wake(&mut self, stage: &Stage) -> Result<()> {
        let count = self.workers.len();
        for (number, strike) in self.strikes.iter().enumerate().take(count) {
            let Some(worker) = self.workers.get(number) else { continue };
            if strike.blow == Blow::Killed {
                continue;
            }
            worker.go_on()?;
            if number.saturating_add(1) < count {
                // It has come back as somebody else when it may claim again.
                let back = async || {
                    let mut conn = stage.pool().acquire().await?;
                    Ok(sql::holds_lease(&mut conn, &Self::name(number)).await?)
                };
                stage.until("who stood still is back", back).await?;
            }
        }
        let killed = |number: usize| {
            self.strikes.get(number).is_some_and(|strike| strike.blow == Blow::Killed)
        };
        for (number, worker) in self.workers.iter_mut().enumerate().rev() {
            if !killed(number) {
                worker.retire().await?;
            }
        }
        Ok(())
    }
}

impl<S: Scenario> Kit<S> {
    /// The points that a run comes to in the worker process that carries it to its end, after those
    /// that were struck, and how it ends.
    pub(crate) async fn points_reached(
        &self,
        targets: &[Target],
        strikes: &[Strike],
    ) -> Result<(Vec<String>, Seen)> {
        let scene = self.open().await?;
        let mut crew = Crew::new(self, &scene, targets, strikes)?;
        let log = crew.folder.file("points");
        crew.log = Some(log.clone());
        crew.send()?;
        let end = if targets.is_empty() { End::AsDriven } else { End::Early };
        scene.play(end, async |stage| crew.succeed(stage).await).await?;
        if !crew.all_struck().await? {
            return Ok((Vec::new(), scene.look().await?));
        }
        // A drained worker has come past every point that follows a commit.
        crew.wake(&scene.stage).await?;
        let points = fs::read_to_string(&log).unwrap_or_default();
        Ok((points.lines().map(str::to_owned).collect(), scene.look().await?))
    }

    /// Lets one worker after the other be struck; the run must end as it does without.
    pub(crate) async fn strike(
        &self,
        targets: &[Target],
        strikes: &[Strike],
        wanted: &Seen,
    ) -> Result<Tried> {
        let scene = self.open().await?;
        let mut crew = Crew::new(self, &scene, targets, strikes)?;
        crew.send()?;
        let end = if targets.is_empty() { End::AsDriven } else { End::Early };
        scene.play(end, async |stage| crew.succeed(stage).await).await?;
        if !crew.all_struck().await? {
            scene.look().await?.is_like(wanted)?;
            return Ok(Tried::Missed);
        }
        let before = scene.look().await?;
        before.is_like(wanted)?;
        crew.wake(&scene.stage).await?;
        let after = scene.look().await?;
        if after.records != before.records {
            let (before, after) = (before.records, after.records);
            let what = "a worker that stood still wrote when it went on";
            return Err(format!("{what}: {after:#?}\ninstead of {before:#?}").into());
        }
        after.is_like(wanted)?;
        Ok(Tried::Held)
    }
}
