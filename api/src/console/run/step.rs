//! One row of a run's record, whole: a page of its own, and a drawer beside the run's page.

use askama::Template;
use axum::extract::{Path, State};
use makegood::inspect::{self, RecordedStep};
use serde_json::Value;
use uuid::Uuid;

use super::json::Json;
use super::words;
use crate::app::{App, Shared};
use crate::console::moment::{Moment, span};
use crate::console::page::{Frame, Here, Page, PageError, draw};
use crate::console::who::Operator;

#[derive(Template)]
#[template(path = "console/run/step.html")]
struct StepPage {
    frame: Frame,
    run_id: Uuid,
    run_name: String,
    name: String,
    said: &'static str,
    seq: i32,
    before: Option<i32>,
    after: Option<i32>,
    facts: Vec<(&'static str, String)>,
    key: Option<String>,
    intended: Option<(i32, Moment)>,
    recorded: Moment,
    error: Option<Refused>,
    values: Vec<Json>,
}

/// Why a step was refused.
struct Refused {
    code: String,
    message: String,
    step: String,
}

/// `GET /console/runs/{id}/steps/{seq}`
pub(crate) async fn show(
    who: Operator,
    State(app): State<Shared>,
    Path((run_id, seq)): Path<(Uuid, i32)>,
) -> Page {
    let shared = Shared::clone(&app);
    let found = super::finish(&app, async move { load(&shared, run_id, seq).await }).await?;
    let Some((run, step)) = found else {
        return Err(PageError::NotFound(format!("Run {run_id} has no row {seq} on record.")));
    };
    let row = &step.row;
    let name = words::call(&row.name, row.occurrence);
    let said = words::said(&row.kind);
    let title = if name.is_empty() { said.to_owned() } else { format!("{name}, {said}") };
    let json =
        |id, label, value: Option<&Value>| value.map(|value| Json::new(id, label, value, &who));
    let values = [
        json("step-input", "Input", step.input.as_ref()),
        json("step-output", output(row.kind.as_str()), step.result.as_ref()),
    ];
    draw(&StepPage {
        run_id,
        run_name: format!("{} {}", run.workflow, run.workflow_id),
        seq,
        before: (seq > 0).then_some(seq - 1),
        after: (seq + 1 < run.rows).then_some(seq + 1),
        facts: facts(&step, run_id),
        // Nobody outside got that of a step that was not intended first.
        key: step.idempotency_key().filter(|_| row.kind == "undone" || step.intended_at.is_some()),
        intended: step.intended_seq.zip(step.intended_at.map(|at| Moment::new(at, run.read_at))),
        recorded: Moment::new(row.at, run.read_at),
        error: refused(&step),
        values: values.into_iter().flatten().collect(),
        name,
        said,
        frame: Frame::new(title, Here::Runs, who),
    })
}

async fn load(
    app: &App,
    run_id: Uuid,
    seq: i32,
) -> Result<Option<(inspect::RunDetail, RecordedStep)>, PageError> {
    let mut conn = app.pool.acquire().await?;
    let Some(run) = inspect::detail(&mut conn, run_id).await? else { return Ok(None) };
    let step = inspect::step(&mut conn, run_id, seq).await?;
    Ok(step.map(|step| (run, step)))
}

/// What the result of such a row is.
fn output(kind: &str) -> &'static str {
    match kind {
        "rejected" => "Refusal",
        "signal" | "ended" | "refused" => "Message",
        "compensating" => "Cause",
        "started" => "Run",
        _ => "Output",
    }
}

fn facts(step: &RecordedStep, run_id: Uuid) -> Vec<(&'static str, String)> {
    let row = &step.row;
    let mut facts = Vec::new();
    if row.attempts > 0 {
        facts.push(("Attempts", row.attempts.to_string()));
    }
    let from = step.intended_at.or(step.before_at);
    if let Some(from) = from {
        let since =
            if step.intended_at.is_some() { "since its intent" } else { "since the row before" };
        facts.push(("Took", format!("{} {since}", span(row.at - from))));
    }
    if let Some(undo) = &row.undo {
        facts.push(("Undone by", undo.clone()));
    }
    if row.pivot {
        facts.push(("Pivot", "yes: behind it there is only forward".to_owned()));
    }
    if !row.intended.is_empty() {
        facts.push(("Carries the intent of", row.intended.join(", ")));
    }
    if step.made_by != run_id {
        facts.push(("Made by run", step.made_by.to_string()));
    }
    facts
}

fn refused(step: &RecordedStep) -> Option<Refused> {
    let result = step.result.as_ref().filter(|_| step.row.code.is_some())?;
    let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Refused { code: text("code"), message: text("message"), step: text("step") })
}
