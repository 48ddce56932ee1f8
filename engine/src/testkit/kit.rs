//! The kit: a scenario, the run that nothing disturbs, and a sweep over the points of a check.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use tokio::sync::OnceCell;

use super::plan::{Disturbance, Made, Plan, Target};
use super::process::{self, config};
use super::report::{Broken, Check, Fault, Report};
use super::scenario::{Refusal, Result, Scenario};
use super::scene::{End, Scene, Seen};
use super::stage::Stage;
use crate::action::StoredSignal;
use crate::run::panic_text;
use crate::runtime::Worker;
use crate::store::testkit as sql;

/// After so many broken points the rest is not tried.
const ENOUGH: usize = 3;

/// A worker of the test's own process is not meant to lose its lease, however busy the machine.
const LEASE: Duration = Duration::from_secs(15);

/// The standard checks of one scenario.
///
/// Make it first thing in a test that holds nothing else: its worker processes execute the same
/// test again, and turn into workers when they come to the kit.
#[derive(Debug)]
pub struct Kit<S: Scenario> {
    pub(crate) scenario: S,
    pub(crate) test: String,
    pub(crate) patience: Duration,
    lanes: usize,
    undisturbed: OnceCell<Survey>,
}

/// What a run did that came to its end without a crash.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) seen: Seen,
    /// The calls of activities, in their order.
    pub(crate) made: Vec<Made>,
    pub(crate) signals: Vec<StoredSignal>,
}

/// What came of trying a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    Held,
    /// The run did not come to the point.
    Missed,
}

impl<S: Scenario> Kit<S> {
    /// The checks of this scenario, for the test that this thread runs.
    pub fn of(scenario: S) -> Self {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let patience = Duration::from_mins(1);
        Self { scenario, test, patience, lanes: 4, undisturbed: OnceCell::new() }
    }

