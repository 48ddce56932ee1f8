//! Recorded values as people read them, and the whole run as a file.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use makegood::inspect;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Shared};
use crate::console::page::{Page, PageError};
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

/// `GET /console/runs/{id}/json`: all that is on record, as a file.
pub(crate) async fn download(
    who: Operator,
    State(app): State<Shared>,
    Path(run_id): Path<Uuid>,
) -> Page {
    let shared = Shared::clone(&app);
    let whole = super::finish(&app, async move { load(&shared, run_id).await }).await?;
    let not_found = || PageError::NotFound(format!("There is no run {run_id}."));
    let mut whole = whole.ok_or_else(not_found)?;
    if who.rank < Rank::Operator {
        redact(&mut whole);
    }
    let text = serde_json::to_string_pretty(&whole).map_err(PageError::internal)?;
    let name = format!("attachment; filename=\"run-{run_id}.json\"");
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, text).into_response())
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

async fn load(app: &App, run_id: Uuid) -> Result<Option<Value>, PageError> {
    let mut conn = app.pool.acquire().await?;
    let Some(run) = inspect::detail(&mut conn, run_id).await? else { return Ok(None) };
    let mut steps = json!(inspect::steps(&mut conn, run_id).await?);
    for step in steps.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        // `next` is a sentence everywhere else.
        let intents = step.remove("next").unwrap_or_default();
        step.insert("next_intents".to_owned(), intents);
    }
    Ok(Some(json!({
        "run": run,
        "next": run.next().to_string(),
        "steps": steps,
        "signals": inspect::signals(&mut conn, run_id, 10_000, i32::MAX).await?,
        "relatives": inspect::relatives(&mut conn, run_id, 10_000).await?,
        "published": inspect::published(&mut conn, run_id).await?,
        "incidents": inspect::incidents(&mut conn, run_id, 10_000).await?,
        "actions": inspect::actions(&mut conn, run_id).await?,
    })))
}
