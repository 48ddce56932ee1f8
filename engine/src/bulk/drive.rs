//! Carries a bulk action out: one process at a time, under a claim on the database's clock.
//!
//! Each run has a transaction of its own. It renews the claim, asks whether to go on, carries out
//! the verb, writes it down, settles the run and counts it; so whoever goes on after a crash does
//! nothing twice and forgets nothing, and whoever lost the claim writes nothing.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use uuid::Uuid;

use super::Progress;
use crate::client::Client;
use crate::error::{Error, refused, transient};
use crate::inspect;
use crate::operator::{Acted, Carried, Refusal, Signed, Verb, VerbKind, carry_out};
use crate::run::Signature;
use crate::store::bulk::{self, Claim, Order, Tally};

/// How long a claim lasts that is not renewed. The slowest pace renews it every second.
const LEASE_SECS: i32 = 15;
/// Between two looks at a bulk action that another process carries out.
const DRIVEN: Duration = Duration::from_millis(250);

/// What is asked before each run whether to go on.
///
/// ```
/// use makegood::bulk::{Go, Guard, Progress};
/// use makegood::Error;
///
/// /// Stops by itself once too many refuse.
/// struct Careful;
///
/// impl Guard for Careful {
///     async fn before(
///         &mut self,
///         _: &mut sqlx::PgConnection,
///         now: &Progress,
///     ) -> Result<Go, Error> {
///         if now.refused < 10 {
///             return Ok(Go::On);
///         }
///         Ok(Go::Stop { actor: "careful".to_owned(), reason: "ten refused".to_owned() })
///     }
/// }
/// ```
pub trait Guard {
    /// Whether to go on, in the transaction of the next run: what is locked here stays as it is
    /// until that run is done. What is written here is kept with [`Go::On`] and [`Go::Stop`]. Also asked
    /// when none is left; and while another process carries it out, where nothing is kept.
    fn before(
        &mut self,
        conn: &mut PgConnection,
        now: &Progress,
    ) -> impl Future<Output = Result<Go, Error>> + Send;
}

/// Whether a bulk action goes on.
///
/// ```
/// use makegood::bulk::Go;
///
/// fn next(stopping: bool) -> Go {
///     if stopping { Go::Rest } else { Go::On }
/// }
/// assert_eq!(next(false), Go::On);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Go {
    /// The next run.
    On,
    /// Not here: what is left is for whoever takes it up.
    Rest,
    /// Nowhere: runs whose turn has not come are left as they are.
    Stop {
        /// Who stops it.
        actor: String,
        /// Why.
        reason: String,
    },
}

/// Goes on to the end, and tells how far it is.
struct Telling<F>(F);

impl<F: FnMut(&Progress)> Guard for Telling<F> {
    fn before(
        &mut self,
        _: &mut PgConnection,
        now: &Progress,
    ) -> impl Future<Output = Result<Go, Error>> + Send {
        (self.0)(now);
        std::future::ready(Ok(Go::On))
    }
}

impl Client {
    /// Carries a frozen bulk action out, or goes on with one whose process died, and tells before
    /// each run and at the end how far it is. Returns when none of its runs is left, or it is
    /// cancelled. While another process carries it out this waits, and takes over when that one has
    /// not been heard of for 15 seconds.
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
    /// [`Error::BulkNotFound`] when there is none that could go on; [`Error::BulkExpired`] when it
    /// was frozen more than an hour ago and not begun; [`Error::Database`] when the database does
    /// not answer: call it again.
    pub async fn bulk_run(
        &self,
        bulk_id: Uuid,
        progress: impl FnMut(&Progress),
    ) -> Result<Progress, Error> {
        self.bulk_run_guarded(bulk_id, &mut Telling(progress)).await
    }

