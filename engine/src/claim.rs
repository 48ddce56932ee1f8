//! The claimer: brings due runs into memory, as many as there is room for.
//!
//! A claim need not reach the disk by itself: every later commit of the run comes after it in the
//! log, and a claim that a crash takes back leaves the run due.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use sqlx::PgPool;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use uuid::Uuid;

use crate::action::{AllTries, Hold, StoredSignal};
use crate::error::outcome_unknown;
use crate::fault;
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::{HistoryRow, Journal};
use crate::registry::WorkflowCode;
use crate::run::{Claimed, Run};
use crate::runtime::Engine;
use crate::store::tasks::{self, ClaimedRow};

/// The shortest pause of an idle claimer.
const POLL_FLOOR: Duration = Duration::from_millis(2);

/// Brings due runs into memory.
pub(crate) struct Claimer {
    pub(crate) engine: Arc<Engine>,
    /// Its own connection; claims do not wait for the disk.
    pub(crate) pool: PgPool,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) due: Arc<Notify>,
    pub(crate) runs: mpsc::UnboundedSender<Run>,
}

impl Claimer {
    /// Claims until the worker drains. Ends only between two claims.
    pub(crate) async fn work(self, mut draining: watch::Receiver<bool>) {
        let names = self.engine.registry.workflow_names();
        let mut idle = POLL_FLOOR;
        while !*draining.borrow() {
            let Some(room) = self.room(&mut draining).await else { return };
            let pause = match self.claim(&names, room).await {
                Ok(Some(0)) => self.until_due(&names, idle).await,
                // A batch that was not full: let the next one gather.
                Ok(Some(_)) => {
                    idle = POLL_FLOOR;
                    Duration::from_micros(500)
                }
                Ok(None) => {
                    idle = POLL_FLOOR;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "the queue could not be read");
                    Duration::from_millis(100)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => idle = idle.saturating_mul(2),
                () = self.due.notified() => idle = POLL_FLOOR,
                _ = draining.wait_for(|draining| *draining) => return,
            }
            idle = idle.min(self.engine.config.poll_cap);
        }
    }

