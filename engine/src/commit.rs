//! The group committer: what one commit carries. It runs no activity and drives no run.
//!
//! Turns that become ready while a flush is in flight go out in the next one, as one statement
//! (or two, when some of the runs park or end) and one commit. Idle, a turn is flushed at once.
//! One bad row never fails its neighbours: a refused flush is split and tried singly.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::PgPool;
use tokio::sync::{Notify, oneshot, watch};
use uuid::Uuid;

use crate::action::{End, Hold, Park, StoredSignal};
use crate::error::{outcome_unknown, refused, transient};
use crate::fault;
use crate::incident::{IncidentClass, NewIncident};
use crate::lane::Lanes;
use crate::lease::Lease;
use crate::run::{Records, Run};
use crate::store::steps;
use crate::store::tasks::Opened;
use crate::wake::Bells;
use crate::write::{self, Outcome, Outcomes};

/// So many flush whatever is ready.
const EAGER: usize = 2;

/// The others help when so many turns are ready: with fewer, each flush would only be smaller.
const CROWD: usize = 64;

/// What a turn wants written.
pub(crate) struct Turn {
    pub(crate) hold: Hold,
    pub(crate) records: Records,
    /// The failed attempts of the run's open steps, as JSON.
    pub(crate) tries: Option<String>,
    pub(crate) step_count: i32,
    pub(crate) seen: i32,
    pub(crate) unwinding: bool,
    pub(crate) disposition: Disposition,
}

/// What becomes of the run with this commit.
pub(crate) enum Disposition {
    GoOn,
    /// It waits, and stays in memory with calls under way.
    Stay(Park),
    Park(Park),
    End(End),
    Stick(NewIncident),
}

/// What a commit did.
pub(crate) enum Committed {
    /// The rows are durable; the run goes on.
    GoOn,
    /// The run has left memory: it waits, has ended, or needs a person.
    Left,
    /// The rows and the waits are durable, and the run stays in memory.
    Stayed(Opened),
    /// The rows are durable, but signals have come: the run takes them first.
    Refused(Vec<StoredSignal>),
}

/// Why a turn was not committed.
pub(crate) enum CommitError {
    /// The run is no longer this worker's: drop it.
    Lost,
    /// The database refused these very rows: a person must look.
    Refused(String),
    /// The database could not write it now: nothing happened, submit it again.
    Again(Box<Turn>),
}

impl Turn {
    /// Takes the run's uncommitted rows.
    pub(crate) fn of(run: &mut Run, disposition: Disposition) -> Self {
        Self {
            hold: run.hold,
            records: run.take_records(),
            tries: (!run.tries.is_empty() && !planted::has("attempts are forgotten"))
                .then(|| serde_json::to_string(&run.tries).unwrap_or_default()),
            step_count: run.journal.next_seq,
            seen: if planted::has("a run leaves without its mail") { i32::MAX } else { run.seen },
            unwinding: run.is_unwinding(),
            disposition,
        }
    }

    /// Parks the run for a person and drops what was not committed.
    pub(crate) fn bare(hold: Hold, incident: NewIncident) -> Self {
        Self {
            hold,
            records: Records::default(),
            tries: None,
            // How many rows are durable is not known here: the next claim reads them anew.
            step_count: -1,
            // Neither matters to a run that gets stuck.
            seen: 0,
            unwinding: false,
            disposition: Disposition::Stick(incident),
        }
    }
}

impl Turn {
    /// Whether its rows are all there is to write.
    fn is_plain(&self) -> bool {
        let Records { children, published, .. } = &self.records;
        matches!(self.disposition, Disposition::GoOn) && children.is_empty() && published.is_empty()
    }

