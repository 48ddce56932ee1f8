//! What one writes: a workflow, a deterministic program of recorded steps. Has no effect itself.

use std::future::Future;
use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::activity::{Activity, Kind};
use crate::ctx::{Ctx, Signal};

/// A named, deterministic program.
///
/// Only what the [`Ctx`] offers may be awaited in it, and it touches no clock, no randomness and
/// no I/O: after a crash it is run again from the record of its steps.
///
/// ```
/// use makegood::{Activity, Ctx, Workflow, WorkflowResult};
/// # use makegood::{ActivityResult, Attempt, Outside};
/// # struct Greet;
/// # impl Activity for Greet {
/// #     const NAME: &'static str = "greet";
/// #     type Kind = Outside;
/// #     type Input = String;
/// #     type Output = ();
/// #     async fn run(&self, _: &mut Attempt, _: String) -> ActivityResult<()> { Ok(()) }
/// # }
///
/// /// Greets everybody, one after the other.
/// struct Welcome;
///
/// impl Workflow for Welcome {
///     const NAME: &'static str = "welcome";
///     type Input = Vec<String>;
///     type Output = usize;
///
///     async fn run(ctx: Ctx, guests: Vec<String>) -> WorkflowResult<usize> {
///         for guest in &guests {
///             ctx.step::<Greet>(guest).await?;
///         }
///         Ok(guests.len())
///     }
/// }
/// ```
pub trait Workflow: Send + Sync + 'static {
    /// The name under which its runs are stored.
    const NAME: &'static str;
    /// Raised when a change could not be replayed by runs that are under way.
    const VERSION: i32 = 1;
    /// The versions whose records this program can replay; its own, unless told otherwise. Runs of
    /// others wait, untouched, for a worker that can. Asked to cancel, they are undone by any
    /// worker that knows the workflow: undoing goes by the record.
    ///
    /// ```
    /// # use makegood::{Ctx, Workflow, WorkflowResult};
    /// struct Greet;
    ///
    /// impl Workflow for Greet {
    ///     const NAME: &'static str = "greet";
    ///     const VERSION: i32 = 3;
    ///     const RUNS: std::ops::RangeInclusive<i32> = 2..=3;
    ///     type Input = String;
    ///     type Output = String;
    ///     async fn run(_: Ctx, name: String) -> WorkflowResult<String> {
    ///         Ok(format!("hello, {name}"))
    ///     }
    /// }
    /// ```
    const RUNS: RangeInclusive<i32> = Self::VERSION..=Self::VERSION;
    /// What a run is started with; recorded as JSON.
    type Input: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What a run ends with; recorded as JSON.
    type Output: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The program.
    fn run(
        ctx: Ctx,
        input: Self::Input,
    ) -> impl Future<Output = WorkflowResult<Self::Output>> + Send;

    /// The activity that ends a made-good run, in the commit that ends it.
    fn closing() -> Option<Closing<Self>>
    where
        Self: Sized,
    {
        None
    }

    /// The workflow that takes a signal which this run can no longer take.
    fn late_signal() -> Option<Late<Self>>
    where
        Self: Sized,
    {
        None
    }
}

/// Names the activity that ends a made-good run. Made by [`Closing::by`].
///
/// ```
/// use makegood::{Activity, Closing, InTransaction, MadeGood, Workflow};
///
/// /// What `Workflow::closing` of `Checkout` answers.
/// fn closing<Checkout, CloseOrder>() -> Option<Closing<Checkout>>
/// where
///     Checkout: Workflow,
///     CloseOrder: Activity<Kind = InTransaction, Input = MadeGood<Checkout::Input>>,
/// {
///     Some(Closing::by::<CloseOrder>())
/// }
/// ```
#[derive(Debug)]
pub struct Closing<W: Workflow> {
    pub(crate) name: &'static str,
    workflow: std::marker::PhantomData<fn() -> W>,
}

