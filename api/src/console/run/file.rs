//! The whole run as a JSON file: written as it is read, a part of its record at a time, so that no
//! process holds a long one. Between two parts it holds no connection to the database.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use futures::stream;
use makegood::inspect::{self, SignalView};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::json::shown;
use crate::app::Shared;
use crate::console::page::{Page, PageError};
use crate::console::who::{Operator, Rank};

/// Signals, relatives and incidents of a file at most: the newest.
const MOST: i64 = 10_000;
/// Signals whose payloads are read together.
const TOGETHER: usize = 16;

/// `GET /console/runs/{id}/json`: all that is on record, as a file.
pub(crate) async fn download(
    who: Operator,
    State(app): State<Shared>,
    Path(run_id): Path<Uuid>,
) -> Page {
    let mut file = File { app, who, run_id, list: None };
    // Before anything is sent: there may be no such run.
    let not_found = || PageError::NotFound(format!("There is no run {run_id}."));
    let first = file.head().await?.ok_or_else(not_found)?;
    let rest = stream::try_unfold((file, Some(Part::Steps(0))), |(mut file, part)| async move {
        let Some(part) = part else { return Ok(None) };
        let read = file.part(part).await.map_err(|error| format!("{error:?}"));
        read.map(|(text, next)| Some((text, (file, next))))
    });
    let pieces = futures::StreamExt::chain(stream::iter([Ok::<_, String>(first)]), rest);
    let name = format!("attachment; filename=\"run-{run_id}.json\"");
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// What is written next.
enum Part {
    /// Rows of the record from here on.
    Steps(i32),
    /// Signals whose payloads are not written yet.
    Signals(Option<Vec<SignalView>>),
    /// Shown values behind this name.
    Published(String),
    Rest,
}

struct File {
    app: Shared,
    who: Operator,
    run_id: Uuid,
    /// The list that is being written, and whether something of it is.
    list: Option<(&'static str, bool)>,
}

impl File {
    /// How the run stands.
    async fn head(&mut self) -> Result<Option<String>, PageError> {
        let (shared, run_id) = (Shared::clone(&self.app), self.run_id);
        let run = super::finish(&self.app, async move {
            let mut conn = shared.pool.acquire().await?;
            Ok(inspect::detail(&mut conn, run_id).await?)
        });
        let Some(run) = run.await? else { return Ok(None) };
        let next = run.next().to_string();
        Ok(Some(format!("{{\n\"run\": {},\n\"next\": {}", self.text(&run)?, self.text(&next)?)))
    }

    /// A part, and what comes behind it.
    async fn part(&mut self, part: Part) -> Result<(String, Option<Part>), PageError> {
        match part {
            Part::Steps(from) => self.steps(from).await,
            Part::Signals(left) => self.signals(left).await,
            Part::Published(behind) => self.published(behind).await,
            Part::Rest => Ok((self.rest().await?, None)),
        }
    }

    async fn steps(&mut self, from: i32) -> Result<(String, Option<Part>), PageError> {
        let (shared, run_id) = (Shared::clone(&self.app), self.run_id);
        let rows = super::finish(&self.app, async move {
            let mut conn = shared.pool.acquire().await?;
            Ok(inspect::steps_from(&mut conn, run_id, from).await?)
        });
        let rows = rows.await?;
        let next = rows.last().map(|last| Part::Steps(last.seq.saturating_add(1)));
        let mut values = Vec::new();
        for row in rows {
            let mut value = json!(row);
            if let Some(step) = value.as_object_mut() {
                // `next` is a sentence everywhere else.
                let intents = step.remove("next").unwrap_or_default();
                step.insert("next_intents".to_owned(), intents);
            }
            values.push(value);
        }
        Ok((self.items("steps", &values)?, next.or(Some(Part::Signals(None)))))
    }

    async fn signals(
        &mut self,
        left: Option<Vec<SignalView>>,
    ) -> Result<(String, Option<Part>), PageError> {
        let (shared, run_id) = (Shared::clone(&self.app), self.run_id);
        let read = super::finish(&self.app, async move {
            let mut conn = shared.pool.acquire().await?;
            let mut these = match left {
                Some(left) => left,
                // Without their payloads.
                None => inspect::signals(&mut conn, run_id, MOST, -1).await?,
            };
            let left = these.split_off(TOGETHER.min(these.len()));
            let ids: Vec<String> = these.iter().map(|signal| signal.signal_id.clone()).collect();
            let payloads = inspect::payloads(&mut conn, run_id, &ids).await?;
            for (id, payload) in payloads {
                if let Some(signal) = these.iter_mut().find(|signal| signal.signal_id == id) {
                    signal.payload = Some(payload);
                }
            }
            Ok((these, left))
        });
        let (these, left) = read.await?;
        let next = if left.is_empty() {
            Part::Published(String::new())
        } else {
            Part::Signals(Some(left))
        };
        Ok((self.items("signals", &these)?, Some(next)))
    }

    async fn published(&mut self, behind: String) -> Result<(String, Option<Part>), PageError> {
        let (shared, run_id) = (Shared::clone(&self.app), self.run_id);
        let shown = super::finish(&self.app, async move {
            let mut conn = shared.pool.acquire().await?;
            Ok(inspect::published_behind(&mut conn, run_id, &behind).await?)
        });
        let shown = shown.await?;
        let next = shown.last().map_or(Part::Rest, |last| Part::Published(last.key.clone()));
        Ok((self.items("published", &shown)?, Some(next)))
    }

    async fn rest(&mut self) -> Result<String, PageError> {
        let (shared, run_id) = (Shared::clone(&self.app), self.run_id);
        let read = super::finish(&self.app, async move {
            let mut conn = shared.pool.acquire().await?;
            let relatives = inspect::relatives(&mut conn, run_id, MOST).await?;
            let incidents = inspect::incidents(&mut conn, run_id, MOST).await?;
            Ok((relatives, incidents, inspect::actions(&mut conn, run_id).await?))
        });
        let (relatives, incidents, actions) = read.await?;
        let mut text = self.items("relatives", &relatives)?;
        text.push_str(&self.items("incidents", &incidents)?);
        text.push_str(&self.items("actions", &actions)?);
        text.push_str("\n]\n}\n");
        Ok(text)
    }

    /// Goes on with a list, or ends the one before and begins this one.
    fn items<T: Serialize>(&mut self, list: &'static str, all: &[T]) -> Result<String, PageError> {
        let (mut text, mut begun) = match self.list {
            Some((same, begun)) if same == list => (String::new(), begun),
            Some(_) => (format!("\n],\n\"{list}\": ["), false),
            None => (format!(",\n\"{list}\": ["), false),
        };
        for item in all {
            text.push_str(if begun { ",\n" } else { "\n" });
            text.push_str(&self.text(item)?);
            begun = true;
        }
        self.list = Some((list, begun));
        Ok(text)
    }

    /// As far as this person may see it.
    fn text(&self, value: &impl Serialize) -> Result<String, PageError> {
        let mut value = serde_json::to_value(value).map_err(PageError::internal)?;
        if self.who.rank < Rank::Operator {
            redact(&mut value, &self.who);
        }
        serde_json::to_string_pretty(&value).map_err(PageError::internal)
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

fn redact(value: &mut Value, who: &Operator) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|value| redact(value, who)),
        Value::Object(all) => {
            for (name, value) in all {
                if VALUES.contains(&name.as_str()) {
                    *value = shown(value, who);
                } else {
                    redact(value, who);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
