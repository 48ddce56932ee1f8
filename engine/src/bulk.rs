//! One verb for many runs: a frozen selection, a preview, a pace, a result for each run.
//!
//! The selection is frozen before anybody decides, so that what was shown is what is acted on.
//! Each run is frozen with its version: one that has changed when its turn comes is left alone.

mod carry;
mod drive;
mod guard;
mod selection;

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Error;
use crate::inspect::{self, RunSummary};
use crate::operator::{Operator, Verb};
use crate::run::Signature;
use crate::store::bulk::{self, NewBulk, Tally};
use crate::store::tasks::by_operator;

pub use self::guard::{Go, Guard};
pub use self::selection::Selection;

/// How many runs a preview shows.
const SAMPLE: i64 = 10;

/// A verb for many runs, not yet frozen. Made by [`Operator::bulk`].
///
/// ```no_run
/// # async fn example(client: makegood::Client) -> Result<(), makegood::Error> {
/// use makegood::bulk::Selection;
/// use makegood::{RunState, Verb};
///
/// let stuck = Selection::new().workflow("checkout").state(RunState::Stuck);
/// let ada = client.operator("ada", "the gateway answers again")?;
/// let (bulk_id, preview) = ada.bulk(Verb::Retry, stuck).per_second(50).freeze().await?;
/// println!("{} runs, such as {:?}", preview.total, preview.sample.first());
/// let progress = client.bulk_run(bulk_id, |now| println!("{} left", now.left())).await?;
/// println!("{} done, {} refused", progress.done, progress.refused);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Bulk {
    operator: Operator,
    verb: Verb,
    selection: Selection,
    per_second: u32,
}

/// What a bulk action would act on.
///
/// ```
/// use makegood::bulk::Preview;
///
/// fn words(preview: &Preview) -> String {
///     let states = preview.states.iter().map(|(state, runs)| format!("{runs} {state}"));
///     format!("{} runs: {}", preview.total, states.collect::<Vec<_>>().join(", "))
/// }
/// let nothing = Preview { total: 0, states: Vec::new(), sample: Vec::new() };
/// assert_eq!(words(&nothing), "0 runs: ");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Preview {
    /// How many runs are selected.
    pub total: u64,
    /// How many in each state.
    pub states: Vec<(String, i64)>,
    /// Some of them, the oldest first.
    pub sample: Vec<RunSummary>,
}

/// How far a bulk action has come.
///
/// ```
/// use makegood::bulk::Progress;
///
/// let now = Progress { total: 10, done: 4, refused: 1, ..Progress::default() };
/// assert_eq!(now.left(), 5);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// How many runs were selected.
    pub total: u64,
    /// On how many it was carried out.
    pub done: u64,
    /// To how many the order was sent: their workers take it at their next wait.
    pub ordered: u64,
    /// How many refused; each item says why.
    pub refused: u64,
    /// How many had changed since they were frozen, and were left alone; each item says to what.
    pub changed: u64,
    /// On how many it failed; each item says why.
    pub failed: u64,
}

impl Progress {
    /// How many runs are still to come.
    ///
    /// ```
    /// assert_eq!(makegood::bulk::Progress { total: 3, failed: 1, ..Default::default() }.left(), 2);
    /// ```
    pub fn left(&self) -> u64 {
        let over = [self.done, self.ordered, self.refused, self.changed, self.failed];
        self.total.saturating_sub(over.iter().sum())
    }
}

impl Operator {
    /// The verb for every run of the selection, ten a second unless told otherwise.
    ///
    /// ```
    /// # fn example(ada: makegood::Operator) {
    /// use makegood::bulk::Selection;
    /// use makegood::{RunState, Verb};
    ///
    /// let retry = ada.bulk(Verb::Retry, Selection::new().state(RunState::Stuck));
    /// # let _ = retry;
    /// # }
    /// ```
    pub fn bulk(&self, verb: Verb, selection: Selection) -> Bulk {
        Bulk { operator: self.clone(), verb, selection, per_second: 10 }
    }
}