impl<W: Workflow> Closing<W> {
    /// The activity `A`, which is one in the database, ends a made-good run.
    ///
    /// ```
    /// # use makegood::{Activity, ActivityResult, Closing, Ctx, InTransaction, MadeGood, Workflow, WorkflowResult};
    /// # use sqlx::PgConnection;
    /// struct CloseOrder;
    ///
    /// impl Activity for CloseOrder {
    ///     const NAME: &'static str = "close_order";
    ///     type Kind = InTransaction;
    ///     type Input = MadeGood<i64>;
    ///     type Output = ();
    ///
    ///     async fn run(&self, tx: &mut PgConnection, order: MadeGood<i64>) -> ActivityResult<()> {
    ///         let sql = "update orders set status = 'CANCELLED' where order_id = $1";
    ///         sqlx::query(sql).bind(order.input).execute(tx).await?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// struct Checkout;
    ///
    /// impl Workflow for Checkout {
    /// #     const NAME: &'static str = "checkout";
    /// #     type Input = i64;
    /// #     type Output = ();
    /// #     async fn run(_: Ctx, _: i64) -> WorkflowResult<()> { Ok(()) }
    ///     // ...
    ///     fn closing() -> Option<Closing<Self>> {
    ///         Some(Closing::by::<CloseOrder>())
    ///     }
    /// }
    /// ```
    pub fn by<A>() -> Self
    where
        A: Activity<Input = MadeGood<W::Input>>,
        A::Kind: Kind<Context = PgConnection>,
    {
        Self { name: A::NAME, workflow: std::marker::PhantomData }
    }
}

/// Names the workflow for late signals. Made by [`Late::to`].
///
/// ```
/// use makegood::{Late, LateSignal, Workflow};
///
/// /// What `Workflow::late_signal` of `Checkout` answers.
/// fn late<Checkout, LatePayment>() -> Option<Late<Checkout>>
/// where
///     Checkout: Workflow,
///     LatePayment: Workflow<Input = LateSignal<Checkout::Input>>,
/// {
///     Some(Late::to::<LatePayment>())
/// }
/// ```
pub struct Late<W: Workflow> {
    pub(crate) workflow: &'static str,
    pub(crate) version: i32,
    pub(crate) settled: Option<Box<Settled>>,
    from: std::marker::PhantomData<fn() -> W>,
}

/// Whether a run that completed with this output has settled what a signal of this kind says.
pub(crate) type Settled = dyn Fn(&str, &str, &str) -> bool + Send + Sync;

impl<W: Workflow> Late<W> {
    /// A late signal starts a run of `L`.
    ///
    /// ```
    /// # use makegood::{Ctx, Late, Workflow, WorkflowResult};
    /// use makegood::LateSignal;
    ///
    /// struct LatePayment;
    ///
    /// impl Workflow for LatePayment {
    ///     const NAME: &'static str = "late_payment";
    ///     type Input = LateSignal<i64>; // what `Checkout` is started with
    ///     type Output = ();
    ///
    ///     async fn run(_: Ctx, late: LateSignal<i64>) -> WorkflowResult<()> {
    ///         // give the money back that came for order `late.input`
    /// #       let _ = late;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// struct Checkout;
    ///
    /// impl Workflow for Checkout {
    /// #     const NAME: &'static str = "checkout";
    /// #     type Input = i64;
    /// #     type Output = ();
    /// #     async fn run(_: Ctx, _: i64) -> WorkflowResult<()> { Ok(()) }
    ///     // ...
    ///     fn late_signal() -> Option<Late<Self>> {
    ///         Some(Late::to::<LatePayment>())
    ///     }
    /// }
    /// ```
    pub fn to<L>() -> Self
    where
        L: Workflow<Input = LateSignal<W::Input>>,
    {
        let (workflow, version) = (L::NAME, L::VERSION);
        Self { workflow, version, settled: None, from: std::marker::PhantomData }
    }

