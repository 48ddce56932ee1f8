//! The verbs as values, so that they can be stored, shown and carried out in bulk.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

/// What an operator does to a run.
///
/// ```
/// use makegood::{Cut, Verb};
///
/// let verb = Verb::Fork { cut: Cut::Row(3), workflow_id: "{}-again".to_owned() };
/// let stored = serde_json::to_value(&verb).unwrap();
/// assert_eq!((stored["verb"].as_str(), stored["cut"]["row"].as_i64()), (Some("fork"), Some(3)));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// See [`super::Operator::retry`].
    Retry,
    /// See [`super::Operator::resume_forward`].
    ResumeForward,
    /// See [`super::Operator::skip_step`].
    SkipStep {
        /// The step at which the run is stuck.
        step: StepId,
        /// Its result.
        result: Value,
        /// Whether it is undone if the run is made good.
        undo: GivenUndo,
    },
    /// See [`super::Operator::edit_input_and_retry`].
    EditInput {
        /// The step at which the run is stuck.
        step: StepId,
        /// Its new input.
        input: Value,
    },
    /// See [`super::Operator::compensate`].
    Compensate,
    /// See [`super::Operator::cancel`].
    Cancel,
    /// See [`super::Operator::terminate`].
    Terminate,
    /// See [`super::Operator::pause`].
    Pause,
    /// See [`super::Operator::resume`].
    Resume,
    /// See [`super::Operator::close`].
    Close,
    /// See [`super::Operator::fork`].
    Fork {
        /// Where the record is cut.
        cut: Cut,
        /// The new run's workflow id; `{}` in it stands for the old one's.
        workflow_id: String,
    },
}

/// A verb without what it needs.
///
/// ```
/// use makegood::VerbKind;
///
/// /// Whether it ends a run as it stands.
/// fn ends(verb: VerbKind) -> bool {
///     matches!(verb, VerbKind::Terminate | VerbKind::Close)
/// }
/// assert_eq!(VerbKind::ALL.into_iter().filter(|verb| ends(*verb)).count(), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants of Verb say what they are")]
pub enum VerbKind {
    Retry,
    ResumeForward,
    SkipStep,
    EditInput,
    Compensate,
    Cancel,
    Terminate,
    Pause,
    Resume,
    Close,
    Fork,
}

impl VerbKind {
    /// Every verb.
    pub const ALL: [Self; 11] = [
        Self::Retry,
        Self::ResumeForward,
        Self::SkipStep,
        Self::EditInput,
        Self::Compensate,
        Self::Cancel,
        Self::Terminate,
        Self::Pause,
        Self::Resume,
        Self::Close,
        Self::Fork,
    ];

    /// The spelling in the tables.
    ///
    /// ```
    /// assert_eq!(makegood::VerbKind::ResumeForward.as_str(), "resume_forward");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::ResumeForward => "resume_forward",
            Self::SkipStep => "skip_step",
            Self::EditInput => "edit_input",
            Self::Compensate => "compensate",
            Self::Cancel => "cancel",
            Self::Terminate => "terminate",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Close => "close",
            Self::Fork => "fork",
        }
    }
}

impl Verb {
    /// Which verb it is.
    ///
    /// ```
    /// assert_eq!(makegood::Verb::Pause.kind(), makegood::VerbKind::Pause);
    /// ```
    pub fn kind(&self) -> VerbKind {
        match self {
            Self::Retry => VerbKind::Retry,
            Self::ResumeForward => VerbKind::ResumeForward,
            Self::SkipStep { .. } => VerbKind::SkipStep,
            Self::EditInput { .. } => VerbKind::EditInput,
            Self::Compensate => VerbKind::Compensate,
            Self::Cancel => VerbKind::Cancel,
            Self::Terminate => VerbKind::Terminate,
            Self::Pause => VerbKind::Pause,
            Self::Resume => VerbKind::Resume,
            Self::Close => VerbKind::Close,
            Self::Fork { .. } => VerbKind::Fork,
        }
    }

    pub(crate) fn check_size(&self, limit: usize) -> Result<(), Error> {
        let (what, value) = match self {
            Self::SkipStep { result, .. } => ("the result", result),
            Self::EditInput { input, .. } => ("the input", input),
            _ => return Ok(()),
        };
        let size = value.to_string().len();
        if size > limit {
            return Err(Error::TooLarge { what: what.to_owned(), size, limit });
        }
        Ok(())
    }
}

/// A step of a run: its name, and which call of that name. Reads as `charge` or `charge#1`.
///
/// ```
/// let second: makegood::StepId = "charge#1".parse().unwrap();
/// assert_eq!((second.name.as_str(), second.occurrence), ("charge", 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepId {
    /// The step's name.
    pub name: String,
    /// Which call of that name, from 0.
    pub occurrence: i32,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.occurrence)
    }
}

impl FromStr for StepId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, occurrence) = match text.rsplit_once('#') {
            Some((name, number)) => (name, number.parse().ok()),
            None => (text, Some(0)),
        };
        match occurrence {
            Some(occurrence) if !name.is_empty() && occurrence >= 0 => {
                Ok(Self { name: name.to_owned(), occurrence })
            }
            _ => Err(Error::NotAStep(text.to_owned())),
        }
    }
}

/// Whether a step whose result was given is undone if its run is made good.
///
/// ```
/// use makegood::GivenUndo;
///
/// let it_happened = true;
/// let undo = if it_happened { GivenUndo::Keep } else { GivenUndo::Forget };
/// assert_eq!(undo, GivenUndo::Keep);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenUndo {
    /// It happened, by whatever hand: its undo stays, if it has one.
    Keep,
    /// It did not happen: there is nothing to undo.
    Forget,
}

/// Where the record of a run is cut for a fork.
///
/// ```
/// use makegood::Cut;
///
/// let before_the_label = Cut::Step("print_label".parse().unwrap());
/// assert_ne!(before_the_label, Cut::Row(0), "row 0 is the whole record");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Before this row of the record.
    Row(i32),
    /// Before the answer of this step, or at the end if it has none yet.
    Step(StepId),
}

/// The state of a run, as people see it.
///
/// ```
/// use makegood::RunState;
///
/// let ended = [RunState::Completed, RunState::Compensated, RunState::Closed];
/// assert_eq!(RunState::ALL.len() - ended.len(), 5, "five states of a live run");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the glossary has the words")]
pub enum RunState {
    Running,
    Waiting,
    Compensating,
    Completed,
    Compensated,
    Stuck,
    Paused,
    Closed,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Running,
        Self::Waiting,
        Self::Compensating,
        Self::Completed,
        Self::Compensated,
        Self::Stuck,
        Self::Paused,
        Self::Closed,
    ];

    /// The spelling in the tables.
    ///
    /// ```
    /// assert_eq!(makegood::RunState::Stuck.as_str(), "STUCK");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Waiting => "WAITING",
            Self::Compensating => "COMPENSATING",
            Self::Completed => "COMPLETED",
            Self::Compensated => "COMPENSATED",
            Self::Stuck => "STUCK",
            Self::Paused => "PAUSED",
            Self::Closed => "CLOSED",
        }
    }

    /// The state of this spelling.
    ///
    /// ```
    /// assert_eq!(makegood::RunState::read("STUCK"), Some(makegood::RunState::Stuck));
    /// ```
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}