    /// How many points are tried side by side, each in a world of its own; by default 4.
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes.max(1);
        self
    }

    /// How long a disturbed run may take to its end; by default a minute.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The test's name as the test runner knows it, where the thread does not have it.
    #[must_use]
    pub fn in_test(mut self, name: &str) -> Self {
        name.clone_into(&mut self.test);
        self
    }

    /// Every check that applies to the scenario, but for
    /// [`stopped_at_each_point`](Self::stopped_at_each_point).
    ///
    /// # Errors
    /// The first one that does not hold.
    pub async fn all(&self) -> std::result::Result<Vec<Report>, Broken> {
        let mut reports = vec![
            self.runs().await?,
            self.repeats_each_step().await?,
            self.fails_at_each_step().await?,
        ];
        if self.unwinds().await? {
            reports.push(self.each_undo_fails_once().await?);
        }
        reports.push(self.dies_at_each_point().await?);
        if self.takes_signals().await? {
            reports.push(self.undisturbed_by_signals_twice_early_and_late().await?);
        }
        Ok(reports)
    }

    /// The first thing that a check does: in a worker process, the last.
    pub(crate) async fn enter(&self) {
        process::serve_if_told(&self.scenario).await;
    }

    pub(crate) fn title(&self, check: Check) -> String {
        format!("{}: {}", self.scenario.name(), check.name)
    }

    /// The run that nothing disturbs.
    pub(crate) async fn undisturbed(&self, check: Check) -> std::result::Result<&Survey, Broken> {
        let survey = self.undisturbed.get_or_try_init(|| self.survey(Vec::new(), End::AsDriven));
        survey.await.map_err(|error| self.broken(check, "an undisturbed run", &*error))
    }

    /// A run in this process in which these calls go wrong, and nothing else.
    pub(crate) async fn survey(&self, targets: Vec<Target>, end: End) -> Result<Survey> {
        let plan = Plan::new(targets);
        let scene = self.open().await?;
        self.in_process(&scene, &plan, end, async |_| Ok(())).await?;
        let mut conn = scene.stage.pool().acquire().await?;
        let signals = sql::signals_of(&mut conn, scene.stage.run_id()).await?;
        drop(conn);
        Ok(Survey { seen: scene.look().await?, made: plan.made(), signals })
    }

    pub(crate) async fn open(&self) -> Result<Scene<'_, S>> {
        Scene::open(&self.scenario, self.patience).await
    }

    /// Plays a scene to its end with a worker in this process.
    pub(crate) async fn in_process(
        &self,
        scene: &Scene<'_, S>,
        plan: &Arc<Plan>,
        end: End,
        meddle: impl AsyncFnMut(&Stage) -> Result<()>,
    ) -> Result<()> {
        let registry = plan.apply(self.scenario.registry(scene.stage.place())?);
        let config = config("makegood-testkit", LEASE);
        let worker = Worker::start(scene.stage.database(), registry, config).await?;
        let played = scene.play(end, meddle).await;
        worker.drain().await?;
        played
    }

    /// Lets each of these calls go wrong in turn; `judge` says what becomes of the run.
    pub(crate) async fn disturb(
        &self,
        check: Check,
        points: &[Vec<Target>],
        end: End,
        judge: impl Fn(&Target, &Seen) -> Result<()>,
    ) -> std::result::Result<Report, Broken> {
        let points: Vec<Point<'_>> = points.iter().filter_map(|all| Point::of(all)).collect();
        self.sweep(check, &points, async |point| {
            let plan = Plan::new(point.all.to_vec());
            let scene = self.open().await?;
            self.in_process(&scene, &plan, end, async |_| Ok(())).await?;
            judge(point.last, &scene.look().await?)?;
            Ok(if plan.was_met() { Tried::Held } else { Tried::Missed })
        })
        .await
    }

    /// Tries each point, several side by side.
    pub(crate) async fn sweep<P: Display>(
        &self,
        check: Check,
        points: &[P],
        trial: impl AsyncFn(&P) -> Result<Tried>,
    ) -> std::result::Result<Report, Broken> {
        let broken = AtomicUsize::new(0);
        let tried = stream::iter(points.iter().enumerate()).map(async |(index, point)| {
            if broken.load(Ordering::Relaxed) >= ENOUGH {
                return (index, None);
            }
            let caught = AssertUnwindSafe(trial(point)).catch_unwind().await;
            let tried = caught.unwrap_or_else(|panic| Err(panic_text(&*panic).into()));
            broken.fetch_add(usize::from(tried.is_err()), Ordering::Relaxed);
            (index, Some((point.to_string(), tried)))
        });
        let mut tried: Vec<_> = tried.buffer_unordered(self.lanes).collect().await;
        tried.sort_by_key(|(index, _)| *index);
        let mut report = Report { title: self.title(check), ..Report::default() };
        let mut faults = Vec::new();
        for (point, tried) in tried.into_iter().filter_map(|(_, tried)| tried) {
            match tried {
                Ok(Tried::Held) => report.points.push(point),
                Ok(Tried::Missed) => report.missed.push(point),
                Err(error) => faults.push(Fault { point, why: error.to_string() }),
            }
        }
        if faults.is_empty() && report.points.is_empty() {
            let missed = report.missed.len();
            let why = format!("of {missed} points none was reached: nothing was checked");
            faults.push(Fault { point: "no point".to_owned(), why });
        }
        report.show();
        if faults.is_empty() {
            return Ok(report);
        }
        Err(Broken { title: report.title, promise: check.promise, faults })
    }

    pub(crate) fn broken(
        &self,
        check: Check,
        point: &str,
        error: &dyn std::error::Error,
    ) -> Broken {
        let fault = Fault { point: point.to_owned(), why: error.to_string() };
        Broken { title: self.title(check), promise: check.promise, faults: vec![fault] }
    }

    /// The last call whose refusal lets a run of this kind be made good: the pivot, if there is one.
    pub(crate) fn last_refusal(&self, survey: &Survey) -> Option<Target> {
        let steps = survey.steps().take_while(|step| !step.past_pivot);
        let may = |step: &Step<'_>| self.scenario.refused(step.made.activity) == Refusal::MakesGood;
        steps.filter(may).last().map(|step| step.made.going(Disturbance::Refused))
    }
}

/// Calls that go wrong together, told apart by the last.
struct Point<'a> {
    all: &'a [Target],
    last: &'a Target,
}

impl<'a> Point<'a> {
    fn of(all: &'a [Target]) -> Option<Self> {
        Some(Self { all, last: all.last()? })
    }
}

impl Display for Point<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.last.fmt(f)
    }
}

/// An answered call of a step.
pub(crate) struct Step<'a> {
    pub(crate) made: &'a Made,
    pub(crate) past_pivot: bool,
}

impl Made {
    /// This call, as it goes wrong.
    pub(crate) fn going(&self, disturbance: Disturbance) -> Target {
        Target { activity: self.activity.to_owned(), call: self.call, disturbance }
    }
}

impl Survey {
    /// The calls that were answered with a result.
    pub(crate) fn answered(&self) -> impl Iterator<Item = &Made> {
        self.made.iter().filter(|made| made.answered)
    }

    /// Those that are steps of a program.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let pivot = self.seen.records.iter().find(|row| row.pivot);
        let mut seen = 0;
        let mut past_pivot = false;
        self.answered().filter(|made| self.is_step(made)).map(move |made| {
            let step = Step { made, past_pivot };
            if let Some(pivot) = pivot.filter(|pivot| pivot.name == made.activity) {
                past_pivot |= pivot.occurrence == seen;
                seen += 1;
            }
            step
        })
    }

    /// Those that undo a step, or close a run that was made good.
    pub(crate) fn undos(&self) -> impl Iterator<Item = &Made> {
        self.answered().filter(|made| !self.is_step(made))
    }

    fn is_step(&self, made: &Made) -> bool {
        let of_step = |kind: &str| matches!(kind, "done" | "rejected");
        self.seen.records.iter().any(|row| row.name == made.activity && of_step(&row.kind))
    }
}
