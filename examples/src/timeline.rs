//! The record of a run as a person reads it: what happened when, and what came of it.
//! It reads and formats; it changes nothing.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use makegood::inspect::{self, RunSummary, StepView};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// Characters of a value that are shown.
const SHOWN: usize = 72;

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
    let _ = writeln!(text, "  {:>9}  started", since(run, run.started_at));
    for step in steps {
        let StepView { kind, name, occurrence, result, attempts, at, .. } = step;
        let said = said(result.as_ref());
        let tries = if *attempts > 1 { format!(" at attempt {attempts}") } else { String::new() };
        let undo =
            step.undo.as_ref().filter(|_| kind == "done").map(|undo| format!(" (undo: {undo})"));
        let undo = undo.unwrap_or_default();
        // A record of nothing but an intent has no name.
        if !name.is_empty() {
            let at = since(run, *at);
            let _ = writeln!(text, "  {at:>9}  {kind:<12} {name}#{occurrence} {said}{tries}{undo}");
        }
        for intent in step.next.iter().filter_map(Value::as_array).flatten() {
            let field = |name| intent.get(name).cloned().unwrap_or_default();
            let (name, occurrence) = (field("name"), field("occurrence"));
            let name = name.as_str().unwrap_or_default();
            let _ =
                writeln!(text, "  {:>9}  {:<12} {name}#{occurrence}", since(run, *at), "about to");
        }
    }
    if let Some(ended_at) = run.ended_at {
        let _ = writeln!(text, "  {:>9}  ended", since(run, ended_at));
    }
}

fn since(run: &RunSummary, at: DateTime<Utc>) -> String {
    format!("{} ms", (at - run.started_at).num_milliseconds().max(0))
}

fn said(result: Option<&Value>) -> String {
    let text = result.filter(|value| !value.is_null()).map(Value::to_string).unwrap_or_default();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The run that a record says was started.
fn started(step: &StepView) -> Option<Uuid> {
    let result = step.result.as_ref().filter(|_| step.kind == "started")?;
    result.get("run_id")?.as_str()?.parse().ok()
}
