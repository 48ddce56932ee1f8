//! What happens to a run next, in a sentence, and what a person may do about it.

use makegood::inspect::{Next, RunDetail};
use makegood::{Refusal, StuckAt, VerbKind};

use super::record::called;

/// What happens next, and the command that helps where only a person can.
pub(super) fn next(run: &RunDetail) -> String {
    let id = run.run_id;
    let next = run.next();
    match &next {
        Next::Mend => format!(
            "{next} Remove the cause and run `makegood runs retry {id} --reason ...`, or mend it \
             by another verb."
        ),
        Next::Resume => format!("{next} `makegood runs resume {id} --reason ...` does."),
        other => other.to_string(),
    }
}

/// The verbs that apply, as they are typed; `at` is where it is stuck.
pub(super) fn may(remedies: &[(VerbKind, Option<Refusal>)], at: Option<&StuckAt>) -> Vec<String> {
    let applies = remedies.iter().filter(|(_, why_not)| why_not.is_none());
    let words = applies.filter_map(|(verb, _)| match verb {
        VerbKind::SkipStep => at.map(skip),
        VerbKind::EditInput => at.map(|_| "edit --input ...".to_owned()),
        VerbKind::Fork => Some("fork --from-step ...".to_owned()),
        other => Some(command(*other).to_owned()),
    });
    words.collect()
}

fn skip(at: &StuckAt) -> String {
    let step = called(&at.step.name, at.step.occurrence);
    if at.is_undo {
        format!("skip (the undo of {step})")
    } else {
        format!("skip --result ... ({step})")
    }
}

/// A verb as it is typed after `makegood runs`.
pub(super) fn command(verb: VerbKind) -> &'static str {
    match verb {
        VerbKind::Retry => "retry",
        VerbKind::ResumeForward => "resume-forward",
        VerbKind::SkipStep => "skip",
        VerbKind::EditInput => "edit",
        VerbKind::Compensate => "compensate",
        VerbKind::Cancel => "cancel",
        VerbKind::Terminate => "terminate",
        VerbKind::Pause => "pause",
        VerbKind::Resume => "resume",
        VerbKind::Close => "close",
        VerbKind::Fork => "fork",
    }
}
