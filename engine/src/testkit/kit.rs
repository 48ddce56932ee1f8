//! The kit: a scenario, its settings, and the runs in this process that every check is made of.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::plan::{Disturbance, Plan, Target};
use super::process::{self, config};
use super::report::{Broken, Check, Fault, Report};
use super::scenario::{Refusal, Result, Scenario};
use super::scene::{End, Scene};
use super::stage::Stage;
use super::survey::{Step, Survey};
use crate::runtime::Worker;
use crate::store::testkit as sql;

/// A worker of the test's own process is not meant to lose its lease, however busy the machine.
const LEASE: Duration = Duration::from_secs(15);

/// The standard checks of one scenario.
///
/// Make it first thing in a test that holds nothing else: its worker processes execute the same
/// test again, and turn into workers when they come to the kit.
///
/// ```no_run
/// use makegood::testkit::{Kit, Result, Scenario};
///
/// async fn passes(scenario: impl Scenario) -> Result<()> {
///     let kit = Kit::of(scenario).lanes(8);
///     for report in kit.all().await? {
///         assert!(report.missed().is_empty(), "every point is met again: {report}");
///     }
///     kit.stopped_at_each_point().await?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Kit<S: Scenario> {
    pub(crate) scenario: S,
    pub(crate) test: String,
    pub(crate) patience: Duration,
    pub(crate) lanes: usize,
    undisturbed: OnceCell<Survey>,
}

impl<S: Scenario> Kit<S> {
    /// The checks of this scenario, for the test that this thread runs.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// Kit::of(scenario).runs().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn of(scenario: S) -> Self {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let patience = Duration::from_mins(1);
        Self { scenario, test, patience, lanes: 4, undisturbed: OnceCell::new() }
    }

    /// How many points are tried side by side, each in a world of its own; by default 4.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// Kit::of(scenario).lanes(8).all().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes.max(1);
        self
    }

    /// How long a disturbed run may take to its end; by default a minute.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let patient = Kit::of(scenario).patience(std::time::Duration::from_secs(300));
    /// # drop(patient);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The test's name as the test runner knows it, where the thread does not have it.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// Kit::of(scenario).in_test("trip::a_trip_keeps_the_promises_of_sagas").all().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn in_test(mut self, name: &str) -> Self {
        name.clone_into(&mut self.test);
        self
    }

    /// Every check that applies to the scenario, but for
    /// [`stopped_at_each_point`](Self::stopped_at_each_point) and
    /// [`struck_twice`](Self::struck_twice).
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// for report in Kit::of(scenario).all().await? {
    ///     println!("{report}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
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
        let survey = self.undisturbed.get_or_try_init(async || {
            let survey = self.survey(Vec::new(), End::AsDriven).await?;
            survey.seen.is_ended(self.scenario.ends()).map(|()| survey)
        });
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
