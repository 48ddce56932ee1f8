//! What the kit has to be told about a saga: its world, its way through, and how the world looks.

use std::error::Error;
use std::future::Future;

use super::place::Place;
use super::stage::Stage;
use crate::operator::RunState;
use crate::registry::Registry;
use crate::workflow::Workflow;

/// What the parts of a scenario answer: any error fails the check, with the point that it tried.
///
/// ```
/// fn dpi(setting: &str) -> makegood::testkit::Result<u32> {
///     Ok(setting.parse()?)
/// }
/// assert_eq!(dpi("300").unwrap(), 300);
/// ```
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// One way through a saga, and the world that it needs: what the checks of a [`Kit`] work on.
///
/// Every point of every check runs in a world of its own. The [module page](crate::testkit) has a
/// whole example.
///
/// [`Kit`]: crate::testkit::Kit
///
/// ```
/// # use makegood::{Registry, Workflow};
/// use makegood::testkit::{Place, Result, Scenario, Stage};
///
/// /// A workflow without a world of its own.
/// struct Alone<W>(std::marker::PhantomData<fn() -> W>);
///
/// impl<W: Workflow<Input = ()>> Scenario for Alone<W> {
///     type Saga = W;
///
///     async fn place(&self) -> Result<Place> {
///         Ok(Place::new("postgres://localhost/test", "c_1")) // one that nobody else uses
///     }
///
///     fn registry(&self, _: &Place) -> Result<Registry> {
///         Ok(Registry::new().workflow::<W>())
///     }
///
///     async fn prepare(&self, _: &Stage) -> Result<()> {
///         Ok(())
///     }
///
///     async fn slate(&self, _: &Stage) -> Result<Vec<String>> {
///         Ok(Vec::new())
///     }
///
///     async fn outcome(&self, _: &Stage) -> Result<Vec<String>> {
///         Ok(Vec::new())
///     }
/// }
/// ```
pub trait Scenario: Send + Sync + 'static {
    /// The workflow.
    type Saga: Workflow;

    /// What the reports call it; by default the workflow's name.
    fn name(&self) -> String {
        Self::Saga::NAME.to_owned()
    }

    /// Makes a world that nobody else uses: a migrated cell with the tables of the saga's own, and
    /// whatever is outside.
    fn place(&self) -> impl Future<Output = Result<Place>>;

    /// What a worker in this world knows. Called in processes of their own too: whatever it needs
    /// is a [setting of the place](Place::setting).
    fn registry(&self, place: &Place) -> Result<Registry>;

    /// Fills the world, and says what the run is started with.
    fn prepare(
        &self,
        stage: &Stage,
    ) -> impl Future<Output = Result<<Self::Saga as Workflow>::Input>>;

    /// What the outside does while the run is under way, such as sending its signals.
    ///
    /// Afterwards only time can move the run: the kit skips to its next timer whenever it rests. In a
    /// run with a refused step, which may end early, this is abandoned at the end, and may fail.
    fn drive(&self, _stage: &Stage) -> impl Future<Output = Result<()>> {
        async { Ok(()) }
    }

    /// How the world looks, as far as a run that is made good must leave it as it was: a line for
    /// each fact. What it may leave behind, such as the note that it failed, is left out.
    fn slate(&self, stage: &Stage) -> impl Future<Output = Result<Vec<String>>>;

    /// Everything that the run brought about, a line for each fact, without ids and times: two runs
    /// that came to the same end have the same lines.
    fn outcome(&self, stage: &Stage) -> impl Future<Output = Result<Vec<String>>>;

    /// How the run ends when nothing disturbs it; by default it reaches its goal. A scenario that is
    /// made good says so: otherwise a mistake in it would leave all behind the pivot untried.
    fn ends(&self) -> RunState {
        RunState::Completed
    }

    /// What becomes of the run when this step is refused for good.
    fn refused(&self, _step: &str) -> Refusal {
        Refusal::MakesGood
    }

    /// Whether the outside may say the same thing twice, under two ids; by default of every kind of
    /// signal. A repeat under the same id is always harmless.
    fn is_repeated(&self, _signal: &str) -> bool {
        true
    }
}

/// What becomes of a run when one of its steps before the pivot is refused for good.
///
/// ```
/// use makegood::testkit::Refusal;
///
/// fn refused(step: &str) -> Refusal {
///     if step == "find_shelf" { Refusal::GoesOn } else { Refusal::MakesGood }
/// }
/// assert_eq!(refused("find_shelf"), Refusal::GoesOn);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is made good: everything before the step is undone.
    MakesGood,
    /// The workflow takes another way to its end, whichever.
    GoesOn,
    /// The step never refuses: when it fails for a while, the run still comes to its end.
    Never,
}