    /// What the run is told about this turn, once it is committed.
    pub(crate) fn committed(
        &self,
        outcome: Option<Outcome>,
        bells: &Bells,
    ) -> Result<Committed, CommitError> {
        if !self.records.children.is_empty() {
            bells.due.notify_one();
        }
        if matches!(&self.disposition, Disposition::End(End { letter: Some(_), .. })) {
            bells.post.notify_one();
        }
        match outcome {
            None => Ok(Committed::GoOn),
            Some(Outcome::Left) => {
                if matches!(self.disposition, Disposition::End(_)) {
                    bells.ends.add(self.hold.run_id);
                }
                self.count_end();
                Ok(Committed::Left)
            }
            Some(Outcome::Stayed(opened)) => Ok(Committed::Stayed(opened)),
            Some(Outcome::Refused(signals)) => Ok(Committed::Refused(signals)),
            Some(Outcome::Lost) => Err(CommitError::Lost),
        }
    }

    fn count_end(&self) {
        match &self.disposition {
            Disposition::End(end) => {
                metrics::counter!("makegood_runs_ended_total", "state" => end.state).increment(1);
            }
            Disposition::Stick(incident) if incident.class == IncidentClass::Paused => {}
            Disposition::Stick(incident) => {
                let class = incident.class.as_str().to_owned();
                metrics::counter!("makegood_incidents_opened_total", "class" => class).increment(1);
                tracing::warn!(
                    run.id = %self.hold.run_id, step.name = incident.step.as_deref(),
                    incident.class = incident.class.as_str(), incident.message = incident.message,
                    "a run needs a person",
                );
            }
            Disposition::GoOn | Disposition::Stay(_) | Disposition::Park(_) => {}
        }
    }
}

struct Pending {
    turn: Turn,
    done: oneshot::Sender<Result<Committed, CommitError>>,
}

/// Gathers turns and writes them.
pub(crate) struct Committer {
    pool: PgPool,
    lanes: Lanes,
    lease: Arc<Lease>,
    bells: Bells,
    queue: Mutex<VecDeque<Pending>>,
    /// Nobody flushes any more; changed under the queue's lock.
    closed: AtomicBool,
    ready: Notify,
    crowded: Notify,
    batch: usize,
}

impl Committer {
    pub(crate) fn new(pool: PgPool, lease: Arc<Lease>, bells: Bells, batch: usize) -> Self {
        Self {
            lanes: Lanes::new(pool.clone()),
            pool,
            lease,
            bells,
            queue: Mutex::default(),
            closed: AtomicBool::new(false),
            ready: Notify::new(),
            crowded: Notify::new(),
            batch,
        }
    }

    /// The lanes for runs that are started with a commit.
    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Commits one turn, together with whatever else is ready.
    pub(crate) async fn commit(&self, turn: Turn) -> Result<Committed, CommitError> {
        let (done, answer) = oneshot::channel();
        {
            let mut queue = self.queue.lock();
            if self.closed.load(Ordering::Relaxed) {
                return Err(CommitError::Lost);
            }
            queue.push_back(Pending { turn, done });
            self.call(queue.len());
        }
        answer.await.unwrap_or(Err(CommitError::Lost))
    }