    /// But not a signal of kind `S` that the completed run has settled, by its output.
    ///
    /// ```
    /// # use makegood::{Late, LateSignal, Signal, Workflow};
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Paid {
    ///     payment: String,
    /// }
    /// # impl Signal for Paid { const KIND: &'static str = "paid"; }
    ///
    /// /// `Checkout` ends with the payment that paid it: told of it again, nobody need do anything.
    /// fn late<Checkout, LatePayment>() -> Late<Checkout>
    /// where
    ///     Checkout: Workflow<Output = String>,
    ///     LatePayment: Workflow<Input = LateSignal<Checkout::Input>>,
    /// {
    ///     Late::to::<LatePayment>().unless::<Paid>(|paid_by: &String, paid| *paid_by == paid.payment)
    /// }
    /// ```
    #[must_use]
    pub fn unless<S: Signal>(mut self, settled: fn(&W::Output, &S) -> bool) -> Self {
        self.settled = Some(Box::new(move |output, kind, payload| {
            let read = (serde_json::from_str(output), serde_json::from_str(payload));
            match read {
                (Ok(output), Ok(signal)) => kind == S::KIND && settled(&output, &signal),
                (_, _) => false,
            }
        }));
        self
    }
}

/// What a workflow, or a part of it, answers.
///
/// ```
/// use makegood::{Activity, Ctx, WorkflowResult};
///
/// /// Whether the guest could be reached; no refusal ends the saga.
/// async fn told<Call: Activity<Input = String>>(ctx: &Ctx, guest: &String) -> WorkflowResult<bool> {
///     match ctx.step::<Call>(guest).await {
///         Ok(_) => Ok(true),
///         Err(makegood::Failure::Rejected(_)) => Ok(false),
///         Err(other) => Err(other),
///     }
/// }
/// ```
pub type WorkflowResult<T> = Result<T, Failure>;

/// Why a workflow did not reach its goal. Before the pivot each of these is made good by undoing
/// what was done, except [`Failure::Fault`].
///
/// ```
/// use makegood::{Failure, WorkflowResult};
///
/// /// Goes on without what is sold out, and passes on whatever else went wrong.
/// fn if_there<T>(answer: WorkflowResult<T>) -> WorkflowResult<Option<T>> {
///     match answer {
///         Ok(answer) => Ok(Some(answer)),
///         Err(Failure::Rejected(refused)) if refused.code == "SOLD_OUT" => Ok(None),
///         Err(other) => Err(other),
///     }
/// }
/// assert!(matches!(if_there(Ok(7)), Ok(Some(7))));
/// ```
#[derive(Debug, Clone)]
pub enum Failure {
    /// A step was refused for good.
    Rejected(Rejection),
    /// The workflow itself chose to end by compensating; made by [`Ctx::make_good`].
    MadeGood(Value),
    /// The program and its record do not fit together: the run is parked, nothing is undone.
    Fault(String),
}

/// A step's final refusal.
///
/// ```
/// use makegood::{Failure, Rejection};
///
/// let refused = Rejection {
///     step: "charge".to_owned(),
///     code: "DECLINED".to_owned(),
///     message: "declined".to_owned(),
/// };
/// let failure: Failure = refused.into();
/// assert!(matches!(failure, Failure::Rejected(refused) if refused.code == "DECLINED"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The step's name.
    pub step: String,
    /// A stable code for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Why a run is being made good.
///
/// ```
/// use makegood::Cause;
///
/// let cause = Cause::Operator { actor: "ada".to_owned(), reason: "it is a test".to_owned() };
/// assert_eq!(cause.to_string(), "ada decided so: it is a test");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// The workflow chose so, with its own reason.
    MadeGood {
        /// As given to [`Ctx::make_good`].
        reason: Value,
    },
    /// A step was refused.
    Rejected(Rejection),
    /// Somebody asked for it.
    Cancelled {
        /// As given to [`crate::Client::cancel`].
        reason: Value,
    },
    /// An operator decided it.
    Operator {
        /// Who.
        actor: String,
        /// Why.
        reason: String,
    },
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MadeGood { reason } => write!(f, "the workflow chose so: {reason}"),
            Self::Rejected(Rejection { step, code, message }) if message.is_empty() => {
                write!(f, "{step} was refused: {code}")
            }
            Self::Rejected(Rejection { step, code, message }) => {
                write!(f, "{step} was refused: {code}: {message}")
            }
            Self::Cancelled { reason } => {
                let said = |key| reason.get(key).and_then(Value::as_str);
                match (said("actor"), said("reason")) {
                    (Some(actor), Some(why)) => write!(f, "{actor} cancelled it: {why}"),
                    _ => write!(f, "it was cancelled: {reason}"),
                }
            }
            Self::Operator { actor, reason } => write!(f, "{actor} decided so: {reason}"),
        }
    }
}

