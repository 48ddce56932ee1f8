//! The record of a run as a table. Its values are shortened for people, and whole for programs.

use std::io::{IsTerminal, stdout};

use chrono::SecondsFormat;
use makegood::StepId;
use makegood::inspect::StepView;
use serde::Deserialize;
use serde_json::Value;

use crate::output;

/// The columns of [`row`].
pub(super) const COLUMNS: [&str; 6] = ["#", "kind", "step", "tries", "at", "result"];

/// The longest value on a terminal.
const SHORT: usize = 60;

/// How long a value may get: as long as it is, if that is wanted or nobody looks.
pub(super) fn width(full: bool) -> usize {
    if full || !stdout().is_terminal() { usize::MAX } else { SHORT }
}

/// What is about to be tried, as the row before it says.
#[derive(Deserialize)]
struct Intent {
    name: String,
    occurrence: i32,
    input: Value,
}

/// Shows the whole record.
pub(super) fn show(steps: &[StepView], width: usize) {
    output::table(&COLUMNS, steps.iter().map(|step| row(step, width)));
}

/// One row of the table. An intent has no result: what is intended stands there.
pub(super) fn row(step: &StepView, width: usize) -> Vec<String> {
    let (name, value) = match step.kind.as_str() {
        "intent" => intended(step),
        _ if step.name.is_empty() => (String::new(), step.result.clone()),
        _ => (called(&step.name, step.occurrence), step.result.clone()),
    };
    let value = value.map(|value| short(&value.to_string(), width)).unwrap_or_default();
    let at = step.at.to_rfc3339_opts(SecondsFormat::Millis, true);
    vec![step.seq.to_string(), step.kind.clone(), name, step.attempts.to_string(), at, value]
}

/// The steps that an intent names, and the input of the first.
fn intended(step: &StepView) -> (String, Option<Value>) {
    let next = step.next.clone().unwrap_or_default();
    let intents: Vec<Intent> = serde_json::from_value(next).unwrap_or_default();
    let names: Vec<_> = intents.iter().map(|i| called(&i.name, i.occurrence)).collect();
    (names.join(", "), intents.into_iter().next().map(|intent| intent.input))
}

/// A step as people write it: its name, with the number of the call if it is not the first.
pub(super) fn called(name: &str, occurrence: i32) -> String {
    match occurrence {
        0 => name.to_owned(),
        again => StepId { name: name.to_owned(), occurrence: again }.to_string(),
    }
}

/// A text of at most `width` characters.
pub(super) fn short(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_shortened_without_cutting_a_character() {
        let shown = short(&"ü".repeat(100), SHORT);
        assert_eq!(shown.chars().count(), SHORT);
        assert!(shown.ends_with('…'), "it says that there is more");
        assert_eq!(short("7", SHORT), "7");
        assert_eq!(short(&"ü".repeat(100), usize::MAX).chars().count(), 100, "or it is whole");
    }
}
