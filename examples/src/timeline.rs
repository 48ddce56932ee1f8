//! The record of a run as a person reads it: what happened when, and what came of it.
//! It reads and formats; it changes nothing.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use makegood::inspect::{self, RunSummary, StepView};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// Characters of a value that are shown.
const SHOWN: usize = 80;

/// The record of a run, a line each, then those of the runs that it started.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// let record = makegood_examples::timeline::of(conn, run_id).await?;
/// assert!(record.starts_with("trip ada-1: COMPLETED"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn of(conn: &mut PgConnection, run_id: Uuid) -> Result<String, sqlx::Error> {
    let mut text = String::new();
    let mut runs = vec![run_id];
    while let Some(run_id) = runs.pop() {
        let Some(run) = inspect::run(&mut *conn, &run_id.to_string()).await? else { continue };
        let steps = inspect::steps(&mut *conn, run_id).await?;
        let incident = inspect::open_incident(&mut *conn, run_id).await?;
        write_run(&mut text, &run, &steps);
        if let Some(incident) = incident {
            let _ = writeln!(text, "  needs a person: {}: {}", incident.class, incident.message);
        }
        runs.extend(steps.iter().rev().filter_map(started));
    }
    Ok(text)
}

fn write_run(text: &mut String, run: &RunSummary, steps: &[StepView]) {
    let _ = writeln!(text, "{} {}: {}", run.workflow, run.workflow_id, run.state);
    let mut line = |at: DateTime<Utc>, what: &str, about: &str| {
        let ms = (at - run.started_at).num_milliseconds().max(0);
        let _ = writeln!(text, "  {ms:>6} ms  {what:<12} {about}");
    };
    for step in steps {
        // A record of nothing but an intent says nothing else.
        if step.kind != "intent" {
            line(step.at, &step.kind, &about(step));
        }
        for intent in step.next.iter().filter_map(Value::as_array).flatten() {
            let name = intent.get("name").and_then(Value::as_str).unwrap_or_default();
            let occurrence = intent.get("occurrence").cloned().unwrap_or_default();
            line(step.at, "about to", &format!("{name}#{occurrence}"));
        }
    }
}

/// Which step it is, what came of it, how hard it was, and what would undo it.
fn about(step: &StepView) -> String {
    let mut words = Vec::new();
    if !step.name.is_empty() {
        words.push(format!("{}#{}", step.name, step.occurrence));
    }
    words.extend(step.result.as_ref().and_then(said));
    if step.attempts > 1 {
        words.push(format!("at attempt {}", step.attempts));
    }
    if let ("done", Some(undo)) = (step.kind.as_str(), &step.undo) {
        words.push(format!("(undo: {undo})"));
    }
    words.join(" ")
}

/// A result, in so many characters; of a message only what it says.
fn said(result: &Value) -> Option<String> {
    let said = result.get("payload").unwrap_or(result);
    if said.is_null() {
        return None;
    }
    let text = said.to_string();
    Some(match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    })
}

/// The run that a record says was started.
fn started(step: &StepView) -> Option<Uuid> {
    let result = step.result.as_ref().filter(|_| step.kind == "started")?;
    result.get("run_id")?.as_str()?.parse().ok()
}
