//! What can be done to a run, and of what cannot, why not. The verbs have pages of their own.

use makegood::inspect::RunDetail;
use makegood::{Refusal, VerbKind};
use uuid::Uuid;

use super::words;

/// Every verb, those that apply first.
pub(super) struct Choices {
    pub(super) run_id: Uuid,
    pub(super) open: Vec<Choice>,
    pub(super) closed: Vec<Choice>,
    /// Why there is nothing to do, if there is nothing.
    pub(super) none: Option<&'static str>,
}

/// A verb.
pub(super) struct Choice {
    pub(super) verb: &'static str,
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) tone: &'static str,
    /// Why it does not apply, and what does.
    pub(super) why_not: String,
}

impl Choices {
    pub(super) fn new(
        run: &RunDetail,
        remedies: Vec<(VerbKind, Option<Refusal>)>,
        may_act: bool,
    ) -> Self {
        let none = if run.archived_at.is_some() {
            Some("It is archived: it can be read, and no verb applies any more.")
        } else if may_act {
            None
        } else {
            Some("Your rank lets you look. An operator can act on it.")
        };
        let (closed, open): (Vec<_>, Vec<_>) =
            remedies.into_iter().partition(|(_, refusal)| refusal.is_some());
        let choice = |(verb, refusal): (VerbKind, Option<Refusal>)| {
            let (name, what) = words::verb(verb);
            let why_not = refusal.map(|why| format!("{why}: {}", why.next())).unwrap_or_default();
            Choice { verb: verb.as_str(), name, what, tone: tone(verb), why_not }
        };
        Self {
            run_id: run.run_id,
            open: open.into_iter().map(choice).collect(),
            closed: closed.into_iter().map(choice).collect(),
            none,
        }
    }
}

/// What ends a run as it stands looks like it.
fn tone(verb: VerbKind) -> &'static str {
    match verb {
        VerbKind::Retry | VerbKind::Resume => "primary",
        VerbKind::Terminate | VerbKind::Close => "danger",
        VerbKind::ResumeForward
        | VerbKind::SkipStep
        | VerbKind::EditInput
        | VerbKind::Compensate
        | VerbKind::Cancel
        | VerbKind::Pause
        | VerbKind::Fork => "",
    }
}
