//! What a verb does, in full, and who may use it.

use domain::Rank;
use makegood::VerbKind;

/// Who may use it: what leaves a run's effects behind for good needs an admin.
pub(crate) fn rank_of(verb: VerbKind) -> Rank {
    match verb {
        VerbKind::Terminate | VerbKind::Close => Rank::Admin,
        VerbKind::Retry
        | VerbKind::ResumeForward
        | VerbKind::SkipStep
        | VerbKind::EditInput
        | VerbKind::Compensate
        | VerbKind::Cancel
        | VerbKind::Pause
        | VerbKind::Resume
        | VerbKind::Fork => Rank::Operator,
    }
}

/// Whether what it does cannot be taken back by another verb.
pub(in crate::console) fn is_final(verb: VerbKind) -> bool {
    match verb {
        VerbKind::Terminate | VerbKind::Close | VerbKind::Compensate | VerbKind::Cancel => true,
        VerbKind::Retry
        | VerbKind::ResumeForward
        | VerbKind::SkipStep
        | VerbKind::EditInput
        | VerbKind::Pause
        | VerbKind::Resume
        | VerbKind::Fork => false,
    }
}

/// What it does to a run, in sentences.
pub(super) fn effects(verb: VerbKind) -> &'static [&'static str] {
    match verb {
        VerbKind::Retry => &[
            "The run goes back into the queue. The step at which it is stuck is tried again, with a \
             fresh count of attempts.",
            "What is done stays done; nothing is done twice.",
        ],
        VerbKind::ResumeForward => &[
            "The decision to make the run good is taken back, and its program goes on.",
            "An undo outside that was tried without an answer may have had its effect: look first.",
        ],
        VerbKind::SkipStep => &[
            "The step is not run. What you give below is its result, and the program goes on with it.",
            "Make sure that it did happen, or that it need not: nobody checks.",
        ],
        VerbKind::EditInput => {
            &["The step is tried again with the input below, with a fresh count of attempts."]
        }
        VerbKind::Compensate => &["The run is made good: what it did is undone, the last first."],
        VerbKind::Cancel => &[
            "The run is cancelled, as its owner would cancel it: what it did is undone, the last \
             first.",
        ],
        VerbKind::Terminate | VerbKind::Close => &[
            "The run ends here, as CLOSED. Nothing is undone: what it holds stays held, what it took \
             stays taken.",
        ],
        VerbKind::Pause => &[
            "The run stops at its next wait. Signals are kept for it.",
            "Its deadlines run on: one that passes meanwhile has passed when it is resumed.",
        ],
        VerbKind::Resume => {
            &["The run goes on where it was. An open wait keeps the deadline that it had."]
        }
        VerbKind::Fork => &[
            "A new run begins with a copy of this one's record up to the cut. This run stays as it \
             is.",
            "The steps behind the cut are made anew, under the new run's own idempotency keys.",
        ],
    }
}
