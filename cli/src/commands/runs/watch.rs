//! Follows one run until it ends: the record anew on a terminal, a line for each row otherwise.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use makegood::inspect::{self, RunSummary, StepView};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::next::next;
use super::record;
use crate::exit::{Exit, Problem};
use crate::output::{self, Format, time};

/// Looks every so often; done when the run has reached its goal, failed when it ended otherwise.
pub(super) async fn watch(
    conn: &mut PgConnection,
    run: RunSummary,
    every: Duration,
    format: Format,
) -> Result<Exit, Problem> {
    let redraws = stdout().is_terminal() && format == Format::Table;
    let mut pace = tokio::time::interval(every);
    let (mut told, mut stood) = (0, None);
    loop {
        pace.tick().await;
        // The state before the record: a run that is seen to have ended is told whole.
        let now = look(conn, run.run_id).await?;
        let steps = inspect::steps(conn, now.run_id).await?;
        if redraws {
            redraw(&now, &steps);
        } else {
            for step in steps.iter().skip(told) {
                tell_step(step, format);
            }
            let stands = (now.state.clone(), now.incident.clone());
            if stood.as_ref() != Some(&stands) {
                tell_state(&now, format);
                stood = Some(stands);
            }
        }
        told = steps.len();
        match now.state.as_str() {
            "COMPLETED" => return Ok(Exit::Done),
            "COMPENSATED" | "CLOSED" => return Ok(Exit::Failed),
            _ => {}
        }
    }
}

async fn look(conn: &mut PgConnection, run_id: Uuid) -> Result<RunSummary, Problem> {
    let found = inspect::runs_of(conn, &[run_id]).await?.pop();
    found.ok_or_else(|| {
        Problem::new(format!("run {run_id} is gone"))
            .because("it was deleted from the archive")
            .exit(Exit::NotFound)
    })
}

fn redraw(run: &RunSummary, steps: &[StepView]) {
    output::clear();
    output::data(&format!("{} {}: {}", run.workflow, run.workflow_id, run.state));
    record::show(steps, record::width(false));
    output::data(&format!("Next: {}", next(run)));
}

fn tell_step(step: &StepView, format: Format) {
    if format == Format::Json {
        return output::json(&json!({ "step": step }));
    }
    let [seq, kind, name, tries, at, result] =
        <[String; 6]>::try_from(record::row(step, usize::MAX)).unwrap_or_default();
    let again = if tries == "1" { String::new() } else { format!(" ({tries} tries)") };
    output::data(format!("{at} {seq} {kind} {name}{again} {result}").trim_end());
}

fn tell_state(run: &RunSummary, format: Format) {
    if format == Format::Json {
        return output::json(&json!({ "run": run, "next": next(run) }));
    }
    let at = time(chrono::Utc::now());
    output::data(&format!("{at} {}: {}", run.state, next(run)));
}
