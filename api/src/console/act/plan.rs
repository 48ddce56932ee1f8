//! What a verb would do to a run, in words: its state before and after, and what that means.

use makegood::{Carried, Foreseen, Refusal, VerbKind};
use serde_json::Value;

use super::words;
use crate::console::badge::Badge;
use crate::console::run;

/// The plan, ready to be shown.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) verb: &'static str,
    pub(super) kind: VerbKind,
    pub(super) tone: &'static str,
    pub(super) before: Badge,
    /// Why it is held up, if it is.
    pub(super) trouble: Option<String>,
    pub(super) after: Option<Badge>,
    pub(super) effects: Vec<String>,
    /// What would be undone, the first to be undone first.
    pub(super) to_undo: Vec<String>,
    pub(super) refusal: Option<Refusal>,
}

impl Plan {
    pub(super) fn new(kind: VerbKind, foreseen: Foreseen) -> Self {
        let Foreseen { before, after, carried, refusal, undoes, .. } = foreseen;
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let state = text(&before, "state");
        let incident = before.get("incident").filter(|incident| incident.is_object());
        let trouble = incident.map(|incident| {
            let (class, step) = (text(incident, "class"), text(incident, "step"));
            let place = if step.is_empty() { String::new() } else { format!(" at {step}") };
            format!("{}{place}: {}", class.replace('_', " "), text(incident, "message"))
        });
        let mut effects: Vec<_> = words::effects(kind).iter().map(ToString::to_string).collect();
        if carried == Some(Carried::Ordered) {
            effects.push(
                "A worker is at the run right now: it takes the order at its next wait, end or \
                 pivot, whichever comes first."
                    .to_owned(),
            );
        }
        effects.extend(after.as_ref().and_then(untaken));
        effects.extend(after.as_ref().and_then(anew));
        Self {
            name: run::words::verb(kind).0,
            verb: kind.as_str(),
            kind,
            tone: if words::is_final(kind) { "danger" } else { "primary" },
            before: Badge::state(&state),
            trouble,
            after: after.as_ref().map(|after| {
                let ordered = carried == Some(Carried::Ordered);
                Badge::state(&if ordered { ends_as(kind, &state) } else { text(after, "state") })
            }),
            effects,
            to_undo: undoes.iter().map(|s| run::words::call(&s.name, s.occurrence)).collect(),
            refusal,
        }
    }
}

/// The state to which an order leads a run that is held.
fn ends_as(kind: VerbKind, state: &str) -> String {
    match kind {
        VerbKind::Pause => "PAUSED",
        VerbKind::Terminate | VerbKind::Close => "CLOSED",
        VerbKind::Compensate | VerbKind::Cancel => "COMPENSATING",
        VerbKind::Retry
        | VerbKind::ResumeForward
        | VerbKind::SkipStep
        | VerbKind::EditInput
        | VerbKind::Resume
        | VerbKind::Fork => state,
    }
    .to_owned()
}

/// A child that failed is not tried again: there is another one.
fn anew(after: &Value) -> Option<String> {
    let child = after.get("child")?.get("before")?.as_str()?;
    Some(format!(
        "Its child, run {child}, failed. It starts anew, as another run: all of its steps are made \
         again, under keys of their own."
    ))
}

fn untaken(after: &Value) -> Option<String> {
    let signals = after.get("untaken_signals")?.as_array()?;
    let names: Vec<_> = signals
        .iter()
        .map(|signal| signal.as_str().map_or_else(|| signal.to_string(), str::to_owned))
        .collect();
    (!names.is_empty())
        .then(|| format!("Signals that it has not taken stay untaken: {}.", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_retry_that_starts_a_failed_child_anew_says_so_before_it_is_done() {
        let foreseen = |after: Value| Foreseen {
            version: String::new(),
            before: json!({ "state": "STUCK" }),
            after: Some(after),
            carried: Some(Carried::Done),
            refusal: None,
            undoes: Vec::new(),
        };
        let says = |after: Value| {
            let plan = Plan::new(VerbKind::Retry, foreseen(after));
            plan.effects.iter().any(|effect| effect.contains("run c-1, failed. It starts anew"))
        };
        assert!(says(json!({ "state": "RUNNING", "child": { "before": "c-1", "after": "c-2" } })));
        assert!(!says(json!({ "state": "RUNNING" })), "where there is no child there is no word");
    }
}
