//! One run, told to a person: what it is, what it did, what it needs, and what happens next.

use api::operations::WholeRun;
use makegood::Cause;
use makegood::inspect::{OpenIncident, OperatorAction, RunDetail, RunSummary, StepView};
use serde_json::json;

use super::next::{may, next};
use super::record;
use crate::desk::Desk;
use crate::exit::Problem;
use crate::output::{self, Format, ago, time};

/// Shows the run; no value of its record is longer than `width`.
pub(super) async fn show(
    desk: &mut Desk,
    run: RunSummary,
    width: usize,
    format: Format,
) -> Result<(), Problem> {
    let whole = desk.whole(run.run_id).await?;
    let WholeRun { detail, steps, incident, actions, children, remedies, stuck_at: at } = whole;
    let (next, may) = (next(&detail), may(&remedies, at.as_ref()));
    if format == Format::Json {
        output::json(&json!({
            "run": run, "detail": detail, "steps": steps, "children": children,
            "incident": incident, "stuck_at": at.as_ref().map(|at| at.step.to_string()),
            "actions": actions, "next": next, "may": may,
        }));
        return Ok(());
    }
    header(&detail);
    tell_detail(&detail, &steps, width);
    if !steps.is_empty() {
        record::show(&steps, width);
    }
    tell_children(&run, &children);
    tell_actions(&actions);
    if let Some(incident) = &incident {
        tell_incident(incident);
    }
    output::data(&format!("Next: {next}"));
    if !may.is_empty() {
        output::data(&format!("You may: {}", may.join(", ")));
    }
    Ok(())
}

fn header(run: &RunDetail) {
    output::data(&format!("Run          {}", run.run_id));
    let RunDetail { workflow, version, workflow_id, .. } = run;
    output::data(&format!("Workflow     {workflow} version {version} ({workflow_id})"));
    output::data(&format!("State        {}", run.state));
    output::data(&format!("Started      {} ({})", time(run.started_at), ago(run.started_at)));
    if let Some(ended_at) = run.ended_at {
        output::data(&format!("Ended        {} ({})", time(ended_at), ago(ended_at)));
    }
    if let Some(attributes) = &run.attributes {
        output::data(&format!("Attributes   {attributes}"));
    }
}

fn tell_detail(detail: &RunDetail, steps: &[StepView], width: usize) {
    let short = |value: &serde_json::Value| record::short(&value.to_string(), width);
    if let Some(parent) = detail.parent_run_id {
        output::data(&format!("Child of     {parent}"));
    }
    if let Some(origin) = detail.forked_from {
        output::data(&format!("Forked from  {origin}"));
    }
    if let Some(cause) = cause(detail, steps) {
        output::data(&format!("Cause        {cause}"));
    }
    if let Some(result) = &detail.output {
        output::data(&format!("Output       {}", short(result)));
    }
}

/// Why it was made good, or is being.
fn cause(detail: &RunDetail, steps: &[StepView]) -> Option<String> {
    let decided =
        steps.iter().rev().find(|s| matches!(s.kind.as_str(), "compensating" | "resumed"));
    let decided = decided.filter(|step| step.kind == "compensating");
    let cause = detail.cause.as_ref().or_else(|| decided.and_then(|step| step.result.as_ref()))?;
    let read = serde_json::from_value::<Cause>(cause.clone());
    Some(read.map_or_else(|_| cause.to_string(), |cause| cause.to_string()))
}

fn tell_children(run: &RunSummary, children: &[RunSummary]) {
    if children.is_empty() {
        return;
    }
    let rows = children.iter().map(|child| {
        let (id, workflow) = (child.run_id.to_string(), child.workflow.clone());
        vec![id, workflow, child.state.clone(), child.incident.clone().unwrap_or_default()]
    });
    output::table(&["child", "workflow", "state", "incident"], rows);
    let standing = children.iter().filter(|child| child.state == "COMPLETED").count();
    if run.state == "COMPENSATED" && standing > 0 {
        output::data(&format!(
            "Stands       {standing} completed of these: nothing of them is undone"
        ));
    }
}

fn tell_actions(actions: &[OperatorAction]) {
    if actions.is_empty() {
        return;
    }
    let rows = actions.iter().map(|action| {
        let OperatorAction { verb, actor, reason, at, .. } = action;
        vec![verb.clone(), actor.clone(), time(*at), reason.clone()]
    });
    output::table(&["action", "by", "at", "reason"], rows);
}

fn tell_incident(incident: &OpenIncident) {
    let occurrence = incident.occurrence.unwrap_or_default();
    let step =
        incident.step.as_deref().map(|step| format!(" at {}", record::called(step, occurrence)));
    let step = step.unwrap_or_default();
    let since = time(incident.opened_at);
    output::data(&format!("Incident     {}{step}, since {since}", incident.class));
    output::data(&format!("             {}", incident.message));
}
