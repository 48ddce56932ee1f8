//! The engine's client: start, signal, cancel and read runs. It drives none.

mod answers;
mod endings;
mod gather;
mod now;
mod queues;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::action::StoredSignal;
use crate::config::Database;
use crate::ctx::Signal;
use crate::error::Error;
use crate::journal::Payload;
use crate::lane::{Lanes, StartOptions};
use crate::late::{self, LateCode};
use crate::operator::{self, Operator, Refusal, VerbKind, refusal};
use crate::run::CANCEL;
use crate::store::runs::{self, NewRun};
use crate::store::tasks::by_operator;
use crate::store::whole::Whole;
use crate::store::{migrated, signals, steps, tasks};
use crate::wake::Hints;
use crate::workflow::{Cause, Workflow};

use endings::Endings;
use gather::Queue;
use now::{NewSignal, NewStart, SignalDesk, StartDesk};
pub use queues::{QueueLimits, QueueStatus, Rate};

/// Starts, signals and cancels runs, inside the caller's own transactions; on a connection that is
/// in none, each in one of its own.
///
/// ```no_run
/// # async fn example() -> Result<(), makegood::Error> {
/// # use makegood::{Client, Ctx, Database, Workflow, WorkflowResult};
/// struct Greet;
///
/// impl Workflow for Greet {
///     const NAME: &'static str = "greet";
///     type Input = String;
///     type Output = String;
///     async fn run(_: Ctx, name: String) -> WorkflowResult<String> {
///         Ok(format!("hello, {name}"))
///     }
/// }
///
/// let database = Database::new("postgres://localhost/shop", "makegood")?;
/// let client = Client::connect(&database).await?;
/// let pool = database.pool("shop", 5).await?;
/// let mut tx = pool.begin().await?;
/// client.start::<Greet>(&mut tx, "greeting-1", &"Ada".to_owned()).await?;
/// tx.commit().await?;
/// client.wake();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    lanes: Lanes,
    hints: Hints,
    starts: Queue<NewStart, Started>,
    signals: Queue<NewSignal, Delivery>,
    endings: Endings,
    payload_limit: usize,
}

/// A run that was started, or found.
///
/// ```
/// use makegood::Started;
///
/// fn words(started: Started) -> String {
///     let verb = if started.created { "is started" } else { "was started before" };
///     format!("{} {verb}", started.run_id)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The run's id.
    pub run_id: Uuid,
    /// Whether this call started it; `false` when the workflow id was started before.
    pub created: bool,
}

/// What became of a signal.
///
/// ```
/// use makegood::Delivery;
///
/// /// What a webhook answers its sender: whatever came of it, it need not come again.
/// fn status(delivery: Delivery) -> u16 {
///     match delivery {
///         Delivery::Queued | Delivery::Late => 202,
///         Delivery::Repeated => 200,
///     }
/// }
/// assert_eq!(status(Delivery::Repeated), 200);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is stored, and its run will take it.
    Queued,
    /// The run had a signal with this id already: nothing changed.
    Repeated,
    /// The run has ended: its handler for late signals takes it, if it has one.
    Late,
}

/// How a cancel was received.
///
/// ```
/// use makegood::Cancellation;
///
/// fn words(answer: Cancellation) -> &'static str {
///     match answer {
///         Cancellation::Requested => "is being cancelled",
///         Cancellation::PastPivot => "is on its way, and cannot be called back",
///         Cancellation::Ended => "is over",
///     }
/// }
/// assert_eq!(words(Cancellation::Ended), "is over");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// The run will take it before its pivot, at its next wait or end, and undo what it did. If
    /// its pivot is outside the database and under way, the answer of that decides.
    Requested,
    /// The run is past its pivot: there is only forward.
    PastPivot,
    /// The run has ended.
    Ended,
}