    /// Answers whatever a drain left behind once the lanes have ended: a run that waited for its
    /// commit would hold the worker's connections for ever.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        self.closed.store(true, Ordering::Relaxed);
        lose(queue.drain(..).collect());
    }

    /// Wakes those who may flush so many turns.
    fn call(&self, turns: usize) {
        if turns > 0 {
            self.ready.notify_one();
        }
        if turns >= CROWD {
            self.crowded.notify_one();
        }
    }

    /// Flushes until the worker is over, as the first, second or a later one of those who do. Runs
    /// in a task that nobody cancels.
    pub(crate) async fn work(self: Arc<Self>, place: usize, mut over: watch::Receiver<bool>) {
        let (called, least) = if place < EAGER { (&self.ready, 1) } else { (&self.crowded, CROWD) };
        loop {
            let batch = self.gather(least);
            if batch.is_empty() {
                tokio::select! {
                    () = called.notified() => {}
                    _ = over.wait_for(|over| *over) => return,
                }
                continue;
            }
            self.flush(batch).await;
        }
    }

    /// The oldest turns, if there are at least so many, all of one incarnation: a flush speaks for
    /// one.
    fn gather(&self, least: usize) -> Vec<Pending> {
        let mut queue = self.queue.lock();
        let count = if queue.len() < least { 0 } else { queue.len().min(self.batch) };
        let mut batch: Vec<Pending> = queue.drain(..count).collect();
        if count > 0 {
            self.call(queue.len());
        }
        drop(queue);
        let current = self.lease.current();
        let (kept, lost): (Vec<_>, Vec<_>) =
            batch.drain(..).partition(|p| Some(p.turn.hold.incarnation) == current);
        for pending in lost {
            answer(pending, Err(CommitError::Lost));
        }
        kept
    }

    async fn flush(&self, batch: Vec<Pending>) {
        let Some(first) = batch.first() else { return };
        let incarnation = first.turn.hold.incarnation;
        fault::point("before a flush", "");
        let flushed = self.try_flush(incarnation, &batch).await;
        fault::point("after a flush", "");
        match flushed {
            Ok(Some(outcomes)) => settle(batch, outcomes, &self.bells),
            Ok(None) => {
                // The fence stands: this incarnation was declared dead.
                self.lease.lose(incarnation);
                lose(batch);
            }
            Err(error) if outcome_unknown(&error) => {
                tracing::warn!(%error, turns = batch.len(), "a flush's outcome is unknown");
                self.lease.lose(incarnation);
                lose(batch);
            }
            Err(error) if batch.len() > 1 => {
                tracing::warn!(%error, turns = batch.len(), "a flush was refused; splitting it");
                metrics::counter!("makegood_flushes_split_total").increment(1);
                for pending in batch {
                    Box::pin(self.flush(vec![pending])).await;
                }
            }
            Err(error) => {
                for Pending { turn, done } in batch {
                    let answer = if refused(&error) {
                        CommitError::Refused(error.to_string())
                    } else {
                        tracing::warn!(run.id = %turn.hold.run_id, %error, "a turn could not be written");
                        CommitError::Again(Box::new(turn))
                    };
                    let _ = done.send(Err(answer));
                }
            }
        }
    }

    /// Writes a batch; a passing refusal, such as a deadlock, is tried again.
    async fn try_flush(
        &self,
        incarnation: Uuid,
        batch: &[Pending],
    ) -> Result<Option<Outcomes>, sqlx::Error> {
        metrics::counter!("makegood_flushes_total").increment(1);
        #[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "a batch size")]
        metrics::histogram!("makegood_flush_turns").record(batch.len() as f64);
        let turns: Vec<&Turn> = batch.iter().map(|pending| &pending.turn).collect();
        let mut tries = 0_u32;
        loop {
            let begun = self.lease.watchdog().begin("a flush");
            let written = self.write_batch(incarnation, &turns).await;
            drop(begun);
            match written {
                Err(error) if transient(&error) && tries < 3 => {
                    tries = tries.saturating_add(1);
                    tokio::time::sleep(Duration::from_millis(5 << tries)).await;
                }
                other => return other,
            }
        }
    }

    async fn write_batch(
        &self,
        incarnation: Uuid,
        turns: &[&Turn],
    ) -> Result<Option<Outcomes>, sqlx::Error> {
        let now = self.lease.clock().now();
        if turns.iter().all(|turn| turn.is_plain()) {
            let columns = write::columns(turns);
            let alive = steps::insert_alone(&self.pool, incarnation, columns, now).await?;
            return Ok(alive.then(Outcomes::new));
        }
        let mut tx = self.pool.begin().await?;
        match write::turns(&mut tx, &self.lanes, incarnation, turns, now).await? {
            Some(outcomes) => {
                write::commit(tx).await?;
                Ok(Some(outcomes))
            }
            None => {
                tx.rollback().await?;
                Ok(None)
            }
        }
    }
}

fn settle(batch: Vec<Pending>, mut outcomes: Outcomes, bells: &Bells) {
    for pending in batch {
        let outcome = outcomes.remove(&pending.turn.hold.run_id);
        let result = pending.turn.committed(outcome, bells);
        answer(pending, result);
    }
}

fn lose(batch: Vec<Pending>) {
    for pending in batch {
        answer(pending, Err(CommitError::Lost));
    }
}

fn answer(pending: Pending, result: Result<Committed, CommitError>) {
    // The run's handler may be gone when the process ends; then nobody needs the answer.
    let _ = pending.done.send(result);
}
