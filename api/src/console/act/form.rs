//! The form of a verb: what was given, what is wrong with it, and what it shows next.

use chrono::{DateTime, Utc};
use makegood::inspect::{RecordRow, RowKind};
use makegood::{Cut, Foreseen, GivenUndo, StepId, StuckAt, Verb, VerbKind};
use serde::Deserialize;
use serde_json::Value;

use crate::console::run;

/// The longest reason.
const REASON_BYTES: usize = 2_000;

/// What a form sends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Given {
    pub(super) reason: String,
    /// Names the run as the form's page showed it.
    pub(super) version: String,
    /// Its state then.
    state: String,
    pub(super) shown_at: Option<DateTime<Utc>>,
    step: String,
    result: String,
    input: String,
    undo: String,
    cut: String,
    workflow_id: String,
    intent: String,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) field: &'static str,
    pub(super) words: String,
}

impl Fault {
    pub(super) fn of(field: &'static str, words: impl Into<String>) -> Self {
        Self { field, words: words.into() }
    }
}

impl Given {
    /// Whether it shall only be tried what was given.
    pub(super) fn only_checks(&self) -> bool {
        self.intent == "check"
    }

    pub(super) fn faults(&self, kind: VerbKind) -> Vec<Fault> {
        let mut faults = Vec::new();
        let reason = self.reason.trim();
        if reason.is_empty() && !self.only_checks() {
            faults.push(Fault::of("reason", "Say why: whoever looks at this run next needs it."));
        }
        if reason.len() > REASON_BYTES {
            faults.push(Fault::of("reason", format!("At most {REASON_BYTES} bytes.")));
        }
        faults.extend(self.verb(kind).err());
        faults
    }

    /// The verb with what was given for it.
    pub(super) fn verb(&self, kind: VerbKind) -> Result<Verb, Fault> {
        Ok(match kind {
            VerbKind::Retry => Verb::Retry,
            VerbKind::ResumeForward => Verb::ResumeForward,
            VerbKind::SkipStep => Verb::SkipStep {
                step: self.step()?,
                result: json("result", &self.result)?,
                undo: if self.undo == "forget" { GivenUndo::Forget } else { GivenUndo::Keep },
            },
            VerbKind::EditInput => {
                Verb::EditInput { step: self.step()?, input: json("input", &self.input)? }
            }
            VerbKind::Compensate => Verb::Compensate,
            VerbKind::Cancel => Verb::Cancel,
            VerbKind::Terminate => Verb::Terminate,
            VerbKind::Pause => Verb::Pause,
            VerbKind::Resume => Verb::Resume,
            VerbKind::Close => Verb::Close,
            VerbKind::Fork => {
                let row = self.cut.parse().map_err(|_| Fault::of("cut", "Choose where to cut."))?;
                let workflow_id = self.workflow_id.trim();
                if workflow_id.is_empty() || workflow_id.len() > 200 {
                    let words =
                        "Give the new run an id of 1 to 200 bytes; {} stands for the old one.";
                    return Err(Fault::of("workflow_id", words));
                }
                Verb::Fork { cut: Cut::Row(row), workflow_id: workflow_id.to_owned() }
            }
        })
    }

    fn step(&self) -> Result<StepId, Fault> {
        self.step.parse().map_err(|_| Fault::of("step", "The run is at no step."))
    }
}

/// JSON as a person typed it, or where it stops being JSON.
fn json(field: &'static str, text: &str) -> Result<Value, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::of(field, "Give a JSON value; null is one."));
    }
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let what = match error.classify() {
            serde_json::error::Category::Eof => "it ends too early".to_owned(),
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Data => {
                let words = error.to_string();
                words.split(" at line ").next().unwrap_or_default().to_owned()
            }
        };
        Fault::of(field, format!("This is no JSON: line {line}, column {column}: {what}."))
    })
}

/// The fields as the page shows them.
pub(super) struct Fields {
    pub(super) reason: String,
    pub(super) version: String,
    pub(super) state: String,
    pub(super) shown_at: DateTime<Utc>,
    pub(super) step: String,
    /// What stands at that step: its undo, not the step itself.
    pub(super) is_undo: bool,
    pub(super) result: String,
    pub(super) input: String,
    pub(super) forgets: bool,
    pub(super) cuts: Vec<Choice>,
    pub(super) workflow_id: String,
    pub(super) checks: bool,
    /// The version and state that the form was sent with.
    seen: Option<(String, String)>,
}

/// A place to cut a record.
pub(super) struct Choice {
    pub(super) row: i32,
    pub(super) words: String,
    pub(super) is_chosen: bool,
}

impl Fields {
    /// What was given, or what suggests itself.
    pub(super) fn of(
        given: &Given,
        kind: VerbKind,
        stuck: Option<StuckAt>,
        record: &[RecordRow],
    ) -> Self {
        let or = |given: &str, suggested: String| {
            if given.is_empty() { suggested } else { given.to_owned() }
        };
        let (step, is_undo, input) = match stuck {
            Some(StuckAt { step, is_undo, input }) => (step.to_string(), is_undo, input),
            None => (String::new(), false, None),
        };
        let input = input.and_then(|input| serde_json::to_string_pretty(&input).ok());
        Self {
            reason: given.reason.clone(),
            version: String::new(),
            state: String::new(),
            shown_at: Utc::now(),
            // Where it is stuck now, not where it was: what is sent is compared with the version.
            step,
            is_undo,
            result: or(&given.result, "null".to_owned()),
            input: or(&given.input, input.unwrap_or_default()),
            forgets: given.undo == "forget",
            cuts: if kind == VerbKind::Fork { cuts(record, &given.cut) } else { Vec::new() },
            workflow_id: or(&given.workflow_id, "{}-again".to_owned()),
            checks: given.only_checks(),
            seen: (!given.version.is_empty()).then(|| (given.version.clone(), given.state.clone())),
        }
    }