/// How a run ended.
///
/// ```
/// use makegood::Ending;
///
/// fn words(ending: Ending<String>) -> String {
///     match (ending.output, ending.cause) {
///         (Some(output), _) => output,
///         (None, Some(cause)) => format!("made good: {cause:?}"),
///         (None, None) => ending.state,
///     }
/// }
/// let ending = Ending { state: "CLOSED".to_owned(), output: None, cause: None };
/// assert_eq!(words(ending), "CLOSED");
/// ```
#[derive(Debug, Clone)]
pub struct Ending<T> {
    /// `COMPLETED`, `COMPENSATED` or `CLOSED`.
    pub state: String,
    /// The output of a completed run.
    pub output: Option<T>,
    /// Why a compensated run was made good.
    pub cause: Option<Cause>,
}

impl Client {
    /// A client with a small pool of its own, for hints and reads.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), makegood::Error> {
    /// use makegood::{Client, Database};
    ///
    /// let database = Database::new("postgres://localhost/shop", "makegood")?;
    /// let client = Client::connect(&database).await?; // once; a clone is cheap
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Database`] when it does not answer; [`Error::NotMigrated`] when the cell has not the
    /// engine's tables.
    pub async fn connect(database: &Database) -> Result<Self, Error> {
        let pool = database.pool("makegood-client", 4).await?;
        migrated::check(&pool, database.cell()).await?;
        // Two desks commit; ends are listened for, and read.
        let hot = database.hot_pool("makegood-desks", 4).await?;
        let hints = Hints::start(database.lazy_pool("makegood-hints", 1).await?, database.cell());
        let payload_limit = crate::config::WorkerConfig::default().payload_limit;
        let lanes = Lanes::new(pool.clone());
        let starts = Queue::before(StartDesk { hot: hot.clone(), pool: pool.clone() });
        let (signal_lanes, signal_pool) = (lanes.clone(), pool.clone());
        let desk = SignalDesk { hot: hot.clone(), pool: signal_pool, lanes: signal_lanes };
        let signals = Queue::before(desk);
        let endings = Endings::new(hot, hints.clone(), database.cell());
        let inner = Inner { pool, lanes, hints, starts, signals, endings, payload_limit };
        Ok(Self(Arc::new(inner)))
    }

    /// Starts a run in the caller's transaction. The same id again, with the same input, is the
    /// same run. Call [`Client::wake`] after the commit.
    ///
    /// ```no_run
    /// # use makegood::{Client, Error, Workflow};
    /// # async fn example<Greet: Workflow<Input = String>>(
    /// #     client: &Client,
    /// #     pool: &sqlx::PgPool,
    /// # ) -> Result<(), Error> {
    /// let mut tx = pool.begin().await?;
    /// sqlx::query("insert into guests (name) values ('Ada')").execute(&mut *tx).await?;
    /// client.start::<Greet>(&mut tx, "guest-ada", &"Ada".to_owned()).await?;
    /// tx.commit().await?; // both, or neither
    /// client.wake();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InputConflict`] when the id was started with another input.
    pub async fn start<W: Workflow>(
        &self,
        conn: &mut PgConnection,
        workflow_id: &str,
        input: &W::Input,
    ) -> Result<Started, Error> {
        self.start_with::<W>(conn, workflow_id, input, &StartOptions::default()).await
    }

