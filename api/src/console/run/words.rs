//! The words of a run's page: what a row of its record says, how a call is named.

use makegood::VerbKind;
use makegood::inspect::RowKind;

/// What a row says, after the name of its step.
pub(super) fn said(kind: &str) -> &'static str {
    match RowKind::read(kind) {
        Some(RowKind::Done) => "done",
        Some(RowKind::Rejected) => "refused",
        Some(RowKind::Signal) => "signal taken",
        Some(RowKind::Timeout) => "deadline passed",
        Some(RowKind::Slept) => "timer fired",
        Some(RowKind::Value) => "value kept",
        Some(RowKind::Version) => "version kept",
        Some(RowKind::Started) => "child started",
        Some(RowKind::Ended) => "child ended",
        Some(RowKind::Intent) => "intended",
        Some(RowKind::Compensating) => "made good from here",
        Some(RowKind::Undone) => "undone",
        Some(RowKind::Closed) => "closing done",
        Some(RowKind::Refused) => "refused past the pivot",
        Some(RowKind::Skipped) => "result given by an operator",
        Some(RowKind::Waived) => "undo waived by an operator",
        Some(RowKind::Edited) => "input given by an operator",
        Some(RowKind::Restarted) => "child started anew by an operator",
        Some(RowKind::Resumed) => "forward again, by an operator",
        Some(RowKind::Forked) => "forked from another run",
        None => "unknown",
    }
}

/// A call's name: its step's, and which call of it if it is not the first.
pub(in crate::console) fn call(name: &str, occurrence: i32) -> String {
    if occurrence == 0 { name.to_owned() } else { format!("{name}#{occurrence}") }
}

/// A call as the queue names it, without a number that says nothing.
pub(super) fn short(key: &str) -> String {
    key.strip_suffix("#0").unwrap_or(key).to_owned()
}

/// `1 attempt`, `2 attempts`.
pub(super) fn count(number: i64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", crate::console::moment::number(number))
}

/// A verb's name and what it does, for the list of what can be done.
pub(in crate::console) fn verb(verb: VerbKind) -> (&'static str, &'static str) {
    match verb {
        VerbKind::Retry => {
            ("Retry", "Tries the step at which it is stuck again, as often as at first.")
        }
        VerbKind::ResumeForward => ("Resume forward", "Takes back the decision to make it good."),
        VerbKind::SkipStep => ("Skip step", "Gives the step at which it is stuck its result."),
        VerbKind::EditInput => {
            ("Edit input", "Gives the step at which it is stuck another input, and tries it.")
        }
        VerbKind::Compensate => {
            ("Compensate", "Makes it good now: undoes its steps, the last one first.")
        }
        VerbKind::Cancel => ("Cancel", "Asks it to undo what it did, as its owner would."),
        VerbKind::Terminate => ("Terminate", "Ends it as it stands. Nothing is undone."),
        VerbKind::Pause => ("Pause", "Stops it at its next wait. Deadlines run on."),
        VerbKind::Resume => ("Resume", "Lets a paused run go on where it was."),
        VerbKind::Close => ("Close", "Ends a stuck run as it stands. Nothing is undone."),
        VerbKind::Fork => ("Fork", "Starts a new run with the beginning of its record."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_row_has_words() {
        for kind in RowKind::ALL {
            assert_ne!(said(kind.as_str()), "unknown", "{}", kind.as_str());
        }
    }
}
