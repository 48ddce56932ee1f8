//! Recorded values as people read them.

use askama::Template;
use askama::filters::HtmlSafe;
use serde_json::Value;

use crate::console::who::{Operator, Rank};

/// The most bytes of one value on a page; the file has it whole.
const SHOWN: usize = 64 * 1024;

/// A value on a page. Put into a template as `{{ json }}`.
#[derive(Debug, Template)]
#[template(path = "console/run/json.html")]
pub(super) struct Json {
    id: String,
    label: &'static str,
    text: String,
    /// Why it is not shown.
    missing: Option<String>,
}

impl HtmlSafe for Json {}

impl Json {
    pub(super) fn new(
        id: impl Into<String>,
        label: &'static str,
        value: &Value,
        who: &Operator,
    ) -> Self {
        let text = serde_json::to_string_pretty(&shown(value, who)).unwrap_or_default();
        if text.len() > SHOWN {
            return Self::missing(id, label, text.len());
        }
        Self { id: id.into(), label, text, missing: None }
    }

    /// A value that is too long for a page.
    pub(super) fn missing(id: impl Into<String>, label: &'static str, bytes: usize) -> Self {
        let kib = bytes.div_ceil(1024);
        let missing =
            Some(format!("It has {kib} KiB: too long for this page. The run's JSON has it."));
        Self { id: id.into(), label, text: String::new(), missing }
    }
}

/// The value as far as somebody of this rank may see it.
pub(in crate::console) fn shown(value: &Value, who: &Operator) -> Value {
    if who.rank >= Rank::Operator { value.clone() } else { hidden(value) }
}

fn hidden(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(_) | Value::String(_) => Value::from("hidden from viewers"),
        Value::Array(all) => all.iter().map(hidden).collect(),
        Value::Object(all) => {
            all.iter().map(|(name, value)| (name.clone(), hidden(value))).collect()
        }
    }
}

/// What people and programs put into a run, wherever the file has it.
const VALUES: [&str; 10] = [
    "input",
    "output",
    "cause",
    "result",
    "payload",
    "value",
    "next_intents",
    "attributes",
    "before",
    "after",
];

/// Hides what people and programs put into runs, wherever it is.
pub(crate) fn redact(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(redact),
        Value::Object(all) => {
            for (name, value) in all {
                // What a step intends is a list; elsewhere `next` is a sentence or an id.
                let is_intents = name == "next" && value.is_array();
                if is_intents || VALUES.contains(&name.as_str()) {
                    *value = hidden(value);
                } else {
                    redact(value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
