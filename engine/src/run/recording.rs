//! What a run records in a turn: answers, intents, undos. It polls nothing and writes nothing.

use std::sync::Arc;

use serde_json::value::to_raw_value;

use super::{Answer, Mark, Records, Run};
use crate::action::{Call, ChildStart, Role, StoredSignal};
use crate::children::CANCEL_CHILD;
use crate::ctx::{Given, Reply, child_workflow_id};
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::{Intent, Payload, RowKind, StepRow, TakenSignal, Undoable};

impl Run {
    /// Records the answer to a call and hands it to the program.
    pub(crate) fn finish(&mut self, call: &Call, answer: Answer) {
        let Answer { result: answer, tries, doubt } = answer;
        self.landed(call);
        if matches!(call.role, Role::Step { .. }) && self.has_unseen_answer() {
            // What the program does between two answers is recorded between them. This one is
            // looked up again by the next owner, as after a crash.
            return;
        }
        self.tries.remove(&call.key());
        if let (Role::Step { .. }, Err(rejection), true) =
            (call.role, &answer, self.journal.pivoted)
        {
            // There is only forward: it is not recorded, so that a retry tries the step again.
            let message = format!("{}: {}", rejection.code, rejection.message);
            let class = IncidentClass::RejectedPastPivot;
            return self.trouble(call, NewIncident::new(class, None, &message).at(call));
        }
        let (kind, result) = match &answer {
            Ok(output) => (RowKind::Done, Some(output.clone())),
            Err(rejection) => (RowKind::Rejected, to_raw_value(rejection).ok()),
        };
        let (step, occurrence) = (call.step.as_str(), call.occurrence);
        match call.role {
            Role::Undo => {
                self.journal.undo(step, occurrence, result.clone());
                self.record(RowKind::Undone, step, occurrence, result);
            }
            Role::Closing => {
                self.journal.closed = true;
                self.record(RowKind::Closed, step, occurrence, result);
            }
            Role::Step { undo, pivot, .. } => {
                let intended = self.journal.is_open(step, occurrence);
                self.journal.close_intent(step, occurrence);
                self.record(kind, step, occurrence, result);
                if let Some(row) = self.turn.rows.last_mut() {
                    row.pivot = pivot;
                    row.attempts = i32::try_from(tries).unwrap_or(i32::MAX);
                }
                let reply = match answer {
                    Ok(output) => {
                        self.journal.pivoted |= pivot;
                        self.journal.learn(step, occurrence, Some(&output));
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
                            self.journal.forget(step, occurrence);
                        }
                        Reply::Rejected(rejection)
                    }
                };
                self.tell(step, occurrence, reply);
                if pivot {
                    self.heed_kept();
                }
            }
        }
    }

    fn mark_doubt(&mut self, undo: Option<&'static str>) {
        if let Some(row) = self.turn.rows.last_mut() {
            row.undo = undo.map(str::to_owned);
        }
    }

    /// Where the turn stands.
    pub(crate) fn mark(&self) -> Mark {
        let Records { rows, children, published, .. } = &self.turn;
        Mark {
            rows: rows.len(),
            children: children.len(),
            published: published.len(),
            next_seq: self.journal.next_seq,
            unwinding: self.is_unwinding(),
        }
    }

    /// Forgets what was recorded since; the program stays ahead and must not be polled any more.
    pub(crate) fn return_to(&mut self, mark: Mark) {
        self.turn.rows.truncate(mark.rows);
        if let Some(last) = self.turn.rows.last_mut() {
            last.next = None;
        }
        self.turn.children.truncate(mark.children);
        self.turn.published.truncate(mark.published);
        self.turn.intents.clear();
        self.journal.next_seq = mark.next_seq;
        if !mark.unwinding {
            self.journal.compensating = None;
        }
        (self.ahead, self.stirred) = (true, false);
    }

    /// A step without an intent keeps its undo with its result.
    fn keep_undo(&mut self, call: &Call, undo: &'static str, output: Payload) {
        if let Some(row) = self.turn.rows.last_mut() {
            row.undo = Some(undo.to_owned());
            row.input = Some(call.input.clone());
            self.journal.weigh(row.input.as_ref());
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
        if self.turn.rows.is_empty() {
            self.record(RowKind::Intent, "", 0, None);
        }
        self.journal.weigh(Some(&intent.input));
        self.journal.intend(intent.clone());
        self.turn.intents.push(intent);
    }

    /// What this turn recorded, with the intents on the last row.
    pub(crate) fn take_records(&mut self) -> Records {
        let mut records = std::mem::take(&mut self.turn);
        if let (false, Some(last)) = (records.intents.is_empty(), records.rows.last_mut()) {
            last.next = to_raw_value(&records.intents).ok();
        }
        records
    }

    /// Records what the program was given at once, and the child that starts with it.
    pub(super) fn record_given(&mut self, given: Given) {
        let Given { kind, key: (name, occurrence), result, child } = given;
        self.record(kind, name, occurrence, Some(result.clone()));
        let Some(child) = child else { return };
        if !child.detached {
            let undo = CANCEL_CHILD.to_owned();
            if let Some(row) = self.turn.rows.last_mut() {
                row.undo = Some(undo.clone());
            }
            let (name, input) = (name.to_owned(), result);
            self.journal.undoables.push(Undoable {
                name,
                occurrence,
                input,
                output: None,
                undo,
                of_run: None,
            });
        }
        let workflow_id = child_workflow_id(self.hold.run_id, name, occurrence);
        let (workflow, options) = (name.to_owned(), Arc::clone(&self.options));
        self.turn.children.push(ChildStart { workflow, workflow_id, options, child });
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
        self.journal.weigh(result.as_ref());
        self.turn.rows.push(StepRow {
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
