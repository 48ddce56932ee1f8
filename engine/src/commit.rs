//! The group committer: what one commit carries. It runs no activity and drives no run.
//!
//! Turns that become ready while a flush is in flight go out in the next one, as one statement
//! (or two, when some of the runs park or end) and one commit. Idle, a turn is flushed at once.
//! One bad row never fails its neighbours: a refused flush is split and tried singly.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{Notify, oneshot, watch};
use uuid::Uuid;

use crate::ctx::Until;
use crate::error::{outcome_unknown, transient};
use crate::incident::NewIncident;
use crate::journal::StepRow;
use crate::late;
use crate::lease::Lease;
use crate::run::{End, Hold, Park, Run, StoredSignal};
use crate::store::tasks::Moves;
use crate::store::{incidents, steps, tasks};

/// What a turn wants written.
pub(crate) struct Turn {
    pub(crate) hold: Hold,
    pub(crate) rows: Vec<StepRow>,
    step_count: i32,
    seen: i32,
    unwinding: bool,
    pub(crate) disposition: Disposition,
}

/// What becomes of the run with this commit.
pub(crate) enum Disposition {
    GoOn,
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
    /// The rows are durable, but signals have come: the run takes them first.
    Refused(Vec<StoredSignal>),
}

/// Why a turn was not committed.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// The run is no longer this worker's: drop it.
    Lost,
    /// The database refused these very rows.
    Refused(String),
}

impl Turn {
    /// Takes the run's uncommitted rows.
    pub(crate) fn of(run: &mut Run, disposition: Disposition) -> Self {
        Self {
            hold: run.hold,
            rows: run.take_rows(),
            step_count: run.journal.next_seq,
            seen: run.seen,
            unwinding: run.is_unwinding(),
            disposition,
        }
    }

