//! What a run records in a turn: answers, intents, undos. It polls nothing and writes nothing.

use serde_json::value::to_raw_value;

use super::{Answer, Mark, Run};
use crate::action::{Call, Role, StoredSignal};
use crate::ctx::Reply;
use crate::journal::{Intent, Payload, RowKind, StepRow, TakenSignal, Undoable};

impl Run {
    /// Records the answer to a call and hands it to the program.
    pub(crate) fn finish(&mut self, call: &Call, answer: Answer) {
        let Answer { result: answer, tries, doubt } = answer;
        let (kind, result) = match &answer {
            Ok(output) => (RowKind::Done, Some(output.clone())),
            Err(rejection) => (RowKind::Rejected, to_raw_value(rejection).ok()),
        };
        match call.role {
            Role::Undo => {
                self.journal.undo(&call.step, call.occurrence, result.clone());
                self.record(RowKind::Undone, &call.step, call.occurrence, result);
            }
            Role::Closing => {
                self.journal.closed = true;
                self.record(RowKind::Closed, &call.step, call.occurrence, result);
            }
            Role::Step { undo, pivot, .. } => {
                let intended = self.journal.open.is_some();
                self.journal.close_intent(&call.step, call.occurrence, answer.as_ref().ok());
                self.record(kind, &call.step, call.occurrence, result);
                if let Some(row) = self.rows.last_mut() {
                    row.pivot = pivot;
                    row.attempts = i32::try_from(tries).unwrap_or(i32::MAX);
                }
                let reply = match answer {
                    Ok(output) => {
                        self.journal.pivoted |= pivot;
                        if let (Some(undo), false) = (undo, intended) {
                            self.keep_undo(call, undo, output.clone());
                        }
                        Reply::Done(output)
                    }
                    Err(rejection) => {
                        if doubt {
                            // The refusal is of the last attempt alone: the undo stays.
                            self.mark_doubt(undo);
                        } else {
                            self.journal.forget(&call.step, call.occurrence);
                        }
                        Reply::Rejected(rejection)
                    }
                };
                self.desk.reply(reply);
            }
        }
    }

    fn mark_doubt(&mut self, undo: Option<&'static str>) {
        if let Some(row) = self.rows.last_mut() {
            row.undo = undo.map(str::to_owned);
        }
    }

    /// Where the turn stands.
    pub(crate) fn mark(&self) -> Mark {
        Mark { rows: self.rows.len(), next_seq: self.journal.next_seq }
    }

    /// Forgets what was recorded since; the program stays ahead and must not be polled any more.
    pub(crate) fn return_to(&mut self, mark: Mark) {
        self.rows.truncate(mark.rows);
        self.journal.next_seq = mark.next_seq;
        self.intent = None;
    }

    /// A step without an intent keeps its undo with its result.
    fn keep_undo(&mut self, call: &Call, undo: &'static str, output: Payload) {
        if let Some(row) = self.rows.last_mut() {
            row.undo = Some(undo.to_owned());
            row.input = Some(call.input.clone());
        }
        self.journal.undoables.push(Undoable {
            name: call.step.clone(),
            occurrence: call.occurrence,
            input: call.input.clone(),
            output: Some(output),
            undo: undo.to_owned(),
            of_run: None,
        });
    }

    /// Notes the intent of a call, to be committed before the call is made.
    pub(crate) fn intend(&mut self, call: &Call) {
        let Role::Step { undo, pivot, .. } = call.role else { return };
        let intent = Intent {
            name: call.step.clone(),
            occurrence: call.occurrence,
            input: call.input.clone(),
            undo: undo.map(str::to_owned),
            pivot,
        };
        if self.rows.is_empty() {
            self.record(RowKind::Intent, "", 0, None);
        }
        self.journal.intend(&intent);
        self.journal.open = Some(intent.clone());
        self.intent = Some(intent);
    }

    /// The rows of this turn, with the intent on the last one.
    pub(crate) fn take_rows(&mut self) -> Vec<StepRow> {
        let mut rows = std::mem::take(&mut self.rows);
        if let (Some(intent), Some(last)) = (self.intent.take(), rows.last_mut()) {
            last.next = to_raw_value(&intent).ok();
        }
        rows
    }

    pub(super) fn record(
        &mut self,
        kind: RowKind,
        name: &str,
        occurrence: i32,
        result: Option<Payload>,
    ) {
        let seq = self.journal.next_seq;
        self.journal.next_seq = seq.saturating_add(1);
        self.rows.push(StepRow {
            seq,
            kind,
            name: name.to_owned(),
            occurrence,
            input: None,
            result,
            undo: None,
            pivot: false,
            attempts: 1,
            next: None,
        });
    }

    pub(super) fn record_taken(
        &mut self,
        kind: RowKind,
        name: &str,
        occurrence: i32,
        signal: &StoredSignal,
    ) {
        let StoredSignal { id, kind: of, payload } = signal.clone();
        let taken = TakenSignal { id, kind: of, payload };
        self.record(kind, name, occurrence, to_raw_value(&taken).ok());
    }
}