    /// The verb with what suggests itself: enough to foresee what it would do.
    pub(super) fn suggested(&self, kind: VerbKind) -> Verb {
        let chosen = self.cuts.iter().find(|cut| cut.is_chosen).map_or(0, |cut| cut.row);
        let nowhere = StepId { name: "-".to_owned(), occurrence: 0 };
        let step = self.step.parse().unwrap_or(nowhere);
        match kind {
            VerbKind::Retry => Verb::Retry,
            VerbKind::ResumeForward => Verb::ResumeForward,
            VerbKind::SkipStep => {
                Verb::SkipStep { step, result: Value::Null, undo: GivenUndo::Keep }
            }
            VerbKind::EditInput => Verb::EditInput { step, input: Value::Null },
            VerbKind::Compensate => Verb::Compensate,
            VerbKind::Cancel => Verb::Cancel,
            VerbKind::Terminate => Verb::Terminate,
            VerbKind::Pause => Verb::Pause,
            VerbKind::Resume => Verb::Resume,
            VerbKind::Close => Verb::Close,
            VerbKind::Fork => {
                Verb::Fork { cut: Cut::Row(chosen), workflow_id: self.workflow_id.clone() }
            }
        }
    }

    /// The run as it stands, for the form's next sending.
    pub(super) fn stands(&mut self, foreseen: &Foreseen) {
        let state = foreseen.before.get("state").and_then(Value::as_str).unwrap_or_default();
        (self.version, self.state) = (foreseen.version.clone(), state.to_owned());
    }

    /// The state then and now, if the run moved between the form's page and its sending.
    pub(super) fn moved(&self) -> Option<(&str, &str)> {
        let (version, state) = self.seen.as_ref()?;
        (*version != self.version).then_some((state.as_str(), self.state.as_str()))
    }
}

/// Where a record can be cut: before each answer, and behind all of it; the last one suggests
/// itself. No cut goes behind a call of which nobody knows yet what became of it.
fn cuts(record: &[RecordRow], given: &str) -> Vec<Choice> {
    let end = record.last().map_or(0, |row| row.seq.saturating_add(1));
    let known = record.iter().find(|row| is_open(row, record)).map_or(end, |row| row.seq);
    let choice = |row: i32, words: String| Choice { row, words, is_chosen: false };
    let mut cuts = vec![choice(0, "from the very beginning".to_owned())];
    for row in record.iter().filter(|row| row.seq > 0 && row.seq <= known) {
        if matches!(RowKind::read(&row.kind), Some(RowKind::Done | RowKind::Rejected)) {
            let call = run::words::call(&row.name, row.occurrence);
            cuts.push(choice(row.seq, format!("from {call} on, row {}", row.seq)));
        }
    }
    if end > 0 && known == end {
        cuts.push(choice(end, "behind all that is on record".to_owned()));
    }
    let last = cuts.last().map_or(0, |cut| cut.row);
    let chosen = given.parse().unwrap_or(last);
    for cut in &mut cuts {
        cut.is_chosen = cut.row == chosen;
    }
    cuts
}

/// Whether the row announces a call whose answer is not on record.
fn is_open(row: &RecordRow, record: &[RecordRow]) -> bool {
    let is_answered = |name: &str, occurrence: i32| {
        record.iter().any(|later| {
            let kind = RowKind::read(&later.kind);
            let is_answer = matches!(
                kind,
                Some(RowKind::Done | RowKind::Rejected | RowKind::Skipped | RowKind::Undone)
            );
            is_answer && later.name == name && later.occurrence == occurrence
        })
    };
    let mut calls = row.intended.iter().zip(&row.intended_occurrences);
    calls.any(|(name, occurrence)| !is_answered(name, *occurrence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        let fault = json("input", "{\n  \"a\": }").expect_err("no JSON");
        assert_eq!(fault.words, "This is no JSON: line 2, column 8: expected value.");
        let fault = json("input", "{\"a\": 1").expect_err("no JSON");
        assert!(fault.words.contains("ends too early"), "{}", fault.words);
        assert_eq!(json("input", " null ").expect("JSON"), Value::Null);
    }

    #[test]
    fn every_verb_needs_a_reason_and_those_that_give_something_need_that() {
        for kind in VerbKind::ALL {
            let fields: Vec<_> = Given::default().faults(kind).iter().map(|f| f.field).collect();
            assert_eq!(fields.first(), Some(&"reason"), "{kind:?}");
            let gives = matches!(kind, VerbKind::SkipStep | VerbKind::EditInput | VerbKind::Fork);
            assert_eq!(fields.len() > 1, gives, "{kind:?}: {fields:?}");
        }
    }
}
