//! The workflows and activities that a worker can run, found by the names in the record.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::value::to_raw_value;
use sqlx::PgConnection;

use crate::activity::{
    Activity, ActivityError, ActivityResult, Attempt, InBatch, InTransaction, Kind, Outside,
    ReadOnly, Resolution,
};
use crate::ctx::Ctx;
use crate::journal::Payload;
use crate::late::LateCode;
use crate::retry::RetryPolicy;
use crate::run::{Program, panic_text};
use crate::workflow::{Failure, Workflow};

/// A workflow's code without its types.
pub(crate) struct WorkflowCode {
    pub(crate) start: fn(Ctx, Payload) -> Program,
    /// The versions whose records it can replay.
    pub(crate) versions: RangeInclusive<i32>,
    pub(crate) closing: Option<&'static str>,
    pub(crate) late: Option<LateCode>,
}

/// An activity's code without its types.
pub(crate) trait ActivityCode: Send + Sync {
    fn kind(&self) -> KindOf;
    fn retry(&self) -> RetryPolicy;
    fn timeout(&self) -> Duration;
    fn heartbeat(&self) -> Option<Duration> {
        None
    }
    fn transact<'a>(
        &'a self,
        _tx: &'a mut PgConnection,
        _input: &'a Payload,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        Box::pin(async { Err(ActivityError::retryable("not an activity in a transaction")) })
    }
    fn transact_all<'a>(
        &'a self,
        _tx: &'a mut PgConnection,
        _inputs: &'a [Payload],
    ) -> BoxFuture<'a, ActivityResult<Answers>> {
        Box::pin(async { Err(ActivityError::retryable("not an activity in a batch")) })
    }
    fn call<'a>(
        &'a self,
        _attempt: Attempt,
        _input: &'a Payload,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        Box::pin(async { Err(ActivityError::retryable("not an activity outside")) })
    }
    fn resolve<'a>(
        &'a self,
        _attempt: Attempt,
        _input: &'a Payload,
    ) -> BoxFuture<'a, ActivityResult<Resolution<Payload>>> {
        Box::pin(async { Ok(Resolution::TryAgain) })
    }
}

/// What a batch answers: a result for each input.
pub(crate) type Answers = Vec<ActivityResult<Payload>>;

/// An activity's kind as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KindOf {
    InTransaction,
    InBatch,
    Outside,
    ReadOnly,
}

impl KindOf {
    pub(crate) fn in_transaction(self) -> bool {
        matches!(self, Self::InTransaction | Self::InBatch)
    }

    pub(crate) fn needs_intent(self) -> bool {
        self == Self::Outside
    }
}

/// Kinds of activity that a [`Registry`] takes in.
#[doc(hidden)]
pub trait Registered: Kind {
    /// Forgets the activity's types.
    #[doc(hidden)]
    fn erase<A: Activity<Kind = Self>>(activity: A) -> Erased;
}

/// An activity without its types.
#[doc(hidden)]
pub struct Erased(Arc<dyn ActivityCode>);

impl Registered for InTransaction {
    fn erase<A: Activity<Kind = Self>>(activity: A) -> Erased {
        Erased(Arc::new(Transacted(activity)))
    }
}

impl Registered for InBatch {
    fn erase<A: Activity<Kind = Self>>(activity: A) -> Erased {
        Erased(Arc::new(Batched(activity)))
    }
}

impl Registered for Outside {
    fn erase<A: Activity<Kind = Self>>(activity: A) -> Erased {
        Erased(Arc::new(Called(activity, KindOf::Outside)))
    }
}

impl Registered for ReadOnly {
    fn erase<A: Activity<Kind = Self>>(activity: A) -> Erased {
        Erased(Arc::new(Called(activity, KindOf::ReadOnly)))
    }
}

