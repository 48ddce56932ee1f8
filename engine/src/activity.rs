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

use crate::database_words::words;
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
///
/// ```
/// use makegood::Resolution;
///
/// /// The payment that the bank knows under a key, if it knows one.
/// fn resolution(found: Option<String>) -> Resolution<String> {
///     found.map_or(Resolution::TryAgain, Resolution::Done)
/// }
/// assert_eq!(resolution(None), Resolution::TryAgain);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution<O> {
    /// It had happened: this is its result.
    Done(O),
    /// It had not happened, or a repeat is harmless.
    TryAgain,
}

/// What an activity answers.
///
/// ```
/// use makegood::{ActivityError, ActivityResult};
///
/// fn seat(number: &str) -> ActivityResult<u32> {
///     let number = number.parse()?; // any error, in words
///     if number > 100 {
///         return Err(ActivityError::rejected("NO_SUCH_SEAT"));
///     }
///     Ok(number)
/// }
/// assert_eq!(seat("7").unwrap(), 7);
/// ```
pub type ActivityResult<T> = Result<T, ActivityError>;

/// Why an activity did not answer with a result; the variant decides what the engine does.
///
/// ```
/// use makegood::ActivityError;
///
/// /// What a gateway's status means for a request that has an effect.
/// fn meaning(status: u16) -> ActivityError {
///     match status {
///         402 => ActivityError::rejected("DECLINED"),
///         429 => ActivityError::retryable("asked too often"),
///         _ => ActivityError::unknown(format!("status {status}")),
///     }
/// }
/// assert!(matches!(meaning(502), ActivityError::Unknown { .. }));
/// ```
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
    /// Not attempted at all, since the other side is known to be away: made later, and no attempt
    /// is counted. In a transaction it is a failed attempt like any other.
    NotTried {
        /// Why not.
        message: String,
        /// When to try, from now.
        after: Duration,
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
    ///
    /// ```
    /// let refused = makegood::ActivityError::rejected("OUT_OF_STOCK");
    /// let makegood::ActivityError::Rejected { code, message } = refused else { panic!() };
    /// assert_eq!((code.as_ref(), message.as_str()), ("OUT_OF_STOCK", "out of stock"));
    /// ```
    pub fn rejected(code: &'static str) -> Self {
        Self::Rejected { code: Cow::Borrowed(code), message: code.to_lowercase().replace('_', " ") }
    }

    /// A failure without effect that may pass.
    ///
    /// ```
    /// let passing = makegood::ActivityError::retryable("the printer is warming up");
    /// assert!(matches!(passing, makegood::ActivityError::Retryable { after: None, .. }));
    /// ```
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable { message: message.into(), after: None }
    }

    /// A failure that may have had its effect.
    ///
    /// ```
    /// let broken = makegood::ActivityError::unknown("the connection broke");
    /// assert!(matches!(broken, makegood::ActivityError::Unknown { .. }));
    /// ```
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::Unknown { message: message.into() }
    }

    /// A case for a person.
    ///
    /// ```
    /// let odd = makegood::ActivityError::review("amount_mismatch", "paid 90 of 100");
    /// assert!(matches!(odd, makegood::ActivityError::Review { .. }));
    /// ```
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
            | Self::NotTried { message, .. }
            | Self::Unknown { message }
            | Self::Review { message, .. } => message.clone(),
            Self::Unclassified(error) => words(error.as_ref()),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for ActivityError {
    fn from(error: E) -> Self {
        Self::Unclassified(Box::new(error))
    }
}

