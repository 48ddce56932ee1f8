//! What happens to a run next, in a sentence, and what a person may do about it.

use makegood::inspect::RunSummary;
use makegood::operator::StuckAt;
use makegood::{Refusal, VerbKind};

use super::record::called;
use crate::output::time;

/// What happens next.
pub(super) fn next(run: &RunSummary) -> String {
    let due = run.due_at.map(time);
    match (run.state.as_str(), due) {
        ("RUNNING", None) => "a worker runs it now.".to_owned(),
        ("RUNNING", Some(due)) => format!("a worker takes it when it is due, at {due}."),
        ("WAITING", Some(due)) => format!("it waits for a signal, until {due} at the latest."),
        ("WAITING", None) => "a worker looks at it now; it waits for a signal.".to_owned(),
        ("COMPENSATING", None) => "a worker undoes its steps, the last one first.".to_owned(),
        ("COMPENSATING", Some(due)) => {
            format!("its steps are undone, the last one first, from {due} on.")
        }
        ("STUCK", _) => format!(
            "nothing, until a person has removed the cause and run `makegood runs retry {} \
             --reason ...`, or mended it by another verb.",
            run.run_id
        ),
        ("PAUSED", _) => format!(
            "nothing, until a person resumes it: `makegood runs resume {} --reason ...`.",
            run.run_id
        ),
        ("COMPLETED", _) => "nothing: it has reached its goal.".to_owned(),
        ("COMPENSATED", _) => "nothing: what its own steps did is undone.".to_owned(),
        ("CLOSED", _) => "nothing: a person closed it.".to_owned(),
        (other, _) => format!("this program does not know the state {other}."),
    }
}

/// The verbs that apply, as they are typed; `at` is where it is stuck.
pub(super) fn may(remedies: &[(VerbKind, Option<Refusal>)], at: Option<&StuckAt>) -> Vec<String> {
    let applies = remedies.iter().filter(|(_, why_not)| why_not.is_none());
    let words = applies.filter_map(|(verb, _)| match verb {
        VerbKind::SkipStep => at.map(|at| skip(at)),
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
