//! When a verb does not apply, why, and what to do instead: one table for every verb and state.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::verb::{RunState, StepId, VerbKind};
use crate::store::tasks::by_operator::Way;

/// Why a verb does not apply to a run as it stands.
///
/// ```
/// use makegood::Refusal;
///
/// let refusal = Refusal::NotStuck;
/// assert_eq!(refusal.to_string(), "it is not stuck");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Refusal {
    /// It is no longer as it was when the operator looked.
    #[error("it has moved on since you looked, and is {} now", state.as_str())]
    MovedOn {
        /// Its state now.
        state: RunState,
    },
    /// It has ended.
    #[error("it has ended as {}", state.as_str())]
    Ended {
        /// How.
        state: RunState,
    },
    /// It has not ended, and does not stand still either.
    #[error("it has neither ended nor got stuck")]
    Lives,
    /// It moves by itself.
    #[error("it is not stuck")]
    NotStuck,
    /// It is stuck.
    #[error("it is stuck already, and nothing moves it")]
    IsStuck,
    /// It is paused.
    #[error("it is paused")]
    IsPaused,
    /// It is not paused; a pause may be ordered, and not taken yet.
    #[error("it is not paused, or not yet")]
    NotPaused,
    /// It is being made good.
    #[error("it is being made good already")]
    BeingMadeGood,
    /// It is not being made good.
    #[error("it is not being made good")]
    NotBeingMadeGood,
    /// A step of it is undone.
    #[error("something of it is undone already")]
    HasUndone,
    /// It is past its pivot.
    #[error("it is past its pivot, there is only forward")]
    PastPivot,
    /// A worker is at it.
    #[error("a worker is at it right now")]
    Held,
    /// It is not stuck at this step.
    #[error("it is stuck {}", at.as_ref().map_or("at no step".to_owned(), |s| format!("at {s}")))]
    NotAtStep {
        /// Where it is stuck, if that is a step.
        at: Option<StepId>,
    },
    /// Its record cannot be read.
    #[error("its record cannot be read: {message}")]
    Unreadable {
        /// What the decoder said.
        message: String,
    },
    /// The record has no such row.
    #[error("its record has only {rows} rows")]
    NoSuchRow {
        /// How many there are.
        rows: i32,
    },
    /// The cut lies behind the decision to make the run good.
    #[error("the cut is behind the row that decided to make it good")]
    CutBehindMakingGood,
    /// The cut keeps a step that was undone since.
    #[error("the cut keeps {step}, which was undone since")]
    CutKeepsUndone {
        /// The step.
        step: StepId,
    },
    /// The cut parts the intent of a step from its outcome, which nobody knows yet.
    #[error("the cut parts the intent of {step} from its outcome, which is not known yet")]
    CutPartsIntent {
        /// The step.
        step: StepId,
    },
    /// Both runs could undo the same steps.
    #[error("the run still lives, and both could undo {step}")]
    BothWouldUndo {
        /// The first of them.
        step: StepId,
    },
    /// Another fork has undone a step that this one would keep.
    #[error("run {fork}, forked before, has undone {step}")]
    ForkHasUndone {
        /// The step.
        step: StepId,
        /// That run.
        fork: Uuid,
    },
    /// Another fork lives, and both could undo the same steps.
    #[error("run {fork}, forked before, lives and could undo {step} too")]
    ForkWouldUndo {
        /// The first of them.
        step: StepId,
        /// That run.
        fork: Uuid,
    },
    /// The child that failed is in the queue's tables no more.
    #[error("the child that failed, run {child}, is archived")]
    ChildGone {
        /// Its run.
        child: Uuid,
    },
    /// The child that failed was closed as it stood.
    #[error("the child that failed, run {child}, was closed, and nothing of it is undone")]
    ChildNotUndone {
        /// Its run.
        child: Uuid,
    },
    /// The program went on after it learnt of the child's failure.
    #[error("its program went on after the child had failed, so that another run comes too late")]
    ChildPassedBy,
    /// Another run has the new workflow id.
    #[error("the new workflow id belongs to run {run_id}")]
    WorkflowIdTaken {
        /// That run.
        run_id: Uuid,
    },
}

