//! The checks with worker processes: one dies, or stands still, at each point; another goes on.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

use super::kit::Kit;
use super::plan::Target;
use super::process::{Fate, Folder, Orders, Process};
use super::report::{Broken, Check, Report};
use super::scenario::{Result, Scenario};
use super::scene::{COMPENSATED, End, Scene, Seen};
use super::stage::Stage;
use super::sweep::Tried;
use crate::store::testkit as sql;

const DIES: Check = Check {
    name: "dies at each point",
    promise: "a run whose worker dies, before or after any commit or effect, is carried by another \
              one to the end that it has without a crash",
};

const STOPPED: Check = Check {
    name: "stopped at each point",
    promise: "a worker that stands still past its lease is taken over, and writes nothing when it \
              goes on",
};

/// A dead worker's lease is let run out by the kit: this one only has to outlive a busy machine.
const LONG: Duration = Duration::from_secs(5);

/// The lease of workers that stand still: it has to run out by itself.
const SHORT: Duration = Duration::from_secs(1);

const SIGKILL: i32 = 9;

/// A fault point, and what went wrong besides.
struct Point {
    at: String,
    refused: Option<Target>,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refused {
            None => write!(f, "{}", self.at),
            Some(Target { activity, call, .. }) => {
                write!(f, "{}, {activity}#{call} being refused", self.at)
            }
        }
    }
}

impl<S: Scenario> Kit<S> {
    /// A worker process dies, as by SIGKILL, at each point that an undisturbed run comes to, before
    /// and after each commit and each effect; another process carries the run to its end. If the
    /// scenario reaches its goal, so does one whose pivot, or last step, is refused, on its way back.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).dies_at_each_point().await?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the run does not end as it does without a crash.
    pub async fn dies_at_each_point(&self) -> std::result::Result<Report, Broken> {
        self.enter().await;
        let wanted = self.undisturbed(DIES).await?;
        let there = self.points_reached(&[]).await;
        let (there, _) = there.map_err(|e| self.broken(DIES, "a run that nobody kills", &*e))?;
        let passed: BTreeSet<String> = there.iter().cloned().collect();
        let at = |at: String| Point { at, refused: None };
        let mut points: Vec<Point> = there.into_iter().map(at).collect();
        let turned = match wanted.seen.state.as_str() {
            COMPENSATED => None,
            _ => self.last_refusal(wanted),
        };
        let mut unwound = None;
        if let Some(refused) = turned {
            let back = self.points_reached(std::slice::from_ref(&refused)).await;
            let (back, seen) = back.map_err(|e| self.broken(DIES, "a run made good", &*e))?;
            let new = back.into_iter().filter(|point| !passed.contains(point));
            points.extend(new.map(|at| Point { at, refused: Some(refused.clone()) }));
            unwound = Some(seen);
        }
        self.sweep(DIES, &points, async |point| {
            let like = unwound.as_ref().filter(|_| point.refused.is_some());
            self.die(point, like.unwrap_or(&wanted.seen)).await
        })
        .await
    }

    /// A worker process stops, as by SIGSTOP, at each point that an undisturbed run comes to; when
    /// its lease has run out, another one carries the run to its end; then the first goes on.
    ///
    /// Takes a second or two a point. A run that is made good is not stopped before a call: one
    /// that is late by more than a lease may come after its undo, and only the other side can
    /// refuse it.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).stopped_at_each_point().await?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the run does not end as undisturbed, or when its record changes after the first worker
    /// went on.
    pub async fn stopped_at_each_point(&self) -> std::result::Result<Report, Broken> {
        self.enter().await;
        let wanted = self.undisturbed(STOPPED).await?;
        let reached = self.points_reached(&[]).await;
        let (reached, _) = reached.map_err(|e| self.broken(STOPPED, "an undisturbed run", &*e))?;
        let may_be_late = wanted.seen.state != COMPENSATED;
        let points: Vec<String> = reached
            .into_iter()
            .filter(|point| may_be_late || !point.starts_with("before the call of"))
            .collect();
        self.sweep(STOPPED, &points, async |point| self.stop(point, &wanted.seen).await).await
    }

