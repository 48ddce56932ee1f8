//! An operator's verbs: what a person may do to a run, each with who and why on record.
//!
//! Every verb looks at the run under the lock of its row in the queue. A run that no worker holds
//! is changed at once; one that is held gets an order through its mailbox and takes it at its next
//! wait, end or pivot. Either way the action is written down in the same transaction. What does
//! not apply is refused, with the reason and the next useful step, and leaves nothing behind.

mod act;
mod child;
mod ending;
mod foresee;
mod fork;
mod kin;
mod record;
mod refusal;
mod setting;
mod stuck;
mod verb;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::client::Client;
use crate::error::Error;
use crate::run::Signature;

pub use self::foresee::{Foreseen, StuckAt};
pub use self::refusal::{Refusal, Standing, refusal};
pub use self::setting::{Change, Limit, Setting};
pub use self::verb::{Cut, GivenUndo, RunState, StepId, Verb, VerbKind};

pub use crate::store::tasks::by_operator::Way;

pub(crate) use self::act::{Acted, Signed, carry_out, standing};

/// One person, with a reason, at the verbs. Made by [`Client::operator`].
///
/// ```no_run
/// # async fn example(client: makegood::Client, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
/// use makegood::{Carried, GivenUndo, StepId};
///
/// let ada = client.operator("ada", "the bank confirmed it by telephone")?;
/// let step: StepId = "charge".parse()?;
/// let given = serde_json::json!({"payment": "pay_81"});
/// ada.skip_step(run_id, &step, &given, GivenUndo::Keep).await?;
///
/// let ada = client.operator("ada", "the gateway is down")?;
/// match ada.pause(run_id).await? {
///     Carried::Done => println!("it is paused"),
///     Carried::Ordered => println!("its worker pauses it at its next wait"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Operator {
    pub(crate) client: Client,
    pub(crate) signature: Signature,
    /// The run as it was when the operator looked.
    expected: Option<String>,
    request_id: Option<String>,
}

/// How far a verb has come with its commit.
///
/// ```
/// use makegood::Carried;
///
/// fn words(carried: Carried) -> &'static str {
///     match carried {
///         Carried::Done => "done",
///         Carried::Ordered => "its worker does it at its next wait",
///     }
/// }
/// assert_eq!(words(Carried::Done), "done");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carried {
    /// It is done.
    Done,
    /// A worker holds the run, which takes the order at its next wait, end or pivot.
    Ordered,
}

impl Operator {
    /// Signs: neither may be empty.
    pub(crate) fn new(client: Client, actor: &str, reason: &str) -> Result<Self, Error> {
        for (what, text) in [("actor", actor), ("reason", reason)] {
            if text.trim().is_empty() {
                return Err(Error::Unsigned(what));
            }
        }
        let (actor, reason) = (actor.trim().to_owned(), reason.trim().to_owned());
        let signature = Signature { actor, reason };
        Ok(Self { client, signature, expected: None, request_id: None })
    }