    /// Starts a run like [`Client::start`], in a queue, with a priority, on an account and with
    /// attributes. A run that was started before keeps those that it was started with.
    ///
    /// # Errors
    /// Those of [`Client::start`], and [`Error::Queue`] or [`Error::Attribute`] when a name is too
    /// long.
    ///
    /// ```no_run
    /// # use makegood::{Client, Error, Priority, StartOptions, Workflow};
    /// # async fn example<W: Workflow<Input = String>>(
    /// #     client: &Client,
    /// #     tx: &mut sqlx::PgConnection,
    /// # ) -> Result<(), Error> {
    /// let options = StartOptions::new().queue("bulk").priority(Priority::Low).share("tenant-7");
    /// client.start_with::<W>(tx, "import-1", &"a file".to_owned(), &options).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start_with<W: Workflow>(
        &self,
        conn: &mut PgConnection,
        workflow_id: &str,
        input: &W::Input,
        options: &StartOptions,
    ) -> Result<Started, Error> {
        let input = self.encode(W::NAME, input)?;
        let attributes = options.attributes.json();
        let new = NewRun {
            run_id: Uuid::now_v7(),
            workflow: W::NAME,
            version: W::VERSION,
            workflow_id,
            input: input.get(),
            lane: self.lane::<W>(options).await?,
            attributes: attributes.as_deref(),
        };
        let mut whole = Whole::on(conn).await?;
        let started = start(whole.conn(), &new).await;
        whole.end(started).await
    }

    /// Sends a signal in the caller's transaction. The sender's id makes a repeat harmless.
    ///
    /// ```no_run
    /// # use makegood::{Client, Delivery, Error, Signal, Workflow};
    /// # async fn example<Book: Workflow, Paid: Signal>(
    /// #     client: &Client,
    /// #     tx: &mut sqlx::PgConnection,
    /// #     paid: Paid,
    /// # ) -> Result<(), Error> {
    /// let delivery = client.signal::<Book, Paid>(tx, "booking-1", "payment-81", &paid).await?;
    /// if delivery == Delivery::Late {
    ///     println!("the booking is over; its workflow's handler takes it");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::RunNotFound`] when the id was never started: keep the message and try again.
    pub async fn signal<W: Workflow, S: Signal>(
        &self,
        conn: &mut PgConnection,
        workflow_id: &str,
        signal_id: &str,
        signal: &S,
    ) -> Result<Delivery, Error> {
        let signal = self.signal_of(signal_id, signal)?;
        self.deliver::<W>(conn, workflow_id, signal).await
    }

    /// Sends a signal whose payload is JSON already.
    pub(crate) async fn deliver<W: Workflow>(
        &self,
        conn: &mut PgConnection,
        workflow_id: &str,
        signal: StoredSignal,
    ) -> Result<Delivery, Error> {
        let to = (W::NAME, workflow_id);
        let mut whole = Whole::on(conn).await?;
        let conn = whole.conn();
        let told = deliver(conn, &self.0.lanes, to, now::late_code::<W>, &signal).await;
        whole.end(told).await
    }

    /// Sends a signal in the caller's transaction like [`Client::signal`], and starts the run first
    /// if its id was never started. One that was keeps its input, whatever that is, and gets the
    /// signal: for runs that collect what others send, whoever comes first.
    ///
    /// # Errors
    /// Those of [`Client::start`] but [`Error::InputConflict`], and those of [`Client::signal`] but
    /// [`Error::RunNotFound`].
    ///
    /// ```no_run
    /// # use makegood::{Client, Error, Signal, Workflow};
    /// # async fn example<Cart: Workflow<Input = String>, Added: Signal>(
    /// #     client: &Client, tx: &mut sqlx::PgConnection, added: &Added,
    /// # ) -> Result<(), Error> {
    /// let customer = "81".to_owned();
    /// client.signal_or_start::<Cart, Added>(tx, "cart-81", &customer, "click-5", added).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn signal_or_start<W: Workflow, S: Signal>(
        &self,
        conn: &mut PgConnection,
        workflow_id: &str,
        input: &W::Input,
        signal_id: &str,
        signal: &S,
    ) -> Result<Delivery, Error> {
        let mut whole = Whole::on(conn).await?;
        let conn = whole.conn();
        let told = self.tell_or_start::<W, S>(conn, (workflow_id, input), signal_id, signal).await;
        whole.end(told).await
    }

    async fn tell_or_start<W: Workflow, S: Signal>(
        &self,
        conn: &mut PgConnection,
        (workflow_id, input): (&str, &W::Input),
        signal_id: &str,
        signal: &S,
    ) -> Result<Delivery, Error> {
        match self.signal::<W, S>(&mut *conn, workflow_id, signal_id, signal).await {
            Err(Error::RunNotFound(_)) => {}
            told => return told,
        }
        match self.start::<W>(&mut *conn, workflow_id, input).await {
            // Somebody else has started it meanwhile.
            Ok(_) | Err(Error::InputConflict { .. }) => {}
            Err(error) => return Err(error),
        }
        self.signal::<W, S>(conn, workflow_id, signal_id, signal).await
    }

    /// Asks a run, in the caller's transaction, to end by undoing what it did.
    ///
    /// ```no_run
    /// # use makegood::{Client, Error, Workflow};
    /// # async fn example<Book: Workflow>(
    /// #     client: &Client,
    /// #     tx: &mut sqlx::PgConnection,
    /// # ) -> Result<(), Error> {
    /// use makegood::Cancellation;
    ///
    /// let answer = client.cancel::<Book>(tx, "booking-1", &"changed her mind").await?;
    /// if answer == Cancellation::PastPivot {
    ///     println!("too late");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::RunNotFound`] when the id was never started.
    pub async fn cancel<W: Workflow>(
        &self,
        conn: &mut PgConnection,
        workflow_id: &str,
        reason: &impl Serialize,
    ) -> Result<Cancellation, Error> {
        let payload = self.encode("the reason", reason)?;
        let mut whole = Whole::on(conn).await?;
        let cancelled = turn_back(whole.conn(), (W::NAME, workflow_id), &payload).await;
        whole.end(cancelled).await
    }

    /// Hints to the workers that something is due. Call it after the commit; a lost hint costs at
    /// most one poll.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     client: &makegood::Client,
    /// #     tx: sqlx::Transaction<'_, sqlx::Postgres>,
    /// # ) -> Result<(), sqlx::Error> {
    /// tx.commit().await?;
    /// client.wake();
    /// # Ok(())
    /// # }
    /// ```
    pub fn wake(&self) {
        self.0.hints.hint();
    }

    /// The verbs of an operator, signed with a name and a reason.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// let ada = client.operator("ada", "the gateway answers again")?;
    /// ada.retry(run_id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unsigned`] when either is empty.
    pub fn operator(&self, actor: &str, reason: &str) -> Result<Operator, Error> {
        Operator::new(self.clone(), actor, reason)
    }

    /// Puts a stuck run back into the queue: [`Operator::retry`] in one call.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// client.retry(run_id, "ada", "the gateway answers again").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] when the run is not stuck.
    pub async fn retry(&self, run_id: Uuid, actor: &str, reason: &str) -> Result<(), Error> {
        self.operator(actor, reason)?.retry(run_id).await.map(|_| ())
    }

    /// What an operator may do to a run as it stands: each verb, with why not if it does not apply.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// for (verb, why_not) in client.remedies(run_id).await? {
    ///     match why_not {
    ///         None => println!("{}", verb.as_str()),
    ///         Some(refusal) => println!("not {}: {refusal}", verb.as_str()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::RunNotFound`] when there is no such run.
    pub async fn remedies(&self, run_id: Uuid) -> Result<Vec<(VerbKind, Option<Refusal>)>, Error> {
        let mut conn = self.connections().acquire().await?;
        let facts = by_operator::facts(&mut conn, run_id).await?;
        let facts = facts.ok_or_else(|| Error::RunNotFound(run_id.to_string()))?;
        let standing = operator::standing(run_id, &facts)?;
        Ok(VerbKind::ALL.into_iter().map(|verb| (verb, refusal(verb, standing))).collect())
    }

    pub(crate) fn connections(&self) -> &PgPool {
        &self.0.pool
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.0.lanes
    }

    pub(crate) fn payload_limit(&self) -> usize {
        self.0.payload_limit
    }

    async fn lane<W: Workflow>(&self, options: &StartOptions) -> Result<i64, Error> {
        options.check()?;
        Ok(self.0.lanes.of(W::NAME, W::VERSION, options).await?)
    }

    fn signal_of<S: Signal>(&self, signal_id: &str, signal: &S) -> Result<StoredSignal, Error> {
        if signal_id.starts_with('$') {
            return Err(Error::ReservedSignal(signal_id.to_owned()));
        }
        let payload = self.encode(S::KIND, signal)?;
        Ok(StoredSignal { id: signal_id.to_owned(), kind: S::KIND.to_owned(), payload })
    }

    pub(crate) fn encode(&self, what: &str, value: &impl Serialize) -> Result<Payload, Error> {
        let payload = to_raw_value(value).map_err(|e| json(what, e))?;
        let (size, limit) = (payload.get().len(), self.0.payload_limit);
        if size > limit {
            return Err(Error::TooLarge { what: what.to_owned(), size, limit });
        }
        Ok(payload)
    }
}

