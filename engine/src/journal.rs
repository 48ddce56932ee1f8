//! What a run has recorded, read back from its rows. Pure: it asks nobody and writes nothing.

mod mended;

use std::collections::{HashSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::workflow::Cause;

pub(crate) use self::mended::{Edit, Origin, Phase};

/// A JSON value as text, decoded only where its type is known.
pub(crate) type Payload = Box<RawValue>;

/// What a row of a run's record says: its kind, as [`crate::inspect::StepView`] has it.
///
/// ```
/// use makegood::inspect::RowKind;
///
/// let read: RowKind = serde_json::from_value("undone".into()).unwrap();
/// assert_eq!((read, read.as_str()), (RowKind::Undone, "undone"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// A step's result.
    Done,
    /// A step's final refusal.
    Rejected,
    /// The signal that ended a wait.
    Signal,
    /// A wait's deadline passed.
    Timeout,
    /// A timer fired.
    Slept,
    /// A value that the program asked for: the time.
    Value,
    /// The version of a change that the program goes by.
    Version,
    /// A child was started; the result is its id.
    Started,
    /// A child has ended, and how.
    Ended,
    /// Nothing but the intent in `next`.
    Intent,
    /// From here on the run is made good; the result holds the cause.
    Compensating,
    /// A step was undone.
    Undone,
    /// The closing activity of a made-good run has run.
    Closed,
    /// A cancel came past the pivot.
    Refused,
    /// An operator gave a step its result.
    Skipped,
    /// An operator says that an undo, or the closing, is done or not needed.
    Waived,
    /// An operator gave a step, or an undo, another input.
    Edited,
    /// An operator had a child start anew; the result is the id of its new run.
    Restarted,
    /// An operator took the decision to make good back.
    Resumed,
    /// The rows before are those of another run.
    Forked,
}

impl RowKind {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::Done,
        Self::Rejected,
        Self::Signal,
        Self::Timeout,
        Self::Slept,
        Self::Value,
        Self::Version,
        Self::Started,
        Self::Ended,
        Self::Intent,
        Self::Compensating,
        Self::Undone,
        Self::Closed,
        Self::Refused,
        Self::Skipped,
        Self::Waived,
        Self::Edited,
        Self::Restarted,
        Self::Resumed,
        Self::Forked,
    ];

    /// Whether an operator writes it, and no worker does.
    ///
    /// ```
    /// use makegood::inspect::RowKind;
    ///
    /// assert!(RowKind::Skipped.is_an_operators() && !RowKind::Done.is_an_operators());
    /// ```
    pub fn is_an_operators(self) -> bool {
        match self {
            Self::Skipped
            | Self::Waived
            | Self::Edited
            | Self::Restarted
            | Self::Resumed
            | Self::Forked => true,
            Self::Done
            | Self::Rejected
            | Self::Signal
            | Self::Timeout
            | Self::Slept
            | Self::Value
            | Self::Version
            | Self::Started
            | Self::Ended
            | Self::Intent
            | Self::Compensating
            | Self::Undone
            | Self::Closed
            | Self::Refused => false,
        }
    }

    /// Whether the program is answered by it.
    ///
    /// ```
    /// use makegood::inspect::RowKind;
    ///
    /// assert!(RowKind::Signal.is_answer() && !RowKind::Intent.is_answer());
    /// ```
    pub fn is_answer(self) -> bool {
        match self {
            Self::Done
            | Self::Rejected
            | Self::Signal
            | Self::Timeout
            | Self::Slept
            | Self::Ended
            | Self::Skipped => true,
            Self::Value
            | Self::Version
            | Self::Started
            | Self::Intent
            | Self::Compensating
            | Self::Undone
            | Self::Closed
            | Self::Refused
            | Self::Waived
            | Self::Edited
            | Self::Restarted
            | Self::Resumed
            | Self::Forked => false,
        }
    }

    /// The kind of this spelling.
    ///
    /// ```
    /// use makegood::inspect::RowKind;
    ///
    /// assert_eq!(RowKind::read("undone"), Some(RowKind::Undone));
    /// ```
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The spelling in the table.
    ///
    /// ```
    /// use makegood::inspect::RowKind;
    ///
    /// assert_eq!(RowKind::Timeout.as_str(), "timeout");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Rejected => "rejected",
            Self::Signal => "signal",
            Self::Timeout => "timeout",
            Self::Slept => "slept",
            Self::Value => "value",
            Self::Version => "version",
            Self::Started => "started",
            Self::Ended => "ended",
            Self::Intent => "intent",
            Self::Compensating => "compensating",
            Self::Undone => "undone",
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
            Self::Waived => "waived",
            Self::Edited => "edited",
            Self::Restarted => "restarted",
            Self::Resumed => "resumed",
            Self::Forked => "forked",
        }
    }
}

