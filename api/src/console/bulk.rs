//! One verb for many runs: chosen by a list's filter, frozen, looked at, confirmed, and followed.

mod choose;
mod follow;
mod list;
mod runner;

use makegood::{Verb, VerbKind};

pub(crate) use self::choose::{choose, freeze};
pub(crate) use self::follow::{begin, show, stop};
pub(crate) use self::list::list;
pub(crate) use self::runner::Bulks;

/// The name under which the console sees bulk actions to their end.
pub(crate) const KEEPER: &str = "console";

/// The verbs that need nothing but the run.
const SIMPLE: [VerbKind; 8] = [
    VerbKind::Retry,
    VerbKind::ResumeForward,
    VerbKind::Resume,
    VerbKind::Pause,
    VerbKind::Cancel,
    VerbKind::Compensate,
    VerbKind::Close,
    VerbKind::Terminate,
];

/// The verb for many runs, if it needs nothing else.
fn simple(kind: VerbKind) -> Option<Verb> {
    Some(match kind {
        VerbKind::Retry => Verb::Retry,
        VerbKind::ResumeForward => Verb::ResumeForward,
        VerbKind::Compensate => Verb::Compensate,
        VerbKind::Cancel => Verb::Cancel,
        VerbKind::Terminate => Verb::Terminate,
        VerbKind::Pause => Verb::Pause,
        VerbKind::Resume => Verb::Resume,
        VerbKind::Close => Verb::Close,
        VerbKind::SkipStep | VerbKind::EditInput | VerbKind::Fork => return None,
    })
}

/// The verb that a stored bulk action is for.
pub(crate) fn kind_of(verb: &serde_json::Value) -> Option<VerbKind> {
    let word = verb.get("verb")?.as_str()?;
    VerbKind::ALL.into_iter().find(|kind| kind.as_str() == word)
}