    /// Like [`Client::bulk_run`], and asks before each run whether to go on. Of what is left when
    /// it rests, or fails, the next call takes care, in this process or another.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     client: &makegood::Client, bulk_id: uuid::Uuid, mut careful: impl makegood::bulk::Guard,
    /// # ) -> Result<(), makegood::Error> {
    /// client.bulk_run_guarded(bulk_id, &mut careful).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Client::bulk_run`], and the guard's own.
    pub async fn bulk_run_guarded(
        &self,
        bulk_id: Uuid,
        guard: &mut impl Guard,
    ) -> Result<Progress, Error> {
        let claim = Claim { bulk_id, driver: Uuid::now_v7() };
        let mut is_known = false;
        loop {
            let mut conn = self.connections().acquire().await?;
            if let Some(order) = bulk::claim(&mut conn, claim, LEASE_SECS).await? {
                drop(conn);
                is_known = true;
                if let Some(progress) = Drive::new(self, claim, order)?.run(guard).await? {
                    return Ok(progress);
                }
                continue; // Another took the claim over.
            }
            let (state, now) = standing(&mut conn, bulk_id).await?;
            match state.as_str() {
                "FROZEN" | "RUNNING" => {}
                "EXPIRED" => return Err(Error::BulkExpired(bulk_id)),
                _ if is_known => return Ok(now),
                _ => return Err(Error::BulkNotFound(bulk_id)),
            }
            is_known = true;
            drop(conn);
            let mut tx = self.connections().begin().await?;
            let go = guard.before(&mut tx, &now).await;
            // Whoever carries it out hears the same, and it is his to write.
            tx.rollback().await?;
            if go? != Go::On {
                return Ok(now);
            }
            sleep(DRIVEN).await;
        }
    }

    /// Begins a frozen bulk action, in the caller's transaction: `keeper` will see it to its end, in
    /// whatever process, with [`Client::bulk_run_guarded`] and
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
    /// [`Error::BulkExpired`] when it was frozen more than an hour ago; [`Error::BulkNotFound`] when
    /// it was begun before, is over, or never was.
    pub async fn bulk_begin(
        &self,
        conn: &mut PgConnection,
        bulk_id: Uuid,
        keeper: &str,
    ) -> Result<(), Error> {
        if bulk::begin(&mut *conn, bulk_id, keeper).await? {
            return Ok(());
        }
        match inspect::bulk(conn, bulk_id).await? {
            Some(bulk) if bulk.state == "EXPIRED" => Err(Error::BulkExpired(bulk_id)),
            _ => Err(Error::BulkNotFound(bulk_id)),
        }
    }

    /// Stops a bulk action, in the caller's transaction: runs whose turn has not come are left as
    /// they are.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     client: &makegood::Client, conn: &mut sqlx::PgConnection, bulk_id: uuid::Uuid,
    /// # ) -> Result<(), makegood::Error> {
    /// client.bulk_cancel(conn, bulk_id, "ada", "it does not help").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BulkNotFound`] when it is over, or never was.
    pub async fn bulk_cancel(
        &self,
        conn: &mut PgConnection,
        bulk_id: Uuid,
        actor: &str,
        reason: &str,
    ) -> Result<(), Error> {
        let Signature { actor, reason } = self.operator(actor, reason)?.signature;
        if bulk::cancel(conn, bulk_id, &actor, &reason).await? {
            return Ok(());
        }
        Err(Error::BulkNotFound(bulk_id))
    }
}

/// A bulk action under our claim.
struct Drive<'a> {
    client: &'a Client,
    claim: Claim,
    verb: Verb,
    signature: Signature,
    pace: Interval,
}

/// How far one step has come.
enum Step {
    Settled,
    /// It ends here, with so much done.
    Over(Progress),
    /// Another has the claim, or it was cancelled.
    Lost,
}

/// What became of one run.
struct Settled {
    outcome: &'static str,
    why: Option<String>,
    acted: Option<Acted>,
}

impl<'a> Drive<'a> {
    fn new(client: &'a Client, claim: Claim, order: Order) -> Result<Self, Error> {
        let verb = serde_json::from_str(&order.verb)
            .map_err(|source| Error::Json { what: "the verb".to_owned(), source })?;
        let per_second = u32::try_from(order.per_second).unwrap_or(1).max(1);
        let mut pace = interval(Duration::from_secs(1) / per_second);
        // After a slow one the pace goes on, it does not catch up.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let signature = Signature { actor: order.actor, reason: order.reason };
        Ok(Self { client, claim, verb, signature, pace })
    }