/// What a worker can run.
///
/// ```
/// # use makegood::{Activity, Workflow};
/// use makegood::Registry;
///
/// /// What the workers of a shop can run.
/// fn shop<Checkout: Workflow>(charge: impl Activity<Kind = makegood::Outside>) -> Registry {
///     Registry::new().workflow::<Checkout>().activity(charge)
/// }
/// ```
#[derive(Default, Clone)]
pub struct Registry {
    workflows: BTreeMap<&'static str, Arc<WorkflowCode>>,
    activities: BTreeMap<&'static str, Arc<dyn ActivityCode>>,
    /// The types behind the names, of workflows and of activities.
    types: BTreeMap<(bool, &'static str), TypeId>,
    /// Names that were given to two types.
    twice: Vec<&'static str>,
}

impl Registry {
    /// A registry that knows nothing yet.
    ///
    /// ```
    /// assert!(makegood::Registry::new().workflow_names().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a workflow.
    ///
    /// ```
    /// # use makegood::{Registry, Workflow};
    /// fn registry<Checkout: Workflow, LatePayment: Workflow>() -> Registry {
    ///     Registry::new().workflow::<Checkout>().workflow::<LatePayment>()
    /// }
    /// ```
    #[must_use]
    pub fn workflow<W: Workflow>(mut self) -> Self {
        let code = WorkflowCode {
            start: start::<W>,
            versions: W::RUNS,
            closing: W::closing().map(|c| c.name),
            late: W::late_signal().map(LateCode::of),
        };
        self.workflows.insert(W::NAME, Arc::new(code));
        self.note::<W>(true, W::NAME);
        self
    }

    /// Adds an activity, with whatever it holds: clients, settings.
    ///
    /// ```
    /// # use makegood::{Activity, ActivityResult, Attempt, Outside, Registry};
    /// /// Knows where the printer is.
    /// struct Print { address: String }
    /// # impl Activity for Print {
    /// #     const NAME: &'static str = "print";
    /// #     type Kind = Outside;
    /// #     type Input = String;
    /// #     type Output = ();
    /// #     async fn run(&self, _: &mut Attempt, _: String) -> ActivityResult<()> { Ok(()) }
    /// # }
    ///
    /// let registry = Registry::new().activity(Print { address: "printer:9100".to_owned() });
    /// ```
    #[must_use]
    pub fn activity<A>(mut self, activity: A) -> Self
    where
        A: Activity,
        A::Kind: Registered,
    {
        self.activities.insert(A::NAME, A::Kind::erase(activity).0);
        self.note::<A>(false, A::NAME);
        self
    }

    /// The same type may come again: what it holds is then the last one's.
    fn note<T: 'static>(&mut self, is_workflow: bool, name: &'static str) {
        let new = TypeId::of::<T>();
        if *self.types.entry((is_workflow, name)).or_insert(new) != new {
            self.twice.push(name);
        }
    }

    /// The names of all workflows.
    ///
    /// ```
    /// # use makegood::{Registry, Workflow};
    /// fn log<Checkout: Workflow>() {
    ///     let registry = Registry::new().workflow::<Checkout>();
    ///     println!("this worker runs {}", registry.workflow_names().join(", "));
    /// }
    /// ```
    pub fn workflow_names(&self) -> Vec<String> {
        self.workflows.keys().map(|name| (*name).to_owned()).collect()
    }

    /// The names of all activities.
    ///
    /// ```
    /// # use makegood::{Activity, InTransaction, Registry};
    /// fn log<Charge: Activity<Kind = InTransaction>>(charge: Charge) {
    ///     let registry = Registry::new().activity(charge);
    ///     println!("this worker does {}", registry.activity_names().join(", "));
    /// }
    /// ```
    pub fn activity_names(&self) -> Vec<String> {
        self.activities.keys().map(|name| (*name).to_owned()).collect()
    }

    /// The same, with each activity behind what `wrap` makes of it.
    #[cfg(feature = "testkit")]
    pub(crate) fn wrapped(
        mut self,
        wrap: impl Fn(&'static str, Arc<dyn ActivityCode>) -> Arc<dyn ActivityCode>,
    ) -> Self {
        self.activities = self.activities.into_iter().map(|(n, code)| (n, wrap(n, code))).collect();
        self
    }

    /// A name that two types of workflow, or of activity, have: one would run as the other.
    pub(crate) fn ambiguous(&self) -> Option<&'static str> {
        self.twice.first().copied()
    }

    pub(crate) fn code_of(&self, workflow: &str) -> Option<Arc<WorkflowCode>> {
        self.workflows.get(workflow).cloned()
    }

    /// The versions of a workflow that can be run; `None` when the workflow is unknown.
    pub(crate) fn versions_of(&self, workflow: &str) -> Option<&RangeInclusive<i32>> {
        self.workflows.get(workflow).map(|code| &code.versions)
    }

    pub(crate) fn code_for(&self, activity: &str) -> Option<Arc<dyn ActivityCode>> {
        self.activities.get(activity).cloned()
    }