/// One try of an activity outside the database.
///
/// ```
/// use makegood::{Activity, ActivityResult, Attempt, Outside};
///
/// struct Print;
///
/// impl Activity for Print {
///     const NAME: &'static str = "print";
///     type Kind = Outside;
///     type Input = String;
///     type Output = ();
///
///     async fn run(&self, attempt: &mut Attempt, text: String) -> ActivityResult<()> {
///         // Send `text` with `attempt.idempotency_key`: the printer prints each key once.
///         tracing::info!(attempt.number, key = attempt.idempotency_key, text, "printing");
///         Ok(())
///     }
/// }
/// ```
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
    ///
    /// ```
    /// # use makegood::{ActivityResult, Attempt};
    /// async fn run(attempt: &mut Attempt, pages: Vec<String>) -> ActivityResult<usize> {
    ///     for page in &pages {
    ///         // ... print `page`, which takes a while
    ///         attempt.heartbeat();
    ///     }
    ///     Ok(pages.len())
    /// }
    /// ```
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
///
/// ```
/// # use makegood::{Activity, ActivityResult, Attempt, InTransaction, Outside};
/// use makegood::Undoes;
/// use sqlx::PgConnection;
///
/// # struct HoldSeat;
/// # impl Activity for HoldSeat {
/// #     const NAME: &'static str = "hold_seat";
/// #     type Kind = Outside;
/// #     type Input = i32;
/// #     type Output = ();
/// #     async fn run(&self, _: &mut Attempt, _: i32) -> ActivityResult<()> { Ok(()) }
/// # }
/// struct FreeSeat;
///
/// impl Activity for FreeSeat {
///     const NAME: &'static str = "free_seat";
///     type Kind = InTransaction;
///     type Input = Undoes<HoldSeat>;
///     type Output = ();
///
///     async fn run(&self, tx: &mut PgConnection, hold: Undoes<HoldSeat>) -> ActivityResult<()> {
///         let sql = "update seats set holder = null where seat = $1";
///         sqlx::query(sql).bind(hold.input).execute(tx).await?; // no row: it never happened
///         Ok(())
///     }
/// }
/// ```
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
///
/// ```
/// # use makegood::{Activity, ActivityResult};
/// use makegood::InTransaction;
/// use sqlx::PgConnection;
///
/// struct Note;
///
/// impl Activity for Note {
///     const NAME: &'static str = "note";
///     type Kind = InTransaction;
///     type Input = String;
///     type Output = ();
///
///     async fn run(&self, tx: &mut PgConnection, note: String) -> ActivityResult<()> {
///         sqlx::query("insert into notes (note) values ($1)").bind(note).execute(tx).await?;
///         Ok(())
///     }
/// }
/// ```
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
///
/// ```
/// # use makegood::{Activity, ActivityError, ActivityResult, Attempt};
/// # struct Gateway;
/// # impl Gateway { async fn charge(&self, _: &str, _: i64) -> Result<String, u16> { Ok(String::new()) } }
/// use makegood::Outside;
///
/// struct Charge(Gateway);
///
/// impl Activity for Charge {
///     const NAME: &'static str = "charge";
///     type Kind = Outside;
///     type Input = i64;
///     type Output = String;
///
///     async fn run(&self, attempt: &mut Attempt, amount: i64) -> ActivityResult<String> {
///         let charged = self.0.charge(&attempt.idempotency_key, amount).await;
///         charged.map_err(|status| ActivityError::unknown(format!("status {status}")))
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Outside;

/// Reads the outside world and changes nothing: needs no recorded intent.
///
/// ```
/// # use makegood::{Activity, ActivityResult, Attempt};
/// # struct Gateway;
/// # impl Gateway { async fn rate(&self, _: &str) -> Result<i64, std::io::Error> { Ok(1) } }
/// use makegood::ReadOnly;
///
/// struct ReadRate(Gateway);
///
/// impl Activity for ReadRate {
///     const NAME: &'static str = "read_rate";
///     type Kind = ReadOnly;
///     type Input = String;
///     type Output = i64;
///
///     async fn run(&self, _: &mut Attempt, currency: String) -> ActivityResult<i64> {
///         Ok(self.0.rate(&currency).await?)
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ReadOnly;

/// One of the four kinds of activity.
///
/// ```
/// use makegood::{Activity, Outside, ReadOnly};
///
/// /// Whether both have their effect in the same place.
/// fn alike<A: Activity, B: Activity<Kind = A::Kind>>() {}
/// ```
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
    #[doc(hidden)]
    pub trait Sealed {}
    impl Sealed for super::InTransaction {}
    impl Sealed for super::InBatch {}
    impl Sealed for super::Outside {}
    impl Sealed for super::ReadOnly {}
}
