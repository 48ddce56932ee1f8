//! What a verb would do, tried and taken back: the same code as the verb, and no commit.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::act::{self, Acted, Signed};
use super::refusal::Refusal;
use super::stuck::{self, Place};
use super::verb::{StepId, Verb};
use super::{Carried, Operator};
use crate::error::Error;
use crate::journal::{Intent, Journal};
use crate::store::tasks::by_operator;
use crate::store::{incidents, tasks};

/// What a verb would do to a run as it stands. Nothing was changed.
///
/// ```no_run
/// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
/// use makegood::Verb;
///
/// let seen = ada.foresee(run_id, &Verb::Pause).await?;
/// match seen.refusal {
///     None => println!("from {} to {:?}", seen.before, seen.after),
///     Some(refusal) => println!("{refusal}; {}", refusal.next()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Foreseen {
    /// Names the run as it stands, for [`Operator::expecting`].
    pub version: String,
    /// The run as it stands.
    pub before: Value,
    /// What the verb would make of it, as the record of the action would say.
    pub after: Option<Value>,
    /// How far it would come at once.
    pub carried: Option<Carried>,
    /// Why it would be refused.
    pub refusal: Option<Refusal>,
    /// What a verb that makes the run good would undo, the first to be undone first: also what may
    /// have happened, and children.
    pub undoes: Vec<StepId>,
}

/// The step, or the undo, at which a run is stuck.
///
/// ```
/// use makegood::StuckAt;
///
/// fn words(at: &StuckAt) -> String {
///     let what = if at.is_undo { "the undo of " } else { "" };
///     format!("stuck at {what}{}", at.step)
/// }
/// let step = "charge".parse().unwrap();
/// let at = StuckAt { step, is_undo: false, input: None };
/// assert_eq!(words(&at), "stuck at charge#0");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StuckAt {
    /// Which one: [`Verb::SkipStep`] and [`Verb::EditInput`] take it.
    pub step: StepId,
    /// It is the undo of the step, or the closing.
    pub is_undo: bool,
    /// What it was tried with, as far as that is known.
    pub input: Option<Value>,
}

impl Operator {
    /// What the verb would do to the run. It is tried in a transaction that is rolled back.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// # use makegood::Verb;
    /// let seen = ada.foresee(run_id, &Verb::Cancel).await?;
    /// println!("{:?}", seen.after);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::RunNotFound`]; a verb that does not apply is no error here.
    pub async fn foresee(&self, run_id: Uuid, verb: &Verb) -> Result<Foreseen, Error> {
        verb.check_size(self.client.payload_limit())?;
        let mut tx = self.client.connections().begin().await?;
        let seen = foresee(&mut tx, self.signed(), run_id, verb).await;
        tx.rollback().await?;
        seen
    }

    /// Where a stuck run is stuck; `None` when it is not, or at no step.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// if let Some(at) = ada.stuck_at(run_id).await? {
    ///     println!("it was tried with {:?}", at.input);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn stuck_at(&self, run_id: Uuid) -> Result<Option<StuckAt>, Error> {
        let mut conn = self.client.connections().acquire().await?;
        let Some(incident) = incidents::open(&mut conn, run_id).await? else { return Ok(None) };
        let raw = tasks::reread(&mut conn, run_id).await?;
        let journal = raw.read().and_then(|(history, _)| Journal::fold(history));
        // A record that cannot be read names no step either.
        let Ok(journal) = journal else { return Ok(None) };
        let tried = incident.call.as_deref().and_then(|call| serde_json::from_str(call).ok());
        let tried = tried.and_then(|mut call: Value| call.get_mut("input").map(Value::take));
        let Some(place) = stuck::place(&journal, &incident) else { return Ok(None) };
        let (step, is_undo, input) = match place {
            Place::Step(Intent { name, occurrence, input, .. }) => {
                let input = serde_json::from_str(input.get()).ok();
                let input = input.filter(|it: &Value| !it.is_null()).or(tried);
                (StepId { name, occurrence }, false, input)
            }
            Place::Back(step) => (step, true, tried),
            Place::Child(step, child) => {
                let facts = match child {
                    Some(child) => by_operator::facts(&mut conn, child).await?,
                    None => None,
                };
                let input = facts.and_then(|facts| serde_json::from_str(&facts.input).ok());
                (step, false, input)
            }
        };
        Ok(Some(StuckAt { step, is_undo, input }))
    }
}

async fn foresee(
    conn: &mut PgConnection,
    signed: Signed<'_>,
    run_id: Uuid,
    verb: &Verb,
) -> Result<Foreseen, Error> {
    let facts = act::look(&mut *conn, run_id).await?;
    let version = facts.stand.version();
    let before = serde_json::from_str(&facts.standing).unwrap_or_default();
    let tried = act::carry_out(&mut *conn, signed, run_id, verb).await;
    let (after, carried, refusal) = match tried {
        Ok(Acted { after, carried, .. }) => (Some(after), Some(carried), None),
        Err(Error::Refused { refusal, .. }) => (None, None, Some(*refusal)),
        Err(error) => return Err(error),
    };
    let makes_good = matches!(verb, Verb::Compensate | Verb::Cancel) && refusal.is_none();
    let undoes = if makes_good { undoables(conn, run_id).await? } else { Vec::new() };
    Ok(Foreseen { version, before, after, carried, refusal, undoes })
}

/// As a worker would unwind it; nothing where the record cannot be read.
async fn undoables(conn: &mut PgConnection, run_id: Uuid) -> Result<Vec<StepId>, Error> {
    let raw = tasks::reread(conn, run_id).await?;
    let Ok(journal) = raw.read().and_then(|(history, _)| Journal::fold(history)) else {
        return Ok(Vec::new());
    };
    let undoables = journal.undoables.into_iter().rev();
    Ok(undoables.map(|u| StepId { name: u.name, occurrence: u.occurrence }).collect())
}