    /// Goes on until it is over, or is to rest; `None` when the claim is lost.
    async fn run(mut self, guard: &mut impl Guard) -> Result<Option<Progress>, Error> {
        loop {
            self.pace.tick().await;
            match self.step(guard).await? {
                Step::Settled => {}
                Step::Over(progress) => return Ok(Some(progress)),
                Step::Lost => return Ok(None),
            }
        }
    }

    /// The next run, if there is one and it is its turn.
    async fn step(&self, guard: &mut impl Guard) -> Result<Step, Error> {
        let mut tries = 0_u32;
        loop {
            let mut tx = self.client.connections().begin().await?;
            let Some(tally) = bulk::hold(&mut tx, self.claim, LEASE_SECS).await? else {
                tx.rollback().await?;
                return Ok(Step::Lost);
            };
            let bulk_id = self.claim.bulk_id;
            let now = Progress::of(&tally);
            match guard.before(&mut tx, &now).await? {
                Go::On => {}
                Go::Rest => {
                    tx.rollback().await?;
                    let mut conn = self.client.connections().acquire().await?;
                    bulk::release(&mut conn, self.claim).await?;
                    return Ok(Step::Over(now));
                }
                Go::Stop { actor, reason } => {
                    bulk::cancel(&mut tx, bulk_id, &actor, &reason).await?;
                    tx.commit().await?;
                    return Ok(Step::Over(now));
                }
            }
            let Some((run_id, version)) = bulk::next(&mut tx, bulk_id).await? else {
                bulk::finish(&mut tx, bulk_id).await?;
                tx.commit().await?;
                return Ok(Step::Over(now));
            };
            let settled = match self.act(&mut tx, run_id, &version).await {
                Ok(settled) => settled,
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
                    // What the verb wrote goes; the run is settled anew.
                    tx.rollback().await?;
                    tx = self.client.connections().begin().await?;
                    if bulk::hold(&mut tx, self.claim, LEASE_SECS).await?.is_none() {
                        tx.rollback().await?;
                        return Ok(Step::Lost);
                    }
                    Settled { outcome: "failed", why: Some(error.to_string()), acted: None }
                }
            };
            let Settled { outcome, why, acted } = settled;
            let action_id = acted.as_ref().map(|acted| acted.action_id);
            bulk::settle(&mut tx, (bulk_id, run_id), outcome, why.as_deref(), action_id).await?;
            tx.commit().await?;
            if let Some(acted) = acted {
                acted.tell(&self.signature, run_id, self.verb.kind());
            }
            self.client.wake();
            return Ok(Step::Settled);
        }
    }

    async fn act(
        &self,
        conn: &mut PgConnection,
        run_id: Uuid,
        version: &str,
    ) -> Result<Settled, Error> {
        // A pause is for runs that move: wherever it is by now, it stops there.
        let expected = (self.verb.kind() != VerbKind::Pause).then_some(version);
        let signed = Signed::in_bulk(&self.signature, self.claim.bulk_id, expected);
        match carry_out(conn, signed, run_id, &self.verb).await {
            Ok(acted) => {
                let outcome = match acted.carried {
                    Carried::Done => "done",
                    Carried::Ordered => "ordered",
                };
                Ok(Settled { outcome, why: None, acted: Some(acted) })
            }
            Err(Error::Refused { refusal, .. }) => {
                let (outcome, why) = match *refusal {
                    Refusal::MovedOn { state } => {
                        let why = format!("it has moved on since, and is {} now", state.as_str());
                        ("changed", why)
                    }
                    refusal => ("refused", format!("{refusal}; {}", refusal.next())),
                };
                Ok(Settled { outcome, why: Some(why), acted: None })
            }
            Err(error) => Err(error),
        }
    }
}

async fn standing(conn: &mut PgConnection, bulk_id: Uuid) -> Result<(String, Progress), Error> {
    let bulk = inspect::bulk(conn, bulk_id).await?.ok_or(Error::BulkNotFound(bulk_id))?;
    let inspect::BulkView { total, done, ordered, refused, changed, failed, .. } = bulk;
    let now = Progress::of(&Tally { total, done, ordered, refused, changed, failed });
    Ok((bulk.state, now))
}