impl Bulk {
    /// How many runs a second, 1 to 1,000: what they wait for must bear it.
    ///
    /// ```
    /// # fn example(retry: makegood::bulk::Bulk) {
    /// let gently = retry.per_second(2);
    /// # let _ = gently;
    /// # }
    /// ```
    #[must_use]
    pub fn per_second(self, per_second: u32) -> Self {
        Self { per_second: per_second.clamp(1, 1_000), ..self }
    }

    /// What it would act on, if it were frozen now. Keeps nothing.
    ///
    /// ```no_run
    /// # async fn example(retry: makegood::bulk::Bulk) -> Result<(), makegood::Error> {
    /// println!("it would act on {} runs", retry.preview().await?.total);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn preview(&self) -> Result<Preview, Error> {
        let mut tx = self.operator.client.connections().begin().await?;
        let written = self.write(&mut tx).await;
        tx.rollback().await?;
        written.map(|(_, preview)| preview)
    }

    /// Freezes the selection, for an hour: then it can be begun no more. Nothing is done to any run
    /// before [`Client::bulk_run`](crate::Client::bulk_run).
    ///
    /// ```no_run
    /// # async fn example(retry: makegood::bulk::Bulk) -> Result<(), makegood::Error> {
    /// let (bulk_id, preview) = retry.freeze().await?;
    /// println!("{bulk_id} is for {} runs, and for no other", preview.total);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLarge`] when what the verb gives is too large.
    pub async fn freeze(&self) -> Result<(Uuid, Preview), Error> {
        let mut tx = self.operator.client.connections().begin().await?;
        match self.freeze_in(&mut tx).await {
            Ok(frozen) => {
                tx.commit().await?;
                Ok(frozen)
            }
            Err(error) => {
                tx.rollback().await?;
                Err(error)
            }
        }
    }

    /// As [`Bulk::freeze`], in the caller's transaction.
    ///
    /// ```no_run
    /// # async fn example(retry: makegood::bulk::Bulk, tx: &mut sqlx::PgConnection)
    /// # -> Result<(), makegood::Error> {
    /// let (bulk_id, _) = retry.freeze_in(tx).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Bulk::freeze`]; the transaction is then to be rolled back.
    pub async fn freeze_in(&self, tx: &mut PgConnection) -> Result<(Uuid, Preview), Error> {
        self.write(tx).await
    }

    async fn write(&self, conn: &mut PgConnection) -> Result<(Uuid, Preview), Error> {
        self.verb.check_size(self.operator.client.payload_limit())?;
        let bulk_id = Uuid::now_v7();
        let Signature { actor, reason } = &self.operator.signature;
        let new = NewBulk {
            bulk_id,
            verb: &json("the verb", &self.verb)?,
            selection: &json("the selection", &self.selection)?,
            actor,
            reason,
            per_second: i32::try_from(self.per_second).unwrap_or(1),
        };
        bulk::insert(&mut *conn, &new).await?;
        let filter = self.selection.filter(self.verb.kind());
        let run_ids = bulk::selected(&mut *conn, &filter).await?;
        let stands = by_operator::stands(&mut *conn, &run_ids).await?;
        let (run_ids, versions): (Vec<_>, Vec<_>) =
            stands.into_iter().map(|(run_id, stand)| (run_id, stand.version())).unzip();
        let total = bulk::freeze(&mut *conn, bulk_id, &run_ids, &versions).await?;
        let states = inspect::bulk_states(&mut *conn, bulk_id).await?;
        let sample = inspect::bulk_sample(conn, bulk_id, SAMPLE).await?;
        Ok((bulk_id, Preview { total, states, sample }))
    }
}

impl Progress {
    pub(crate) fn of(tally: &Tally) -> Self {
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        Self {
            total: count(tally.total),
            done: count(tally.done),
            ordered: count(tally.ordered),
            refused: count(tally.refused),
            changed: count(tally.changed),
            failed: count(tally.failed),
        }
    }
}

fn json(what: &str, value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|source| Error::Json { what: what.to_owned(), source })
}