/// A row about to be written.
#[derive(Debug)]
pub(crate) struct StepRow {
    pub(crate) seq: i32,
    pub(crate) kind: RowKind,
    pub(crate) name: String,
    pub(crate) occurrence: i32,
    pub(crate) input: Option<Payload>,
    pub(crate) result: Option<Payload>,
    pub(crate) undo: Option<String>,
    pub(crate) pivot: bool,
    pub(crate) attempts: i32,
    pub(crate) next: Option<Payload>,
}

/// An outside step about to be tried, as it rides on the row before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) name: String,
    pub(crate) occurrence: i32,
    pub(crate) input: Payload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undo: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) pivot: bool,
}

/// A row as the claim returns it: a JSON array, in the order of the fields.
#[derive(Debug, Deserialize)]
pub(crate) struct HistoryRow(
    pub(crate) i32,                 // seq
    pub(crate) RowKind,             // kind
    pub(crate) String,              // name
    pub(crate) i32,                 // occurrence
    pub(crate) Option<Payload>,     // input
    pub(crate) Option<Payload>,     // result
    pub(crate) Option<String>,      // undo
    pub(crate) bool,                // pivot
    pub(crate) Option<Vec<Intent>>, // next
);

/// A recorded answer that the program has not asked for yet.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) kind: RowKind,
    pub(crate) name: String,
    pub(crate) occurrence: i32,
    pub(crate) result: Option<Payload>,
}

/// A step that has to be undone if the run is made good.
#[derive(Debug)]
pub(crate) struct Undoable {
    pub(crate) name: String,
    pub(crate) occurrence: i32,
    pub(crate) input: Payload,
    pub(crate) output: Option<Payload>,
    pub(crate) undo: String,
    /// The run whose step it was, if not this one.
    pub(crate) of_run: Option<Uuid>,
}

/// Everything that the rows of a run say.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) next_seq: i32,
    /// Of all values on record.
    pub(crate) bytes: usize,
    /// In the order in which the program learnt it.
    pub(crate) recorded: VecDeque<Recorded>,
    /// In the order in which they were done; those whose outcome is not known where they were
    /// intended.
    pub(crate) undoables: Vec<Undoable>,
    /// Outside steps that were intended and whose outcome is not recorded.
    pub(crate) open: Vec<Intent>,
    pub(crate) pivoted: bool,
    pub(crate) compensating: Option<Cause>,
    pub(crate) closed: bool,
    /// What the undos answered, in the order in which they were made.
    pub(crate) undone: Vec<UndoneStep>,
    /// Ids of the signals that ended a wait or were refused.
    pub(crate) taken_signals: HashSet<String>,
    /// Inputs given by operators.
    pub(crate) edits: Vec<Edit>,
    /// The steps that were open when the run began to be made good.
    pub(crate) shelved: Vec<Intent>,
    /// The last answer on record, if an operator gave it.
    pub(crate) given: Option<Intent>,
}

/// What the undo of a step answered; read as `Undone` by the closing activity.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UndoneStep {
    pub(crate) step: String,
    pub(crate) occurrence: i32,
    pub(crate) answer: Option<Payload>,
}

/// The part of a recorded signal that replay needs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TakenSignal {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) payload: Payload,
}

impl Journal {
    /// Reads the rows in their order.
    pub(crate) fn fold(rows: Vec<HistoryRow>) -> Result<Self, serde_json::Error> {
        let mut journal = Self::default();
        for row in rows {
            journal.apply(row)?;
        }
        Ok(journal)
    }

