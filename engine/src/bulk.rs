//! One verb for many runs: a frozen selection, a preview, a pace, a result for each run.
//!
//! The selection is frozen before anybody decides, so that what was shown is what is acted on.
//! Each run has a transaction of its own, which carries out the verb, writes it down, and settles
//! the run's item; so whoever carries on after a crash does nothing twice and forgets nothing.

mod selection;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::client::Client;
use crate::error::{Error, refused, transient};
use crate::inspect::{self, RunSummary};
use crate::operator::{Carried, Operator, Signed, Verb, carry_out};
use crate::run::Signature;
use crate::store::bulk::{self, Left, NewBulk};

pub use self::selection::Selection;

/// How long to wait for those who hold the last items.
const LOCKED: Duration = Duration::from_millis(100);

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
        let over = [self.done, self.ordered, self.refused, self.failed];
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

    /// Freezes the selection. Nothing is done to any run before [`Client::bulk_run`].
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
        let frozen = match self.write(&mut tx).await {
            Ok(frozen) => frozen,
            Err(error) => {
                tx.rollback().await?;
                return Err(error);
            }
        };
        tx.commit().await?;
        Ok(frozen)
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
        let total = bulk::freeze(&mut *conn, bulk_id, &filter).await?;
        let states = inspect::bulk_states(&mut *conn, bulk_id).await?;
        let sample = inspect::bulk_sample(conn, bulk_id, SAMPLE).await?;
        Ok((bulk_id, Preview { total, states, sample }))
    }
}

impl Client {
    /// Carries a frozen bulk action out, or goes on with one whose process died, and tells after
    /// each run how far it is. Returns when none of its runs is left, or it is cancelled.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, bulk_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// let ended = client.bulk_run(bulk_id, |now| println!("{} of {}", now.done, now.total)).await?;
    /// println!("{} refused", ended.refused);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BulkNotFound`] when there is none that could go on; [`Error::Database`] when the
    /// database does not answer: call it again.
    pub async fn bulk_run(
        &self,
        bulk_id: Uuid,
        mut progress: impl FnMut(&Progress),
    ) -> Result<Progress, Error> {
        let go_on = |now: &Progress| {
            progress(now);
            true
        };
        self.bulk_run_while(bulk_id, go_on).await
    }