/// Starts a run, or finds the one that was started with this id.
async fn start(conn: &mut PgConnection, new: &NewRun<'_>) -> Result<Started, Error> {
    if runs::insert(&mut *conn, new).await? {
        return Ok(Started { run_id: new.run_id, created: true });
    }
    let (run_id, same) = runs::holder(conn, new).await?;
    if same {
        return Ok(Started { run_id, created: false });
    }
    let (workflow, workflow_id) = (new.workflow.to_owned(), new.workflow_id.to_owned());
    Err(Error::InputConflict { workflow, workflow_id, run_id })
}

/// Sends a signal to a run, named by its workflow and id; for one that has ended, the handler of
/// late signals is started.
async fn deliver(
    conn: &mut PgConnection,
    lanes: &Lanes,
    (workflow, workflow_id): (&str, &str),
    late_code: fn() -> Option<LateCode>,
    signal: &StoredSignal,
) -> Result<Delivery, Error> {
    let (run_id, input) = addressee(&mut *conn, workflow, workflow_id).await?;
    let StoredSignal { id, kind, payload } = signal;
    if !signals::insert(&mut *conn, run_id, id, kind, payload.get()).await? {
        return Ok(Delivery::Repeated);
    }
    if signals::ring(&mut *conn, run_id, false).await? {
        return Ok(Delivery::Queued);
    }
    let Some(output) = late::keep(&mut *conn, run_id, signal).await? else {
        return Ok(Delivery::Repeated);
    };
    if let Some(handler) = late_code()
        && handler.concerns(output.as_deref(), signal)
    {
        let input = RawValue::from_string(input).map_err(|e| json(workflow, e))?;
        let late = late::start(&handler, run_id, &input, signal);
        late::insert(conn, lanes, &late).await?;
    }
    Ok(Delivery::Late)
}