    fn apply(&mut self, row: HistoryRow) -> Result<(), serde_json::Error> {
        let HistoryRow(seq, kind, name, occurrence, input, result, undo, pivot, next) = row;
        self.next_seq = seq.saturating_add(1);
        self.given = None;
        self.weigh(input.as_ref());
        self.weigh(result.as_ref());
        match kind {
            RowKind::Done => {
                // A null comes as nothing; it is an input and a result like any other.
                let result = result.or_else(|| Some(crate::run::null()));
                self.pivoted |= pivot;
                self.close_intent(&name, occurrence);
                self.learn(&name, occurrence, result.as_ref());
                if let Some(undo) = undo {
                    let input = input.unwrap_or_else(crate::run::null);
                    let output = result.clone();
                    let name = name.clone();
                    let of_run = None;
                    self.undoables.push(Undoable { name, occurrence, input, output, undo, of_run });
                }
                self.recorded.push_back(Recorded { kind, name, occurrence, result });
            }
            RowKind::Rejected => {
                // With an undo it is only the last attempt's refusal: an earlier one may have had
                // its effect.
                if undo.is_none() {
                    self.forget(&name, occurrence);
                }
                self.close_intent(&name, occurrence);
                self.recorded.push_back(Recorded { kind, name, occurrence, result });
            }
            RowKind::Signal | RowKind::Ended => {
                self.take_signal(result.as_ref())?;
                // A child that has ended needs no cancel.
                self.forget(&name, occurrence);
                self.recorded.push_back(Recorded { kind, name, occurrence, result });
            }
            RowKind::Started => {
                if let (Some(undo), Some(input)) = (undo, &result) {
                    let (name, input) = (name.clone(), input.clone());
                    let (output, of_run) = (None, None);
                    self.undoables.push(Undoable { name, occurrence, input, output, undo, of_run });
                }
                self.recorded.push_back(Recorded { kind, name, occurrence, result });
            }
            RowKind::Timeout | RowKind::Slept | RowKind::Value | RowKind::Version => {
                self.recorded.push_back(Recorded { kind, name, occurrence, result });
            }
            RowKind::Compensating => {
                let cause = result.as_deref().map_or("null", RawValue::get);
                self.compensating = Some(serde_json::from_str(cause)?);
                self.shelved = std::mem::take(&mut self.open);
            }
            RowKind::Undone => self.undo(&name, occurrence, result),
            RowKind::Closed => self.closed = true,
            RowKind::Refused => self.take_signal(result.as_ref())?,
            RowKind::Intent => {}
            RowKind::Skipped => {
                let input = input.unwrap_or_else(crate::run::null);
                let step = Intent { name, occurrence, input, undo, pivot };
                self.skip(step, result);
            }
            RowKind::Waived => self.waive(&name, occurrence, result),
            RowKind::Edited => self.edit(name, occurrence, input),
            RowKind::Restarted => self.restart(&name, occurrence, result),
            RowKind::Resumed => self.resume(),
            RowKind::Forked => self.fork(result.as_ref())?,
        }
        for intent in next.into_iter().flatten() {
            self.weigh(Some(&intent.input));
            self.intend(intent);
        }
        Ok(())
    }

    /// Counts a value that is on record.
    pub(crate) fn weigh(&mut self, value: Option<&Payload>) {
        self.bytes = self.bytes.saturating_add(value.map_or(0, |value| value.get().len()));
    }

    /// An intended step is undone even if its outcome is never learnt.
    pub(crate) fn intend(&mut self, intent: Intent) {
        if let Some(undo) = &intent.undo {
            self.undoables.push(Undoable {
                name: intent.name.clone(),
                occurrence: intent.occurrence,
                input: intent.input.clone(),
                output: None,
                undo: undo.clone(),
                of_run: None,
            });
        }
        self.open.push(intent);
    }

    /// Whether this step was intended and its outcome is not known.
    pub(crate) fn is_open(&self, name: &str, occurrence: i32) -> bool {
        self.open.iter().any(|intent| intent.name == name && intent.occurrence == occurrence)
    }

    /// Whether the pivot may have happened, or may yet.
    pub(crate) fn pivot_is_open(&self) -> bool {
        self.open.iter().any(|intent| intent.pivot)
    }

    /// The outcome of an intended step is known.
    pub(crate) fn close_intent(&mut self, name: &str, occurrence: i32) {
        self.open.retain(|intent| intent.name != name || intent.occurrence != occurrence);
    }

    /// An intended step is done: it is undone by the order of completion, and with its result.
    pub(crate) fn learn(&mut self, name: &str, occurrence: i32, output: Option<&Payload>) {
        let intended = |u: &Undoable| u.name == name && u.occurrence == occurrence;
        if let Some(at) = self.undoables.iter().rposition(intended) {
            let mut undoable = self.undoables.remove(at);
            undoable.output = output.cloned();
            self.undoables.push(undoable);
        }
    }

    /// A step needs no undo any more: it was undone.
    pub(crate) fn undo(&mut self, name: &str, occurrence: i32, answer: Option<Payload>) {
        self.forget(name, occurrence);
        self.undone.push(UndoneStep { step: name.to_owned(), occurrence, answer });
    }

    /// A step needs no undo: it was refused without effect.
    pub(crate) fn forget(&mut self, name: &str, occurrence: i32) {
        self.undoables.retain(|u| u.name != name || u.occurrence != occurrence);
    }

    fn take_signal(&mut self, result: Option<&Payload>) -> Result<(), serde_json::Error> {
        if let Some(result) = result {
            let taken: TakenSignal = serde_json::from_str(result.get())?;
            if !planted::has("a signal is taken again on a replay") {
                self.taken_signals.insert(taken.id);
            }
        }
        Ok(())
    }
}