    pub(crate) fn kind_of(&self, activity: &str) -> Option<KindOf> {
        self.activities.get(activity).map(|code| code.kind())
    }
}

fn start<W: Workflow>(ctx: Ctx, input: Payload) -> Program {
    Box::pin(async move {
        let input = serde_json::from_str(input.get())
            .map_err(|e| Failure::Fault(format!("the input of {} cannot be read: {e}", W::NAME)))?;
        let output = W::run(ctx, input).await?;
        to_raw_value(&output)
            .map_err(|e| Failure::Fault(format!("the output of {} is not JSON: {e}", W::NAME)))
    })
}

struct Transacted<A>(A);

impl<A: Activity<Kind = InTransaction>> ActivityCode for Transacted<A> {
    fn kind(&self) -> KindOf {
        KindOf::InTransaction
    }

    fn retry(&self) -> RetryPolicy {
        self.0.retry()
    }

    fn timeout(&self) -> Duration {
        self.0.timeout()
    }

    fn transact<'a>(
        &'a self,
        tx: &'a mut PgConnection,
        input: &'a Payload,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        guarded(async move {
            let input = serde_json::from_str(input.get())?;
            Ok(to_raw_value(&self.0.run(tx, input).await?)?)
        })
    }
}

struct Batched<A>(A);

impl<A: Activity<Kind = InBatch>> ActivityCode for Batched<A> {
    fn kind(&self) -> KindOf {
        KindOf::InBatch
    }

    fn retry(&self) -> RetryPolicy {
        self.0.retry()
    }

    fn timeout(&self) -> Duration {
        self.0.timeout()
    }

    fn transact_all<'a>(
        &'a self,
        tx: &'a mut PgConnection,
        inputs: &'a [Payload],
    ) -> BoxFuture<'a, ActivityResult<Answers>> {
        guarded(async move {
            let read = inputs.iter().map(|input| serde_json::from_str(input.get()));
            let answers = self.0.run(tx, read.collect::<Result<_, _>>()?).await?;
            let write = |answer: ActivityResult<A::Output>| Ok(to_raw_value(&answer?)?);
            Ok(answers.into_iter().map(write).collect())
        })
    }
}

struct Called<A>(A, KindOf);

impl<A> ActivityCode for Called<A>
where
    A: Activity,
    A::Kind: Kind<Context = Attempt, Given<A::Input> = A::Input, Answer<A::Output> = A::Output>,
{
    fn kind(&self) -> KindOf {
        self.1
    }

    fn heartbeat(&self) -> Option<Duration> {
        self.0.heartbeat()
    }

    fn retry(&self) -> RetryPolicy {
        self.0.retry()
    }

    fn timeout(&self) -> Duration {
        self.0.timeout()
    }

    fn call<'a>(
        &'a self,
        mut attempt: Attempt,
        input: &'a Payload,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        guarded(async move {
            let input = serde_json::from_str(input.get()).map_err(|e| unreadable(&e))?;
            Ok(to_raw_value(&self.0.run(&mut attempt, input).await?)?)
        })
    }

    fn resolve<'a>(
        &'a self,
        mut attempt: Attempt,
        input: &'a Payload,
    ) -> BoxFuture<'a, ActivityResult<Resolution<Payload>>> {
        guarded(async move {
            let input = serde_json::from_str(input.get()).map_err(|e| unreadable(&e))?;
            Ok(match self.0.resolve(&mut attempt, input).await? {
                Resolution::Done(output) => Resolution::Done(to_raw_value(&output)?),
                Resolution::TryAgain => Resolution::TryAgain,
            })
        })
    }
}

/// An input that its activity cannot read has had no effect.
fn unreadable(error: &serde_json::Error) -> ActivityError {
    ActivityError::retryable(format!("its input cannot be read: {error}"))
}

/// A panic of an activity is an error of its attempt, not the end of the worker.
fn guarded<'a, T: 'a>(
    work: impl Future<Output = ActivityResult<T>> + Send + 'a,
) -> BoxFuture<'a, ActivityResult<T>> {
    Box::pin(AssertUnwindSafe(work).catch_unwind().map(|caught| match caught {
        Ok(answer) => answer,
        Err(panic) => {
            metrics::counter!("makegood_panics_total").increment(1);
            Err(ActivityError::Unclassified(format!("it panicked: {}", panic_text(&*panic)).into()))
        }
    }))
}
