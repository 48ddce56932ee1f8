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
    if who.rank >= Rank::Operator {
        return value.clone();
    }
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(_) | Value::String(_) => Value::from("hidden from viewers"),
        Value::Array(all) => all.iter().map(|value| shown(value, who)).collect(),
        Value::Object(all) => {
            all.iter().map(|(name, value)| (name.clone(), shown(value, who))).collect()
        }
    }
}