    /// Parks the run for a person and drops what was not committed.
    pub(crate) fn stuck(run: &Run, incident: NewIncident) -> Self {
        Self {
            hold: run.hold,
            rows: Vec::new(),
            // How many rows are durable is not known here: the next claim reads them anew.
            step_count: -1,
            seen: run.seen,
            unwinding: run.is_unwinding(),
            disposition: Disposition::Stick(incident),
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
    lease: Arc<Lease>,
    queue: Mutex<VecDeque<Pending>>,
    ready: Notify,
    batch: usize,
}

impl Committer {
    pub(crate) fn new(pool: PgPool, lease: Arc<Lease>, batch: usize) -> Self {
        Self { pool, lease, queue: Mutex::default(), ready: Notify::new(), batch }
    }

    /// Commits one turn, together with whatever else is ready.
    pub(crate) async fn commit(&self, turn: Turn) -> Result<Committed, CommitError> {
        let (done, answer) = oneshot::channel();
        self.queue.lock().push_back(Pending { turn, done });
        self.ready.notify_one();
        answer.await.unwrap_or(Err(CommitError::Lost))
    }

    /// Flushes until the worker is over. Runs in a task that nobody cancels.
    pub(crate) async fn lane(self: Arc<Self>, mut over: watch::Receiver<bool>) {
        loop {
            let batch = self.gather();
            if batch.is_empty() {
                tokio::select! {
                    () = self.ready.notified() => {}
                    _ = over.wait_for(|over| *over) => return,
                }
                continue;
            }
            self.flush(batch).await;
        }
    }

    /// The oldest turns, all of one incarnation: a flush speaks for one.
    fn gather(&self) -> Vec<Pending> {
        let mut queue = self.queue.lock();
        let count = queue.len().min(self.batch);
        let mut batch: Vec<Pending> = queue.drain(..count).collect();
        if !queue.is_empty() {
            self.ready.notify_one();
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
        match self.try_flush(incarnation, &batch).await {
            Ok(Some(outcomes)) => settle(batch, outcomes),
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
                for pending in batch {
                    answer(pending, Err(CommitError::Refused(error.to_string())));
                }
            }
        }
    }

    /// Writes a batch; a passing refusal (a deadlock, a lock timeout) is tried again.
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
            let written = self.write_batch(incarnation, &turns).await;
            match written {
                Err(error) if transient(&error) && tries < 5 => {
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
        let now = self.lease.database_time();
        if turns.iter().all(|turn| matches!(turn.disposition, Disposition::GoOn)) {
            let columns = columns(turns, |_| true);
            let alive = steps::insert_alone(&self.pool, incarnation, columns, now).await?;
            return Ok(alive.then(HashMap::new));
        }
        let mut tx = self.pool.begin().await?;
        match write(&mut tx, incarnation, turns, now).await? {
            Some(outcomes) => {
                commit(tx).await?;
                Ok(Some(outcomes))
            }
            None => {
                tx.rollback().await?;
                Ok(None)
            }
        }
    }
}

/// A run's outcome; a run that just goes on has no entry.
pub(crate) type Outcomes = HashMap<Uuid, Outcome>;

pub(crate) enum Outcome {
    Left,
    Refused(Vec<StoredSignal>),
    Lost,
}

/// Commits; whatever goes wrong here leaves the outcome unknown, even the server's refusal.
pub(crate) async fn commit(tx: sqlx::Transaction<'_, sqlx::Postgres>) -> Result<(), sqlx::Error> {
    tx.commit().await.map_err(|error| match error.as_database_error() {
        Some(refused) => sqlx::Error::Protocol(format!("refused at commit: {refused}")),
        None => error,
    })
}

/// Writes turns inside a transaction: moves first, in the order of the runs' ids, then records.
/// `None` when the incarnation is dead: roll back.
pub(crate) async fn write(
    conn: &mut PgConnection,
    incarnation: Uuid,
    turns: &[&Turn],
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Option<Outcomes>, sqlx::Error> {
    let mut outcomes: Outcomes = HashMap::new();
    let moves = moves(turns);
    if !moves.run_ids.is_empty() {
        let moved = tasks::apply_moves(&mut *conn, incarnation, &moves).await?;
        for run_id in &moves.run_ids {
            outcomes.insert(*run_id, Outcome::Lost);
        }
        for done in moved {
            let outcome = match done.refused {
                Some(_) if done.stale => {
                    let (_, signals) = tasks::reread(&mut *conn, done.run_id).await?;
                    Outcome::Refused(signals)
                }
                Some(signals) => Outcome::Refused(signals),
                None => Outcome::Left,
            };
            outcomes.insert(done.run_id, outcome);
        }
        write_ends(&mut *conn, turns, &outcomes).await?;
    }
    let columns = columns(turns, |turn| {
        !matches!(outcomes.get(&turn.hold.run_id), Some(Outcome::Lost))
    });
    let alive = if columns.is_empty() {
        crate::store::workers::fence(conn, incarnation).await?
    } else {
        steps::insert(conn, incarnation, columns, now).await?
    };
    Ok(alive.then_some(outcomes))
}

/// What belongs to the runs that leave: incidents, and runs for the signals that nobody took.
async fn write_ends(
    conn: &mut PgConnection,
    turns: &[&Turn],
    outcomes: &Outcomes,
) -> Result<(), sqlx::Error> {
    for turn in turns {
        if !matches!(outcomes.get(&turn.hold.run_id), Some(Outcome::Left)) {
            continue;
        }
        match &turn.disposition {
            Disposition::Stick(incident) => {
                incidents::insert(&mut *conn, turn.hold.run_id, incident).await?;
            }
            Disposition::End(end) => {
                for start in &end.late {
                    late::insert(&mut *conn, start).await?;
                }
            }
            Disposition::GoOn | Disposition::Park(_) => {}
        }
    }
    Ok(())
}

fn columns(turns: &[&Turn], wanted: impl Fn(&Turn) -> bool) -> steps::Columns {
    let mut columns = steps::Columns::default();
    for turn in turns.iter().filter(|turn| wanted(turn)) {
        for row in &turn.rows {
            columns.push(turn.hold.run_id, row);
        }
    }
    columns
}

fn moves(turns: &[&Turn]) -> Moves {
    let mut moves = Moves::default();
    for turn in turns {
        let (kind, state) = match &turn.disposition {
            Disposition::GoOn => continue,
            Disposition::Park(_) if turn.unwinding => ("park", "COMPENSATING"),
            Disposition::Park(Park { wait: Some(_), .. }) => ("park", "WAITING"),
            Disposition::Park(_) => ("park", "RUNNING"),
            Disposition::End(end) => ("end", end.state),
            Disposition::Stick(_) => ("stick", "STUCK"),
        };
        moves.run_ids.push(turn.hold.run_id);
        moves.epochs.push(turn.hold.epoch);
        moves.moves.push(kind);
        moves.states.push(state);
        moves.seen.push(turn.seen);
        moves.step_counts.push(turn.step_count);
        let (mut attempt, mut at, mut in_ms, mut wait, mut incident) = (0, None, None, None, None);
        let (mut output, mut cause) = (None, None);
        match &turn.disposition {
            Disposition::GoOn => {}
            Disposition::Park(park) => {
                attempt = i32::try_from(park.attempt).unwrap_or(i32::MAX);
                wait.clone_from(&park.wait);
                match park.until {
                    Until::At(time) => at = Some(time),
                    Until::After(pause) => {
                        in_ms = Some(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
                    }
                }
            }
            Disposition::End(end) => {
                output = end.output.as_ref().map(|p| p.get().to_owned());
                cause = end.cause.as_ref().map(|p| p.get().to_owned());
            }
            Disposition::Stick(new) => incident = Some(new.incident_id),
        }
        moves.attempts.push(attempt);
        moves.due_at.push(at);
        moves.due_in_ms.push(in_ms);
        moves.wait_keys.push(wait);
        moves.incidents.push(incident);
        moves.outputs.push(output);
        moves.causes.push(cause);
    }
    moves
}

fn settle(batch: Vec<Pending>, mut outcomes: Outcomes) {
    for pending in batch {
        let outcome = outcomes.remove(&pending.turn.hold.run_id);
        let result = committed(&pending.turn, outcome);
        answer(pending, result);
    }
}

/// What a run is told about its turn.
pub(crate) fn committed(turn: &Turn, outcome: Option<Outcome>) -> Result<Committed, CommitError> {
    match outcome {
        None => Ok(Committed::GoOn),
        Some(Outcome::Left) => {
            count_end(turn);
            Ok(Committed::Left)
        }
        Some(Outcome::Refused(signals)) => Ok(Committed::Refused(signals)),
        Some(Outcome::Lost) => Err(CommitError::Lost),
    }
}

fn count_end(turn: &Turn) {
    match &turn.disposition {
        Disposition::End(end) => {
            metrics::counter!("makegood_runs_ended_total", "state" => end.state).increment(1);
        }
        Disposition::Stick(incident) => {
            let class = incident.class.as_str().to_owned();
            metrics::counter!("makegood_incidents_opened_total", "class" => class).increment(1);
            tracing::warn!(
                run.id = %turn.hold.run_id, step.name = incident.step.as_deref(),
                incident.class = incident.class.as_str(), incident.message = incident.message,
                "a run needs a person",
            );
        }
        Disposition::GoOn | Disposition::Park(_) => {}
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
