//! Follows one run until it ends: the record anew on a terminal, a line for each row otherwise.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use api::operations::Progressed;
use makegood::inspect::{OpenIncident, RunDetail, RunSummary, StepView};
use serde_json::json;
use uuid::Uuid;

use super::next::next;
use super::record;
use crate::desk::{Desk, Trouble};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format, time};

/// Looks every so often; done when the run has reached its goal, or nobody reads any more;
/// failed when it ended otherwise.
pub(super) async fn watch(
    desk: &mut Desk,
    run: RunSummary,
    every: Duration,
    format: Format,
) -> Result<Exit, Problem> {
    let redraws = stdout().is_terminal() && format == Format::Table;
    let mut pace = tokio::time::interval(every);
    let (mut told, mut stood) = (0, None);
    loop {
        pace.tick().await;
        if output::is_closed() {
            return Ok(Exit::Done);
        }
        let Progressed { detail: now, steps, incident } = look(desk, run.run_id).await?;
        if redraws {
            redraw(&now, &steps, incident.as_ref());
        } else {
            for step in steps.iter().skip(told) {
                tell_step(step, format);
            }
            let stands = (now.state.clone(), incident.as_ref().map(|open| open.opened_at));
            if stood.as_ref() != Some(&stands) {
                tell_state(&now, incident.as_ref(), format);
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

async fn look(desk: &mut Desk, run_id: Uuid) -> Result<Progressed, Problem> {
    desk.progress(run_id).await.map_err(|trouble| match trouble {
        Trouble::RunNotFound => Problem::new(format!("run {run_id} is gone"))
            .because("it was deleted from the archive")
            .exit(Exit::NotFound),
        trouble => trouble.into(),
    })
}

fn redraw(run: &RunDetail, steps: &[StepView], incident: Option<&OpenIncident>) {
    output::clear();
    output::data(&format!("{} {}: {}", run.workflow, run.workflow_id, run.state));
    record::show(steps, record::width(false));
    if let Some(incident) = incident {
        output::data(&words(incident));
    }
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

fn tell_state(run: &RunDetail, incident: Option<&OpenIncident>, format: Format) {
    if format == Format::Json {
        return output::json(&json!({ "run": run, "incident": incident, "next": next(run) }));
    }
    let at = time(run.read_at);
    let incident = incident.map(|open| format!("{} ", words(open))).unwrap_or_default();
    output::data(&format!("{at} {}: {incident}{}", run.state, next(run)));
}

/// What an incident says, on one line.
fn words(incident: &OpenIncident) -> String {
    let occurrence = incident.occurrence.unwrap_or_default();
    let step =
        incident.step.as_deref().map(|step| format!(" at {}", record::called(step, occurrence)));
    format!("{}{}: {}.", incident.class, step.unwrap_or_default(), incident.message)
}
