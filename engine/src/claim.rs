//! The claimer: brings due runs into memory, as many as there is room for. `round` decides which.
//!
//! A claim need not reach the disk by itself: every later commit of the run comes after it in the
//! log, and a claim that a crash takes back leaves the run due.

mod round;

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use sqlx::PgPool;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use uuid::Uuid;

use crate::action::{AllTries, Hold, StoredSignal};
use crate::claim::round::{Eager, Round};
use crate::error::too_much;
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::{HistoryRow, Journal};
use crate::lane::StartOptions;
use crate::reach::Reach;
use crate::registry::WorkflowCode;
use crate::run::{CANCEL, COMPENSATE, Claimed, Run};
use crate::runtime::Engine;
use crate::store::tasks::{self, ClaimedRow, Reading};

/// The shortest pause of an idle claimer.
const POLL_FLOOR: Duration = Duration::from_millis(2);

/// Brings due runs into memory.
pub(crate) struct Claimer {
    engine: Arc<Engine>,
    /// Its own connection; claims do not wait for the disk.
    pool: PgPool,
    slots: Arc<Semaphore>,
    due: Arc<Notify>,
    runs: mpsc::UnboundedSender<Run>,
    reach: Reach,
    reading: Reading,
}

/// A run's place in memory.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    /// Told when the place is free again, by runs of a queue that allows only so many.
    freed: Option<Arc<Notify>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(freed) = &self.freed {
            freed.notify_one();
        }
    }
}

/// Free places, taken for a claim.
struct Room(Vec<OwnedSemaphorePermit>);

impl Room {
    fn places(&self) -> usize {
        self.0.iter().map(OwnedSemaphorePermit::num_permits).sum()
    }

    fn take(&mut self) -> Option<OwnedSemaphorePermit> {
        // The first permits are used up before the second.
        self.0.iter_mut().find_map(|permits| permits.split(1))
    }
}

impl Claimer {
    pub(crate) fn new(
        engine: Arc<Engine>,
        pool: PgPool,
        slots: Arc<Semaphore>,
        due: Arc<Notify>,
        runs: mpsc::UnboundedSender<Run>,
    ) -> Self {
        let (reach, reading) = (Reach::default(), Reading::Together);
        Self { engine, pool, slots, due, runs, reach, reading }
    }

    /// Claims until the worker drains. Ends only between two claims.
    pub(crate) async fn work(mut self, mut draining: watch::Receiver<bool>) {
        let mut idle = POLL_FLOOR;
        let mut eager = Eager::Yes;
        while !*draining.borrow() {
            let Some(room) = self.room(&mut draining).await else { return };
            let pause = match self.round(room, eager).await {
                Ok(Round::More) => {
                    (idle, eager) = (POLL_FLOOR, Eager::Yes);
                    continue;
                }
                // Let the next batch gather.
                Ok(Round::All) => {
                    (idle, eager) = (POLL_FLOOR, Eager::Yes);
                    Duration::from_micros(500)
                }
                // Not longer than until the next run is due.
                Ok(Round::Nothing(due_in)) => {
                    eager = Eager::No;
                    due_in.unwrap_or(idle).min(idle)
                }
                Err(error) => {
                    tracing::warn!(%error, "the queue could not be read");
                    Duration::from_millis(100)
                }
            };
            let deaf = planted::has("only a hint wakes a worker");
            tokio::select! {
                () = tokio::time::sleep(pause), if !deaf => idle = idle.saturating_mul(2),
                () = self.due.notified() => (idle, eager) = (POLL_FLOOR, Eager::Yes),
                _ = draining.wait_for(|draining| *draining) => return,
            }
            idle = idle.min(self.engine.config.poll_cap);
        }
    }

    /// Waits for room for a quarter of a batch, since a claim for a handful would steal the next
    /// full one, and takes what more there is. `None` when the worker drains first.
    async fn room(&self, draining: &mut watch::Receiver<bool>) -> Option<Room> {
        let config = &self.engine.config;
        let batch = config.claim_batch.min(config.in_flight);
        let quarter = u32::try_from((batch / 4).max(1)).unwrap_or(1);
        let room = tokio::select! {
            room = Arc::clone(&self.slots).acquire_many_owned(quarter) => room.ok()?,
            _ = draining.wait_for(|draining| *draining) => return None,
        };
        let more = u32::try_from(batch).unwrap_or(u32::MAX).saturating_sub(quarter);
        let free = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX).min(more);
        let mut slots = vec![room];
        slots.extend(Arc::clone(&self.slots).try_acquire_many_owned(free).ok());
        Some(Room(slots))
    }

    async fn adopt(
        &self,
        row: ClaimedRow,
        incarnation: Uuid,
        code: Arc<WorkflowCode>,
        options: Arc<StartOptions>,
        place: Place,
    ) {
        let hold = Hold { run_id: row.run_id, incarnation, epoch: row.epoch };
        let mut unfit = None;
        let read = match self.read(&row).await {
            Ok(read) => read,
            Err(error) if too_much(&error) => {
                let message = format!("its record cannot be read at once: {error}");
                unfit = Some(NewIncident::new(IncidentClass::Unwritable, None, &message));
                Ok((Vec::new(), Vec::new()))
            }
            Err(error) => {
                tracing::warn!(run.id = %row.run_id, %error, "a claimed run could not be read");
                return self.engine.lease.lose(incarnation);
            }
        };
        let poisoned = row.crashes >= self.engine.config.crash_limit;
        if poisoned && !planted::has("poison is passed on") {
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
        let undoing = journal.compensating.is_some()
            || (!journal.pivoted
                && !journal.pivot_is_open()
                && signals.iter().any(|signal| [CANCEL, COMPENSATE].contains(&&*signal.kind)));
        if !undoing && !code.versions.contains(&row.version) {
            let message = format!("version {} can be undone here, but not run", row.version);
            unfit = Some(NewIncident::new(IncidentClass::NonDeterminism, None, &message));
        }
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
                options,
                place: Some(place),
            },
            &engine.config,
            engine.clock().clone(),
        );
        // When the worker is over, its incarnation frees the run.
        if self.runs.send(run).is_err() && !engine.is_draining() {
            engine.lease.watchdog().fail("the runtime takes no more runs".to_owned());
        }
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