    /// Waits for room for a quarter of a batch, since a claim for a handful would steal the next
    /// full one, and takes what more there is. `None` when the worker drains first.
    async fn room(
        &self,
        draining: &mut watch::Receiver<bool>,
    ) -> Option<Vec<OwnedSemaphorePermit>> {
        let batch = self.engine.config.claim_batch;
        let quarter = u32::try_from((batch / 4).max(1)).unwrap_or(1);
        let room = tokio::select! {
            room = Arc::clone(&self.slots).acquire_many_owned(quarter) => room.ok()?,
            _ = draining.wait_for(|draining| *draining) => return None,
        };
        let more = u32::try_from(batch).unwrap_or(u32::MAX).saturating_sub(quarter);
        let free = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX).min(more);
        let mut slots = vec![room];
        slots.extend(Arc::clone(&self.slots).try_acquire_many_owned(free).ok());
        Some(slots)
    }

    /// Claims one batch. `None` when it was full; otherwise how many there were.
    async fn claim(
        &self,
        names: &[String],
        mut slots: Vec<OwnedSemaphorePermit>,
    ) -> Result<Option<usize>, sqlx::Error> {
        let Some(incarnation) = self.engine.lease.current() else {
            return Ok(Some(0));
        };
        let room: usize = slots.iter().map(OwnedSemaphorePermit::num_permits).sum();
        let limit = i64::try_from(room).unwrap_or(i64::MAX);
        let rows = match tasks::claim(&self.pool, incarnation, names, limit).await {
            Ok(rows) => rows,
            Err(error) => {
                if outcome_unknown(&error) {
                    // It may have claimed runs that nobody here knows of.
                    self.engine.lease.lose(incarnation);
                }
                return Err(error);
            }
        };
        let count = rows.len();
        if count > 0 {
            fault::point("after a claim", "");
            metrics::counter!("makegood_runs_claimed_total")
                .increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
        for row in rows {
            // The first permits are used up before the second.
            let slot = slots.iter_mut().find_map(|room| room.split(1));
            if let (Some(slot), Some(code)) = (slot, self.engine.registry.code_of(&row.workflow)) {
                self.adopt(row, incarnation, code, slot).await;
            } else {
                self.engine.lease.lose(incarnation);
            }
        }
        Ok(if count == room { None } else { Some(count) })
    }

    /// How long to pause: not longer than until the next run is due. One that is due now and was
    /// not claimed is locked by somebody: it is looked at again after the pause.
    async fn until_due(&self, names: &[String], idle: Duration) -> Duration {
        match tasks::next_due_in_ms(&self.pool, names).await {
            Ok(Some(ms)) if ms > 0 => {
                Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX)).min(idle)
            }
            Ok(_) | Err(_) => idle,
        }
    }

    async fn adopt(
        &self,
        row: ClaimedRow,
        incarnation: Uuid,
        code: Arc<WorkflowCode>,
        slot: OwnedSemaphorePermit,
    ) {
        let hold = Hold { run_id: row.run_id, incarnation, epoch: row.epoch };
        let read = match self.read(&row).await {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(run.id = %row.run_id, %error, "a claimed run could not be read");
                return self.engine.lease.lose(incarnation);
            }
        };
        let mut unfit = None;
        if row.crashes >= self.engine.config.crash_limit {
            let message = format!("it was in the memory of {} workers that died", row.crashes);
            unfit = Some(NewIncident::new(IncidentClass::Poison, None, &message));
        }
        let unreadable = |error: serde_json::Error| {
            let message = format!("its record cannot be read: {error}");
            NewIncident::new(IncidentClass::NonDeterminism, None, &message)
        };
        let (history, signals) = read.unwrap_or_else(|error| {
            unfit = Some(unreadable(error));
            (Vec::new(), Vec::new())
        });
        let journal = Journal::fold(history).unwrap_or_else(|error| {
            unfit = Some(unreadable(error));
            Journal::default()
        });
        let tries = row.tries.as_deref().map_or(Ok(AllTries::new()), serde_json::from_str);
        let tries = tries.unwrap_or_else(|error| {
            unfit = Some(unreadable(error));
            AllTries::new()
        });
        let engine = &self.engine;
        let run = Run::new(
            Claimed {
                hold,
                code,
                input: RawValue::from_string(row.input).unwrap_or_else(|_| crate::run::null()),
                parent_run_id: row.parent_run_id,
                journal,
                signals,
                tries,
                deadlines: row.opened.deadlines,
                database_time: row.opened.now,
                unfit,
                slot: Some(slot),
            },
            &engine.config,
            engine.clock().clone(),
        );
        // The queue is gone only when the worker is over, and its incarnation frees the run.
        let _ = self.runs.send(run);
    }

    /// The run's record; read once more when the claim's snapshot was older than its row, or when
    /// a takeover left open how much there is.
    async fn read(&self, row: &ClaimedRow) -> Result<Record, sqlx::Error> {
        let read = row.record.read();
        let whole = read.as_ref().is_ok_and(|(history, signals)| {
            let enough =
                |have: usize, want: i32| i64::try_from(have).is_ok_and(|n| n >= want.into());
            row.step_count >= 0
                && enough(history.len(), row.step_count)
                && enough(signals.len(), row.mailbox)
        });
        if whole || read.is_err() {
            return Ok(read);
        }
        let mut conn = self.engine.hot.acquire().await?;
        Ok(tasks::reread(&mut conn, row.run_id).await?.read())
    }
}

/// A run's history and signals, or why they cannot be decoded.
type Record = Result<(Vec<HistoryRow>, Vec<StoredSignal>), serde_json::Error>;