    /// Like [`Client::bulk_run`], and returns after any run at which `go_on` says no. What is left
    /// is carried out by the next call, in this process or another.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, bulk_id: uuid::Uuid, stopping: bool)
    /// # -> Result<(), makegood::Error> {
    /// client.bulk_run_while(bulk_id, |_| !stopping).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Client::bulk_run`].
    pub async fn bulk_run_while(
        &self,
        bulk_id: Uuid,
        mut go_on: impl FnMut(&Progress) -> bool,
    ) -> Result<Progress, Error> {
        let mut conn = self.connections().acquire().await?;
        let order = bulk::start(&mut conn, bulk_id).await?;
        let order = order.ok_or(Error::BulkNotFound(bulk_id))?;
        let verb: Verb = serde_json::from_str(&order.verb)
            .map_err(|source| Error::Json { what: "the verb".to_owned(), source })?;
        let signature = Signature { actor: order.actor, reason: order.reason };
        let signed = Signed::in_bulk(&signature, bulk_id);
        let mut now = standing(&mut conn, bulk_id).await?;
        drop(conn);
        if !go_on(&now) {
            return Ok(now);
        }
        let per_second = u32::try_from(order.per_second).unwrap_or(1).max(1);
        let mut pace = tokio::time::interval(Duration::from_secs(1) / per_second);
        // After a slow one the pace goes on, it does not catch up.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            let Some(settled) = self.bulk_step(bulk_id, signed, &verb).await? else {
                let mut conn = self.connections().acquire().await?;
                if bulk::finish(&mut conn, bulk_id).await? != Some(Left::Locked) {
                    return standing(&mut conn, bulk_id).await;
                }
                // Somebody is at the last ones, or died over them a moment ago.
                drop(conn);
                tokio::time::sleep(LOCKED).await;
                continue;
            };
            match settled {
                Settled::Carried(Carried::Done) => now.done = now.done.saturating_add(1),
                Settled::Carried(Carried::Ordered) => now.ordered = now.ordered.saturating_add(1),
                Settled::Refused => now.refused = now.refused.saturating_add(1),
                Settled::Failed => now.failed = now.failed.saturating_add(1),
            }
            if !go_on(&now) {
                return Ok(now);
            }
        }
    }

    /// Begins a frozen bulk action, in the caller's transaction: `keeper` will see it to its end, in
    /// whatever process, with [`Client::bulk_run_while`] and
    /// [`abandoned_bulks`](crate::inspect::abandoned_bulks). Nothing is done to any run by this.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     client: &makegood::Client, tx: &mut sqlx::PgConnection, bulk_id: uuid::Uuid,
    /// # ) -> Result<(), makegood::Error> {
    /// client.bulk_begin(tx, bulk_id, "console").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BulkNotFound`] when it was begun before, is over, or never was.
    pub async fn bulk_begin(
        &self,
        conn: &mut PgConnection,
        bulk_id: Uuid,
        keeper: &str,
    ) -> Result<(), Error> {
        if bulk::begin(conn, bulk_id, keeper).await? {
            return Ok(());
        }
        Err(Error::BulkNotFound(bulk_id))
    }

    /// Stops a bulk action: runs whose turn has not come are left as they are.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, bulk_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// client.bulk_cancel(bulk_id, "ada", "it does not help").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BulkNotFound`] when it is over, or never was.
    pub async fn bulk_cancel(&self, bulk_id: Uuid, actor: &str, reason: &str) -> Result<(), Error> {
        let Signature { actor, reason } = self.operator(actor, reason)?.signature;
        let mut conn = self.connections().acquire().await?;
        if bulk::cancel(&mut conn, bulk_id, &actor, &reason).await? {
            return Ok(());
        }
        Err(Error::BulkNotFound(bulk_id))
    }

    /// Acts on the next run; `None` when there is none for us.
    async fn bulk_step(
        &self,
        bulk_id: Uuid,
        signed: Signed<'_>,
        verb: &Verb,
    ) -> Result<Option<Settled>, Error> {
        let mut tries = 0_u32;
        loop {
            let mut tx = self.connections().begin().await?;
            let Some(run_id) = bulk::next(&mut tx, bulk_id).await? else {
                tx.rollback().await?;
                return Ok(None);
            };
            let item = (bulk_id, run_id);
            let mut told = None;
            let settled = match carry_out(&mut tx, signed, run_id, verb).await {
                Ok(acted) => {
                    let outcome = match acted.carried {
                        Carried::Done => "done",
                        Carried::Ordered => "ordered",
                    };
                    bulk::settle(&mut tx, item, outcome, None, Some(acted.action_id)).await?;
                    let carried = acted.carried;
                    told = Some(acted);
                    Settled::Carried(carried)
                }
                Err(Error::Refused { refusal, .. }) => {
                    let why = format!("{refusal}; {}", refusal.next());
                    bulk::settle(&mut tx, item, "refused", Some(&why), None).await?;
                    Settled::Refused
                }
                Err(Error::Database(error)) if transient(&error) && tries < 3 => {
                    tx.rollback().await?;
                    tries = tries.saturating_add(1);
                    continue;
                }
                Err(Error::Database(error)) if !refused(&error) => {
                    // It may be gone with its connection; what it wrote is gone either way.
                    let _ = tx.rollback().await;
                    return Err(error.into());
                }
                Err(error) => {
                    // What the verb wrote goes; the item's own row is settled anew.
                    tx.rollback().await?;
                    tx = self.connections().begin().await?;
                    bulk::settle(&mut tx, item, "failed", Some(&error.to_string()), None).await?;
                    Settled::Failed
                }
            };
            tx.commit().await?;
            if let Some(acted) = told {
                acted.tell(signed.signature, run_id, verb.kind());
            }
            self.wake();
            return Ok(Some(settled));
        }
    }
}

/// What became of one run.
enum Settled {
    Carried(Carried),
    Refused,
    Failed,
}

async fn standing(conn: &mut PgConnection, bulk_id: Uuid) -> Result<Progress, Error> {
    let view = inspect::bulk(conn, bulk_id).await?.ok_or(Error::BulkNotFound(bulk_id))?;
    let count = |n: i64| u64::try_from(n).unwrap_or_default();
    Ok(Progress {
        total: count(view.total),
        done: count(view.done),
        ordered: count(view.ordered),
        refused: count(view.refused),
        failed: count(view.failed),
    })
}

fn json(what: &str, value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|source| Error::Json { what: what.to_owned(), source })
}
