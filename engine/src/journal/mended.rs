//! What operators wrote into a record, read back. It decides nothing: the verbs did.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Intent, Journal, Payload, Recorded, RowKind, Undoable};
use crate::children::CANCEL_CHILD;
use crate::workflow::Cause;

/// Whether a call belongs to the program or to making good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A step of the program.
    Forward,
    /// An undo, or the closing.
    Back,
}

/// An input that an operator gave.
#[derive(Debug)]
pub(crate) struct Edit {
    name: String,
    occurrence: i32,
    phase: Phase,
    input: Payload,
}

/// Where a forked run came from: the result of its `forked` row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) run_id: Uuid,
    pub(crate) seq: i32,
}

impl Journal {
    /// The input that an operator gave for this call.
    pub(crate) fn edited(&self, name: &str, occurrence: i32, phase: Phase) -> Option<&Payload> {
        let of = |e: &&Edit| e.name == name && e.occurrence == occurrence && e.phase == phase;
        self.edits.iter().find(of).map(|edit| &edit.input)
    }

    /// A given result is like a recorded one. It stands in the place of an answer before it.
    pub(super) fn skip(&mut self, step: Intent, result: Option<Payload>) {
        let Intent { name, occurrence, .. } = step.clone();
        self.pivoted |= step.pivot;
        self.close_intent(&name, occurrence);
        self.forget(&name, occurrence);
        let answer =
            |r: &Recorded| r.kind.is_answer() && r.name == name && r.occurrence == occurrence;
        let at = self.recorded.iter().position(answer).unwrap_or(self.recorded.len());
        self.recorded.retain(|r| !answer(r));
        if let Some(undo) = step.undo.clone() {
            let (name, input, output) = (name.clone(), step.input.clone(), result.clone());
            self.undoables.push(Undoable { name, occurrence, input, output, undo, of_run: None });
        }
        let kind = RowKind::Done;
        self.recorded.insert(at, Recorded { kind, name, occurrence, result });
        self.given = Some(step);
    }

    /// What is not a step to be undone is the closing.
    pub(super) fn waive(&mut self, name: &str, occurrence: i32, result: Option<Payload>) {
        if self.undoables.iter().any(|u| u.name == name && u.occurrence == occurrence) {
            self.undo(name, occurrence, result);
        } else {
            self.closed = true;
        }
    }

    pub(super) fn edit(&mut self, name: String, occurrence: i32, input: Option<Payload>) {
        let Some(input) = input else { return };
        let phase = if self.compensating.is_some() { Phase::Back } else { Phase::Forward };
        if phase == Phase::Forward {
            // An undo is told what was tried last.
            let of = |u: &&mut Undoable| u.name == name && u.occurrence == occurrence;
            for undoable in self.undoables.iter_mut().filter(of) {
                undoable.input = input.clone();
            }
            let of = |open: &&mut Intent| open.name == name && open.occurrence == occurrence;
            for open in self.open.iter_mut().filter(of) {
                open.input = input.clone();
            }
        }
        self.edits.retain(|e| e.name != name || e.occurrence != occurrence || e.phase != phase);
        self.edits.push(Edit { name, occurrence, phase, input });
    }

    /// The program awaits the child's new run instead of the one that ended.
    pub(super) fn restart(&mut self, name: &str, occurrence: i32, child: Option<Payload>) {
        let Some(child) = child else { return };
        self.recorded
            .retain(|r| r.name != name || r.occurrence != occurrence || !r.kind.is_answer());
        let is_start = |r: &&mut Recorded| {
            r.kind == RowKind::Started && r.name == name && r.occurrence == occurrence
        };
        for started in self.recorded.iter_mut().filter(is_start) {
            started.result = Some(child.clone());
        }
        self.forget(name, occurrence);
        self.undoables.push(Undoable {
            name: name.to_owned(),
            occurrence,
            input: child,
            output: None,
            undo: CANCEL_CHILD.to_owned(),
            of_run: None,
        });
    }

    /// Back to the program. If it was a refusal that ended it, the refused step is tried again.
    pub(super) fn resume(&mut self) {
        self.open = std::mem::take(&mut self.shelved);
        let Some(Cause::Rejected(rejection)) = self.compensating.take() else { return };
        let is_it = |r: &Recorded| r.kind == RowKind::Rejected && r.name == rejection.step;
        let refused = self.recorded.iter().rposition(is_it).and_then(|at| self.recorded.remove(at));
        let Some(Recorded { name, occurrence, .. }) = refused else { return };
        // An earlier attempt may have had its effect: the step is open, not new.
        let doubtful = self.undoables.iter().find(|u| u.name == name && u.occurrence == occurrence);
        self.open.extend(doubtful.map(|undoable| Intent {
            name,
            occurrence,
            input: undoable.input.clone(),
            undo: Some(undoable.undo.clone()),
            pivot: false,
        }));
    }

    /// The steps before are undone under the keys of the run that made them; the signals before
    /// were that run's.
    pub(super) fn fork(&mut self, result: Option<&Payload>) -> Result<(), serde_json::Error> {
        let origin = result.map_or("null", |result| result.get());
        let origin: Origin = serde_json::from_str(origin)?;
        for undoable in &mut self.undoables {
            undoable.of_run.get_or_insert(origin.run_id);
        }
        self.taken_signals.clear();
        Ok(())
    }
}