    /// The points that a run comes to in a worker process, and how it ends.
    async fn points_reached(&self, targets: &[Target]) -> Result<(Vec<String>, Seen)> {
        let scene = self.open().await?;
        let crew = Crew::new(self, &scene, targets, LONG)?;
        let log = crew.folder.file("points");
        let mut worker = crew.spawn("first", &Fate::Logs(&log))?;
        let end = if targets.is_empty() { End::AsDriven } else { End::Early };
        scene.play(end, async |_| worker.still_there()).await?;
        // A drained worker has come past every point that follows a commit.
        worker.retire().await?;
        let points = fs::read_to_string(&log)?.lines().map(str::to_owned).collect();
        Ok((points, scene.look().await?))
    }

    async fn die(&self, point: &Point, wanted: &Seen) -> Result<Tried> {
        let scene = self.open().await?;
        let targets: Vec<Target> = point.refused.iter().cloned().collect();
        let crew = Crew::new(self, &scene, &targets, LONG)?;
        let mut first = crew.spawn("first", &Fate::Dies(&point.at))?;
        let mut second: Option<Process> = None;
        let end = if targets.is_empty() { End::AsDriven } else { End::Early };
        let succeed = async |stage: &Stage| {
            if let Some(second) = &mut second {
                return second.still_there();
            }
            if let Some(status) = first.status()? {
                if status.signal() != Some(SIGKILL) {
                    return Err(first.fault(&format!("the worker ended with {status}")));
                }
                let mut conn = stage.pool().acquire().await?;
                sql::expire(&mut conn, "first").await?;
                second = Some(crew.spawn("second", &Fate::Lives)?);
            }
            Ok(())
        };
        scene.play(end, succeed).await?;
        let tried = match &mut second {
            Some(second) => second.retire().await.map(|()| Tried::Held)?,
            // The last points come after the last commit.
            None => match first.dismiss().await? {
                Some(status) if status.signal() == Some(SIGKILL) => Tried::Held,
                _ => Tried::Missed,
            },
        };
        scene.look().await?.is_like(wanted)?;
        Ok(tried)
    }

    async fn stop(&self, point: &str, wanted: &Seen) -> Result<Tried> {
        let scene = self.open().await?;
        let crew = Crew::new(self, &scene, &[], SHORT)?;
        let mut first = crew.spawn("first", &Fate::Stops(point))?;
        let mut second: Option<Process> = None;
        let succeed = async |_: &Stage| {
            match &mut second {
                Some(second) => second.still_there()?,
                None if first.stands_still()? => {
                    second = Some(crew.spawn("second", &Fate::Lives)?);
                }
                None => first.still_there()?,
            }
            Ok(())
        };
        scene.play(End::AsDriven, succeed).await?;
        if second.is_none() && first.dismiss().await?.is_some() {
            scene.look().await?.is_like(wanted)?;
            return Ok(Tried::Missed);
        }
        let before = scene.look().await?;
        before.is_like(wanted)?;
        first.go_on()?;
        if let Some(second) = &mut second {
            // It has come back as somebody else when it may claim again.
            let back = async || {
                let mut conn = scene.stage.pool().acquire().await?;
                Ok(sql::holds_lease(&mut conn, "first").await?)
            };
            scene.stage.until("the first worker is back", back).await?;
            second.retire().await?;
        }
        first.retire().await?;
        let after = scene.look().await?;
        if after.records != before.records {
            let (before, after) = (before.records, after.records);
            let what = "the first worker wrote when it went on";
            return Err(format!("{what}: {after:#?}\ninstead of {before:#?}").into());
        }
        after.is_like(wanted)?;
        Ok(Tried::Held)
    }
}

/// The worker processes of one world.
struct Crew<'a> {
    orders: Orders<&'a super::place::Place>,
    test: &'a str,
    folder: Arc<Folder>,
}

impl<'a> Crew<'a> {
    fn new<S: Scenario>(
        kit: &'a Kit<S>,
        scene: &'a Scene<'_, S>,
        targets: &[Target],
        lease: Duration,
    ) -> Result<Self> {
        let orders = Orders {
            scenario: kit.scenario.name(),
            place: scene.stage.place(),
            name: String::new(),
            lease_ms: u64::try_from(lease.as_millis())?,
            targets: targets.to_vec(),
        };
        Ok(Self { orders, test: &kit.test, folder: Arc::new(Folder::new()?) })
    }

    fn spawn(&self, name: &str, fate: &Fate<'_>) -> Result<Process> {
        let Orders { scenario, place, lease_ms, targets, .. } = &self.orders;
        let orders = Orders {
            scenario: scenario.clone(),
            place: *place,
            name: name.to_owned(),
            lease_ms: *lease_ms,
            targets: targets.clone(),
        };
        Process::spawn(self.test, &orders, fate, &self.folder)
    }
}