impl Cause {
    /// The reason that was given to [`Ctx::make_good`] or [`crate::Client::cancel`], typed; `None`
    /// when there is none or it is not a `T`.
    ///
    /// ```
    /// # use makegood::Cause;
    /// #[derive(serde::Deserialize, PartialEq, Debug)]
    /// #[serde(rename_all = "snake_case")]
    /// enum Why {
    ///     Expired,
    ///     TooFar { km: u32 },
    /// }
    ///
    /// let cause = Cause::MadeGood { reason: serde_json::json!({ "too_far": { "km": 80 } }) };
    /// assert_eq!(cause.reason::<Why>(), Some(Why::TooFar { km: 80 }));
    /// ```
    pub fn reason<T: DeserializeOwned>(&self) -> Option<T> {
        match self {
            Self::MadeGood { reason } | Self::Cancelled { reason } => {
                serde_json::from_value(reason.clone()).ok()
            }
            Self::Rejected(_) | Self::Operator { .. } => None,
        }
    }
}

/// The input of a closing activity.
///
/// ```
/// use makegood::{Cause, MadeGood};
///
/// let ended = MadeGood {
///     input: 7,
///     cause: Cause::MadeGood { reason: "nobody paid".into() },
///     undone: Vec::new(),
/// };
/// assert_eq!(ended.cause.reason::<String>().as_deref(), Some("nobody paid"));
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MadeGood<I> {
    /// What the run was started with.
    pub input: I,
    /// Why it was made good.
    pub cause: Cause,
    /// What the undos answered, the latest step's first.
    pub undone: Vec<Undone>,
}

impl<I> MadeGood<I> {
    /// What the undo of a step answered: `None` when there was nothing to undo.
    ///
    /// ```
    /// # use makegood::{Cause, MadeGood, Undone};
    /// # let cause = Cause::MadeGood { reason: "nobody paid".into() };
    /// let undone = Undone { step: "charge".to_owned(), occurrence: 0, answer: "refund_9".into() };
    /// let ended = MadeGood { input: 7, cause, undone: vec![undone] };
    /// assert_eq!(ended.undo_of::<String>("charge").unwrap().as_deref(), Some("refund_9"));
    /// assert_eq!(ended.undo_of::<String>("ship").unwrap(), None, "it was never shipped");
    /// ```
    ///
    /// # Errors
    /// When the answer is not a `T`.
    pub fn undo_of<T: DeserializeOwned>(&self, step: &str) -> Result<Option<T>, serde_json::Error> {
        let undone = self.undone.iter().find(|undone| undone.step == step);
        undone.map(|undone| serde_json::from_value(undone.answer.clone())).transpose()
    }
}

/// What the undo of a step answered.
///
/// ```
/// use makegood::Undone;
///
/// let undone = Undone { step: "charge".to_owned(), occurrence: 1, answer: "refund_9".into() };
/// assert_eq!(undone.answer.as_str(), Some("refund_9"), "the second charge went back");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Undone {
    /// The step's name.
    pub step: String,
    /// Which call of that name.
    pub occurrence: i32,
    /// The undo's answer.
    pub answer: Value,
}

/// The input of the workflow that takes late signals.
///
/// ```
/// use makegood::{Activity, Ctx, LateSignal, WorkflowResult};
///
/// /// The body of a workflow that handles late payments.
/// async fn run<Refund: Activity<Input = serde_json::Value>>(
///     ctx: Ctx,
///     late: LateSignal<i64>,
/// ) -> WorkflowResult<()> {
///     if late.kind == "paid" {
///         ctx.step::<Refund>(&late.payload).await?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LateSignal<I> {
    /// The run that could no longer take it.
    pub run_id: Uuid,
    /// What that run was started with.
    pub input: I,
    /// The signal's kind.
    pub kind: String,
    /// The sender's id of the signal.
    pub signal_id: String,
    /// Its payload.
    pub payload: Value,
}