impl Refusal {
    /// The next useful step.
    ///
    /// ```
    /// assert_eq!(makegood::Refusal::NotBeingMadeGood.next(), "retry or resume it: it goes forward anyway");
    /// ```
    pub fn next(&self) -> &'static str {
        match self {
            Self::MovedOn { .. } => "look at it again, and decide anew",
            Self::Ended { .. } => "fork it, or start it anew under another id",
            Self::Lives => "wait until it ends, or terminate it first",
            Self::NotStuck => {
                "let it go on; cancel, compensate, pause or terminate it if it must not"
            }
            Self::IsStuck => "retry it, give the step a result or another input, or close it",
            Self::IsPaused => "resume it first, or terminate it",
            Self::NotPaused => {
                "look again in a moment; one that does not wait for you needs nothing"
            }
            Self::BeingMadeGood => "wait; if it is stuck, retry it or skip the undo",
            Self::NotBeingMadeGood => "retry or resume it: it goes forward anyway",
            Self::HasUndone => "let it be made good, then fork it or start it anew",
            Self::PastPivot => "retry it, give the step a result or another input, or terminate it",
            Self::Held => "pause it, then try again",
            Self::NotAtStep { .. } => {
                "look at the run again, and name the step at which it is stuck"
            }
            Self::Unreadable { .. } => "deploy a version that reads it, or close it",
            Self::NoSuchRow { .. } => "name a row of the record, or the step to begin from",
            Self::CutBehindMakingGood => "cut at or before that row",
            Self::CutKeepsUndone { .. } | Self::ForkHasUndone { .. } => "cut before that step",
            Self::CutPartsIntent { .. } => "retry or skip that step first, or cut before it",
            Self::BothWouldUndo { .. } => "close the run first, or cut before that step",
            Self::ForkWouldUndo { .. } => {
                "wait until that run ends, or close it first, or cut before that step"
            }
            Self::ChildGone { .. } | Self::ChildPassedBy => {
                "give the child's output as the step's result"
            }
            Self::ChildNotUndone { .. } => {
                "give the child's output as the step's result; another input starts it anew all the same"
            }
            Self::WorkflowIdTaken { .. } => "choose another workflow id",
        }
    }
}

/// How a run stands: what decides which verbs apply to it.
///
/// ```
/// use makegood::operator::{Standing, Way};
/// use makegood::RunState;
///
/// let stuck = Standing { state: RunState::Stuck, held: false, way: Way::Forward };
/// assert!(!stuck.held, "nobody is at it");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: RunState,
    /// A worker holds it.
    pub held: bool,
    /// Which way it goes, by its record.
    pub way: Way,
}

/// Why a verb does not apply to a run that stands so; `None` when it does. A verb that is for a
/// step, or a fork, may still be refused by what the record says.
///
/// ```
/// use makegood::operator::{Standing, Way, refusal};
/// use makegood::{Refusal, RunState, VerbKind};
///
/// let paid = Standing { state: RunState::Waiting, held: false, way: Way::PastPivot };
/// assert_eq!(refusal(VerbKind::Cancel, paid), Some(Refusal::PastPivot));
/// assert_eq!(refusal(VerbKind::Pause, paid), None);
/// ```
pub fn refusal(verb: VerbKind, standing: Standing) -> Option<Refusal> {
    use RunState as S;
    use VerbKind as V;

    let Standing { state, held, way } = standing;
    if verb == V::Fork {
        return match state {
            S::Completed | S::Compensated | S::Closed | S::Stuck => None,
            S::Running | S::Waiting | S::Compensating | S::Paused => Some(Refusal::Lives),
        };
    }
    if matches!(state, S::Completed | S::Compensated | S::Closed) {
        return Some(Refusal::Ended { state });
    }
    match verb {
        V::Fork | V::Terminate => None,
        V::Retry | V::SkipStep | V::EditInput | V::Close => match state {
            S::Stuck => None,
            S::Paused => Some(Refusal::IsPaused),
            _ => Some(Refusal::NotStuck),
        },
        V::Pause => match state {
            S::Stuck => Some(Refusal::IsStuck),
            S::Paused => Some(Refusal::IsPaused),
            _ => None,
        },
        V::Resume => match state {
            S::Paused => None,
            S::Stuck => Some(Refusal::IsStuck),
            _ => Some(Refusal::NotPaused),
        },
        V::Compensate | V::Cancel => match way {
            Way::Forward => None,
            Way::PastPivot => Some(Refusal::PastPivot),
            Way::Back | Way::Undoing => Some(Refusal::BeingMadeGood),
        },
        V::ResumeForward => match way {
            Way::Forward | Way::PastPivot => Some(Refusal::NotBeingMadeGood),
            Way::Back | Way::Undoing if held => Some(Refusal::Held),
            Way::Back => None,
            Way::Undoing => Some(Refusal::HasUndone),
        },
    }
}
