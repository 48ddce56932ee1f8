//! Code with an effect: what a step calls. Holds no workflow logic.
//!
//! There are four kinds. [`InTransaction`]: SQL that runs in the very transaction that records
//! its result, so its effect happens exactly once. [`InBatch`]: the same for many runs at once,
//! for rows that all of them want. [`Outside`]: the world behind a network, tried
//! at least once, with a stable idempotency key. [`ReadOnly`]: the same without an effect.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use sqlx::PgConnection;
use tokio::sync::Notify;
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
    /// [`InTransaction`], [`InBatch`], [`Outside`] or [`ReadOnly`].
    type Kind: Kind;
    /// What it is called with; recorded as JSON.
    type Input: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What it answers; recorded as JSON.
    type Output: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Does it once. The context is the transaction, or the [`Attempt`].
    ///
    /// An [`InBatch`] activity takes the inputs of many runs and answers with a result for each,
    /// in their order; for all others it is one input and one result.
    fn run(
        &self,
        context: &mut <Self::Kind as Kind>::Context,
        input: <Self::Kind as Kind>::Given<Self::Input>,
    ) -> impl Future<Output = ActivityResult<<Self::Kind as Kind>::Answer<Self::Output>>> + Send;

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

    /// The longest that one attempt may take; afterwards its outcome is unknown. How long all
    /// attempts together may take is [`RetryPolicy::max_elapsed`].
    fn timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// The longest silence of a long attempt: it says with [`Attempt::heartbeat`] that it is alive,
    /// and its outcome is unknown when it does not. `None`: only the timeout counts.
    fn heartbeat(&self) -> Option<Duration> {
        None
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

impl ActivityError {
    /// What went wrong, in words.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Rejected { message, .. }
            | Self::Retryable { message, .. }
            | Self::Unknown { message }
            | Self::Review { message, .. } => message.clone(),
            Self::Unclassified(error) => error.to_string(),
        }
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
    pulse: Pulse,
}

impl Attempt {
    pub(crate) fn new(run_id: Uuid, number: u32, idempotency_key: String) -> Self {
        Self { run_id, number, idempotency_key, pulse: Pulse::default() }
    }

    /// Says that the attempt is alive, for activities that declare [`Activity::heartbeat`].
    pub fn heartbeat(&self) {
        self.pulse.0.notify_one();
    }

    pub(crate) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}

/// The heartbeats of an attempt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<Notify>);

impl Pulse {
    /// Returns once there was no beat for so long.
    pub(crate) async fn stopped(&self, silence: Duration) {
        while tokio::time::timeout(silence, self.0.notified()).await.is_ok() {}
    }
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
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub output: Option<A::Output>,
}

/// A result that is there is known, also if it is null, as that of `()` is.
fn known<'de, D: Deserializer<'de>, T: Deserialize<'de>>(source: D) -> Result<Option<T>, D::Error> {
    T::deserialize(source).map(Some)
}

/// Runs in the transaction that records its result: its effect happens exactly once.
#[derive(Debug, Clone, Copy)]
pub struct InTransaction;

/// Runs for many runs at once in the transaction that records its results: set-based SQL for rows
/// that many runs want at the same time.
///
/// ```
/// use makegood::{Activity, ActivityError, ActivityResult, InBatch};
/// use sqlx::PgConnection;
///
/// /// Takes tickets, one for each run, as long as there are any.
/// struct TakeTicket;
///
/// impl Activity for TakeTicket {
///     const NAME: &'static str = "take_ticket";
///     type Kind = InBatch;
///     type Input = String;
///     type Output = ();
///
///     async fn run(
///         &self,
///         tx: &mut PgConnection,
///         buyers: Vec<String>,
///     ) -> ActivityResult<Vec<ActivityResult<()>>> {
///         let sql = "with free as (select tickets from shows for update)
///              update shows set tickets = shows.tickets - least($1, free.tickets)
///              from free returning least($1, free.tickets)";
///         let wanted = i64::try_from(buyers.len())?;
///         let taken: i64 = sqlx::query_scalar(sql).bind(wanted).fetch_one(tx).await?;
///         let answer = |place| match place < taken {
///             true => Ok(()),
///             false => Err(ActivityError::rejected("SOLD_OUT")),
///         };
///         Ok((0..wanted).map(answer).collect())
///     }
/// }
/// ```
///
/// A refused input must have had no effect. An error of the whole splits the batch, down to a run
/// alone, so that one bad input does not fail its neighbours.
#[derive(Debug, Clone, Copy)]
pub struct InBatch;

/// Has its effect outside the database: recorded as intended before it is tried.
#[derive(Debug, Clone, Copy)]
pub struct Outside;

/// Reads the outside world and changes nothing: needs no recorded intent.
#[derive(Debug, Clone, Copy)]
pub struct ReadOnly;

/// One of the four kinds of activity.
pub trait Kind: sealed::Sealed + Send + Sync + 'static {
    /// What an activity of this kind runs with.
    type Context: Send;
    /// What it is given: an input, or those of many runs.
    type Given<I: Send>: Send;
    /// What it answers: a result, or one for each input.
    type Answer<O: Send>: Send;
}

impl Kind for InTransaction {
    type Context = PgConnection;
    type Given<I: Send> = I;
    type Answer<O: Send> = O;
}

impl Kind for InBatch {
    type Context = PgConnection;
    type Given<I: Send> = Vec<I>;
    type Answer<O: Send> = Vec<ActivityResult<O>>;
}

impl Kind for Outside {
    type Context = Attempt;
    type Given<I: Send> = I;
    type Answer<O: Send> = O;
}

impl Kind for ReadOnly {
    type Context = Attempt;
    type Given<I: Send> = I;
    type Answer<O: Send> = O;
}

pub(crate) mod sealed {
    /// Only the engine names kinds.
    pub trait Sealed {}
    impl Sealed for super::InTransaction {}
    impl Sealed for super::InBatch {}
    impl Sealed for super::Outside {}
    impl Sealed for super::ReadOnly {}
}