/// Asks a run, named by its workflow and id, to turn back.
async fn turn_back(
    conn: &mut PgConnection,
    (workflow, workflow_id): (&str, &str),
    reason: &Payload,
) -> Result<Cancellation, Error> {
    let (run_id, _) = addressee(&mut *conn, workflow, workflow_id).await?;
    // Under the task's lock: a pivot that is being committed is waited for, and seen.
    let lives = signals::lock_addressee(&mut *conn, run_id).await?;
    if steps::pivoted(&mut *conn, run_id).await? {
        return Ok(Cancellation::PastPivot);
    }
    if !lives {
        return Ok(Cancellation::Ended);
    }
    // Asked for before, it was counted then.
    if signals::insert(&mut *conn, run_id, CANCEL, CANCEL, reason.get()).await? {
        signals::ring(&mut *conn, run_id, true).await?;
    }
    tasks::mark_for_undo(conn, run_id).await?;
    Ok(Cancellation::Requested)
}

async fn addressee(
    conn: &mut PgConnection,
    workflow: &str,
    workflow_id: &str,
) -> Result<(Uuid, String), Error> {
    let found = signals::addressee(conn, workflow, workflow_id).await?;
    found.ok_or_else(|| Error::RunNotFound(format!("of {workflow} with the id {workflow_id:?}")))
}

fn decode<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| json(what, e))
}

fn json(what: &str, source: serde_json::Error) -> Error {
    Error::Json { what: what.to_owned(), source }
}
