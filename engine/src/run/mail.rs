//! What a run is told from outside: signals, a child's end, a cancel. It takes each once.

use std::time::Duration;

use uuid::Uuid;

use super::{Leaving, Mode, Run};
use crate::action::StoredSignal;
use crate::ctx::{Reply, Takes};
use crate::journal::RowKind;
use crate::store::tasks::Opened;
use crate::workflow::Cause;

/// The kind of signal that asks a run to cancel itself.
pub(crate) const CANCEL: &str = "$cancel";

/// The kind of signal that tells a run of the end of its child.
pub(crate) const CHILD: &str = "$child";

/// How often a run that waits with calls under way looks for signals.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Run {
    /// Takes in all signals that are stored for the run.
    pub(crate) fn deliver(&mut self, signals: Vec<StoredSignal>) {
        self.seen = i32::try_from(signals.len()).unwrap_or(i32::MAX);
        for signal in signals {
            let new = self.known.insert(signal.id.clone());
            if new {
                self.journal.weigh(Some(&signal.payload));
            }
            if !new || self.journal.taken_signals.contains(&signal.id) {
                continue;
            }
            self.take(signal);
        }
    }

    fn take(&mut self, signal: StoredSignal) {
        if signal.kind == CANCEL {
            let reason = serde_json::from_str(signal.payload.get()).unwrap_or_default();
            self.turn_back(signal, Cause::Cancelled { reason });
        } else if let Some(signal) = self.take_order(signal) {
            let lost = self.waits.is_empty() && planted::has("an early signal is lost");
            if !lost {
                self.signals.push_back(signal);
            }
        }
    }

    /// Makes the run good because somebody asked for it; behind the pivot that is refused.
    pub(super) fn turn_back(&mut self, signal: StoredSignal, cause: Cause) {
        let leaves = matches!(self.mode, Mode::Leaving(Leaving::MadeGood(_)));
        if self.journal.compensating.is_some() || leaves {
            return;
        }
        if self.journal.pivoted && !planted::has("a cancel is heeded past the pivot") {
            self.record_taken(RowKind::Refused, &signal.kind.clone(), 0, &signal);
        } else if self.journal.pivot_is_open() {
            // It may have happened: its answer decides.
            self.kept = Some(signal);
        } else {
            self.waits.clear();
            self.mode = Mode::Leaving(Leaving::MadeGood(cause));
        }
    }

    /// The pivot is answered: now what came meanwhile can be.
    pub(super) fn heed_kept(&mut self) {
        if let Some(signal) = self.kept.take() {
            self.take(signal);
        }
    }

    /// Ends one open wait: by the oldest signal that one of them takes, or by its deadline.
    pub(super) fn take_wait(&mut self) -> bool {
        let taken = self.signals.iter().enumerate().find_map(|(at, signal)| {
            let wait = self.waits.iter().position(|wait| takes(&wait.takes, signal))?;
            Some((at, wait))
        });
        if let Some((at, wait)) = taken {
            let Some(signal) = self.signals.remove(at) else { return false };
            let wait = self.waits.remove(wait);
            let (name, occurrence) = wait.key;
            let child = matches!(wait.takes, Takes::Child(_));
            let kind = if child { RowKind::Ended } else { RowKind::Signal };
            self.record_taken(kind, name, occurrence, &signal);
            if child {
                // It is over: there is nothing left to cancel.
                self.journal.forget(name, occurrence);
            }
            self.tell(name, occurrence, Reply::Message(signal.payload));
            return true;
        }
        let Some((at, kind)) = self.overdue() else { return false };
        let (name, occurrence) = self.waits.remove(at).key;
        self.record(kind, name, occurrence, None);
        self.tell(name, occurrence, Reply::Elapsed);
        true
    }

    /// The first wait whose deadline has passed, and how that is recorded.
    fn overdue(&mut self) -> Option<(usize, RowKind)> {
        let none = self.deadlines.values().all(|deadline| *deadline > self.database_time);
        if none || planted::has("a deadline is ignored") {
            return None;
        }
        for (at, wait) in self.waits.iter().enumerate() {
            let key = format!("{}#{}", wait.key.0, wait.key.1);
            if self.deadlines.get(&key).is_none_or(|deadline| *deadline > self.database_time) {
                continue;
            }
            match wait.takes {
                Takes::Signal(_) => return Some((at, RowKind::Timeout)),
                Takes::Nothing => return Some((at, RowKind::Slept)),
                // A parent waits for as long as its child lives.
                Takes::Child(_) => self.deadlines.remove(&key),
            };
        }
        None
    }

    /// What the database said about the open waits; answers with how long to wait for the next.
    pub(crate) fn opened(&mut self, opened: Opened) -> Duration {
        self.deadlines.extend(opened.deadlines);
        self.database_time = opened.now;
        let next = self.deadlines.values().filter(|at| **at > self.database_time).min();
        let left = next.and_then(|at| at.signed_duration_since(self.database_time).to_std().ok());
        left.map_or(LOOK_AGAIN, |left| left.min(LOOK_AGAIN))
    }
}

fn takes(takes: &Takes, signal: &StoredSignal) -> bool {
    match takes {
        Takes::Signal(kind) => signal.kind == *kind,
        Takes::Child(run_id) => signal.kind == CHILD && is_end_of(&signal.id, *run_id),
        Takes::Nothing => false,
    }
}

/// Whether this is the id of the letter that a child sends at its end. A parent of thousands asks
/// often.
fn is_end_of(signal_id: &str, child: Uuid) -> bool {
    let of = signal_id.strip_prefix(CHILD).and_then(|id| id.strip_prefix(':'));
    of == Some(&*child.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
}
