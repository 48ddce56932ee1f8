//! Code with an effect: what a step calls. Holds no workflow logic.
//!
//! There are three kinds. [`InTransaction`]: SQL that runs in the very transaction that records
//! its result, so its effect happens exactly once. [`Outside`]: the world behind a network, tried
//! at least once, with a stable idempotency key. [`ReadOnly`]: the same without an effect.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::retry::RetryPolicy;

/// A named piece of code with an effect.
///
/// ```
/// use makegood::{Activity, ActivityResult, InTransaction};
/// use sqlx::PgConnection;
///
/// struct CountVisit;
///
/// impl Activity for CountVisit {
///     const NAME: &'static str = "count_visit";
///     type Kind = InTransaction;
///     type Input = String;
///     type Output = i64;
///
///     async fn run(&self, tx: &mut PgConnection, page: String) -> ActivityResult<i64> {
///         let sql = "update visits set count = count + 1 where page = $1 returning count";
///         Ok(sqlx::query_scalar(sql).bind(page).fetch_one(tx).await?)
///     }
/// }
/// ```
pub trait Activity: Send + Sync + 'static {
    /// The name under which its results are recorded. It must never be given to another activity.
    const NAME: &'static str;
    /// [`InTransaction`], [`Outside`] or [`ReadOnly`].
    type Kind: Kind;
    /// What it is called with; recorded as JSON.
    type Input: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What it answers; recorded as JSON.
    type Output: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Does it once. The context is the transaction, or the [`Attempt`].
    fn run(
        &self,
        context: &mut <Self::Kind as Kind>::Context,
        input: Self::Input,
    ) -> impl Future<Output = ActivityResult<Self::Output>> + Send;

    /// Looks up whether an earlier attempt with an unknown outcome took effect.
    ///
    /// Asked before every new attempt of an [`Outside`] activity that may have been tried before.
    /// The default says "try again": right where the other side makes the idempotency key unique.
    fn resolve(
        &self,
        _context: &mut <Self::Kind as Kind>::Context,
        _input: Self::Input,
    ) -> impl Future<Output = ActivityResult<Resolution<Self::Output>>> + Send {
        async { Ok(Resolution::TryAgain) }
    }

    /// How long and how often it is tried.
    fn retry(&self) -> RetryPolicy {
        RetryPolicy::default()
    }

    /// The longest that one attempt may take; afterwards its outcome is unknown.
    fn timeout(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// What a look-up of an unknown outcome found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution<O> {
    /// It had happened: this is its result.
    Done(O),
    /// It had not happened, or a repeat is harmless.
    TryAgain,
}

/// What an activity answers.
pub type ActivityResult<T> = Result<T, ActivityError>;

/// Why an activity did not answer with a result; the variant decides what the engine does.
#[derive(Debug)]
pub enum ActivityError {
    /// Final, and without effect: the workflow sees it as a [`crate::Rejection`].
    Rejected {
        /// A stable code for programs.
        code: Cow<'static, str>,
        /// A sentence for people.
        message: String,
    },
    /// Known to have had no effect: tried again after a delay.
    Retryable {
        /// What went wrong.
        message: String,
        /// The earliest next attempt, when the other side asked for one.
        after: Option<Duration>,
    },
    /// It may have happened: looked up by [`Activity::resolve`] before anything else.
    Unknown {
        /// What went wrong.
        message: String,
    },
    /// A person must look: the run is parked with an incident of this class.
    Review {
        /// The incident's class, such as `amount_mismatch`.
        class: Cow<'static, str>,
        /// A sentence for people.
        message: String,
    },
    /// Any other error. In a transaction nothing has happened, so it is tried again; outside,
    /// its outcome is unknown.
    Unclassified(Box<dyn std::error::Error + Send + Sync>),
}

impl ActivityError {
    /// A final refusal without effect.
    pub fn rejected(code: &'static str) -> Self {
        Self::Rejected { code: Cow::Borrowed(code), message: code.to_lowercase().replace('_', " ") }
    }

    /// A failure without effect that may pass.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable { message: message.into(), after: None }
    }

    /// A failure that may have had its effect.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::Unknown { message: message.into() }
    }

    /// A case for a person.
    pub fn review(class: &'static str, message: impl Into<String>) -> Self {
        Self::Review { class: Cow::Borrowed(class), message: message.into() }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for ActivityError {
    fn from(error: E) -> Self {
        Self::Unclassified(Box::new(error))
    }
}

/// One try of an activity outside the database.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The run that the step belongs to.
    pub run_id: Uuid,
    /// Which try this is, from 1.
    pub number: u32,
    /// The same for every try of this step, and for no other step: run id, step name, occurrence.
    pub idempotency_key: String,
}

/// The input of a compensating activity: what the step was called with, and its result if that
/// was ever learnt. The step may never have happened: an undo tolerates that.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(
    serialize = "A::Input: Serialize, A::Output: Serialize",
    deserialize = "A::Input: DeserializeOwned, A::Output: DeserializeOwned"
))]
pub struct Undoes<A: Activity> {
    /// The idempotency key of the step that is undone.
    pub idempotency_key: String,
    /// What the step was called with.
    pub input: A::Input,
    /// Its result; `None` when its outcome was never learnt.
    pub output: Option<A::Output>,
}

/// Runs in the transaction that records its result: its effect happens exactly once.
#[derive(Debug, Clone, Copy)]
pub struct InTransaction;

/// Has its effect outside the database: recorded as intended before it is tried.
#[derive(Debug, Clone, Copy)]
pub struct Outside;

/// Reads the outside world and changes nothing: needs no recorded intent.
#[derive(Debug, Clone, Copy)]
pub struct ReadOnly;

/// One of the three kinds of activity.
pub trait Kind: sealed::Sealed + Send + Sync + 'static {
    /// What an activity of this kind runs with.
    type Context: Send;
}

impl Kind for InTransaction {
    type Context = PgConnection;
}

impl Kind for Outside {
    type Context = Attempt;
}

impl Kind for ReadOnly {
    type Context = Attempt;
}

pub(crate) mod sealed {
    /// Only the engine names kinds.
    pub trait Sealed {}
    impl Sealed for super::InTransaction {}
    impl Sealed for super::Outside {}
    impl Sealed for super::ReadOnly {}
}