    /// Acts only on a run that stands as it did when it was looked at: its version is that of
    /// [`Foreseen`]. Another is refused, in the transaction that would have changed it. Of a run that
    /// a worker holds, only the way it goes is compared: forward, past its pivot, or back. For a queue
    /// or a schedule, the version is that of a [`Change`] that was foreseen.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// # use makegood::Verb;
    /// let seen = ada.foresee(run_id, &Verb::Compensate).await?;
    /// // ... a person looks, and decides ...
    /// ada.expecting(&seen.version).compensate(run_id).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn expecting(self, version: &str) -> Self {
        Self { expected: Some(version.to_owned()), ..self }
    }

    /// Says in the record which request asked for it, so that the log has the rest.
    ///
    /// ```no_run
    /// # fn example(ada: makegood::Operator) {
    /// let ada = ada.in_request("0192f0c1");
    /// # let _ = ada;
    /// # }
    /// ```
    #[must_use]
    pub fn in_request(self, request_id: &str) -> Self {
        let request_id = Some(request_id.to_owned()).filter(|id| !id.is_empty());
        Self { request_id, ..self }
    }

    /// Who acts, and why.
    ///
    /// ```no_run
    /// # fn example(client: &makegood::Client) -> Result<(), makegood::Error> {
    /// let ada = client.operator(" ada ", "the gateway answers again")?;
    /// assert_eq!(ada.signature(), ("ada", "the gateway answers again"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn signature(&self) -> (&str, &str) {
        (&self.signature.actor, &self.signature.reason)
    }

    /// Puts a stuck run back into the queue, with a fresh count of attempts. A child that failed
    /// behind the run's pivot starts anew, with the same input.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// ada.retry(run_id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] when the run is not stuck.
    pub async fn retry(&self, run_id: Uuid) -> Result<Carried, Error> {
        self.carry_out(run_id, &Verb::Retry).await
    }

    /// Takes a run that is being made good, and has undone nothing yet, back to its program. A
    /// refused step that was the cause is tried again; a program that decided by itself decides
    /// again, by the code that is deployed now.
    ///
    /// An undo outside that was tried without an answer may have had its effect: look first.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// ada.resume_forward(run_id).await?; // the card was declined by mistake
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] when it is not being made good, has undone something, or is held.
    pub async fn resume_forward(&self, run_id: Uuid) -> Result<Carried, Error> {
        self.carry_out(run_id, &Verb::ResumeForward).await
    }

    /// Gives the step at which the run is stuck its result, or declares the undo done at which it
    /// is stuck. The result is what the activity would have answered, as JSON.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// use makegood::GivenUndo;
    ///
    /// let given = serde_json::json!("pay_81");
    /// ada.skip_step(run_id, &"charge".parse()?, &given, GivenUndo::Keep).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] when the run is not stuck, or not at this step.
    pub async fn skip_step(
        &self,
        run_id: Uuid,
        step: &StepId,
        result: &Value,
        undo: GivenUndo,
    ) -> Result<Carried, Error> {
        let verb = Verb::SkipStep { step: step.clone(), result: result.clone(), undo };
        self.carry_out(run_id, &verb).await
    }

    /// Gives the step, or the undo, at which the run is stuck another input, and tries it again.
    /// The input of an undo is whole: key, input and output, as the incident shows it.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// let address = serde_json::json!({ "street": "Elm Street", "number": 4 });
    /// ada.edit_input_and_retry(run_id, &"print_label".parse()?, &address).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] when the run is not stuck, or not at this step.
    pub async fn edit_input_and_retry(
        &self,
        run_id: Uuid,
        step: &StepId,
        input: &Value,
    ) -> Result<Carried, Error> {
        let verb = Verb::EditInput { step: step.clone(), input: input.clone() };
        self.carry_out(run_id, &verb).await
    }

    /// Has a run made good: the operator's own decision.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// ada.compensate(run_id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] past the pivot, and when it is being made good already.
    pub async fn compensate(&self, run_id: Uuid) -> Result<Carried, Error> {
        self.carry_out(run_id, &Verb::Compensate).await
    }

    /// Cancels a run, as [`Client::cancel`] does, for whoever asked for it. The reason is an object
    /// of `actor` and `reason`.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// ada.cancel(run_id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] past the pivot, and when it is being made good already.
    pub async fn cancel(&self, run_id: Uuid) -> Result<Carried, Error> {
        self.carry_out(run_id, &Verb::Cancel).await
    }

    /// Ends a live run as `CLOSED` and undoes nothing. What it did stays done, and signals that it
    /// has not taken stay untaken: the record of the action names them, for a run that a worker holds
    /// those that were there when it was ordered. One that comes later is late, and handled as such.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// ada.terminate(run_id).await?; // nothing is undone
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] when it has ended.
    pub async fn terminate(&self, run_id: Uuid) -> Result<Carried, Error> {
        self.carry_out(run_id, &Verb::Terminate).await
    }

    /// Stops a run at its next wait. Signals are kept, and deadlines run on.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// use makegood::Carried;
    ///
    /// if ada.pause(run_id).await? == Carried::Ordered {
    ///     println!("it goes on until its next wait");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing moves it anyway.
    pub async fn pause(&self, run_id: Uuid) -> Result<Carried, Error> {
        self.carry_out(run_id, &Verb::Pause).await
    }

    /// Lets a paused run go on where it was; an open wait keeps its deadline.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// ada.resume(run_id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] when it is not paused.
    pub async fn resume(&self, run_id: Uuid) -> Result<Carried, Error> {
        self.carry_out(run_id, &Verb::Resume).await
    }

    /// Ends a stuck run as `CLOSED`, as [`Operator::terminate`] does.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// ada.close(run_id).await?; // nothing is undone
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] when it is not stuck.
    pub async fn close(&self, run_id: Uuid) -> Result<Carried, Error> {
        self.carry_out(run_id, &Verb::Close).await
    }

    /// Starts a new run with the record of an ended or stuck one before the cut, and returns its
    /// id. The steps behind the cut are made anew, under the new run's own idempotency keys; those
    /// before it are undone, if it comes to that, under the keys with which they were made.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// use makegood::Cut;
    ///
    /// let cut = Cut::Step("print_label".parse()?); // what came before it is kept
    /// let again = ada.fork(run_id, &cut, "parcel-81-again").await?;
    /// println!("the new run is {again}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] when the run lives, or the cut parts what belongs together.
    pub async fn fork(&self, run_id: Uuid, cut: &Cut, workflow_id: &str) -> Result<Uuid, Error> {
        let verb = Verb::Fork { cut: cut.clone(), workflow_id: workflow_id.to_owned() };
        let acted = self.act(run_id, &verb).await?;
        Ok(acted.forked.unwrap_or(run_id))
    }

    /// Carries out any verb in a transaction of its own.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// use makegood::Verb;
    ///
    /// ada.carry_out(run_id, &Verb::Retry).await?; // a verb as a value, such as a form sends
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As the methods of the verbs.
    pub async fn carry_out(&self, run_id: Uuid, verb: &Verb) -> Result<Carried, Error> {
        self.act(run_id, verb).await.map(|acted| acted.carried)
    }

    async fn act(&self, run_id: Uuid, verb: &Verb) -> Result<Acted, Error> {
        verb.check_size(self.client.payload_limit())?;
        let mut tx = self.client.connections().begin().await?;
        let acted = match carry_out(&mut tx, self.signed(), run_id, verb).await {
            Ok(acted) => acted,
            Err(error) => {
                tx.rollback().await?;
                return Err(error);
            }
        };
        tx.commit().await?;
        acted.tell(&self.signature, run_id, verb.kind());
        self.client.wake();
        Ok(acted)
    }

    fn signed(&self) -> Signed<'_> {
        let Self { signature, expected, request_id, .. } = self;
        let (expected, request_id) = (expected.as_deref(), request_id.as_deref());
        Signed { signature, bulk_id: None, expected, request_id }
    }
}
