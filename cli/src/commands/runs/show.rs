//! One run, told to a person: what it is, what it did, what it needs, and what happens next.

use chrono::{DateTime, SecondsFormat, Utc};
use makegood::inspect::{
    self, Next, OpenIncident, OperatorAction, RunDetail, RunSummary, StepView,
};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::exit::Problem;
use crate::output::{self, Format};

/// The longest value in a table; JSON has it whole.
const SHORT: usize = 60;

/// Shows the run.
pub(crate) async fn show(
    conn: &mut PgConnection,
    run: RunSummary,
    format: Format,
) -> Result<(), Problem> {
    let steps = inspect::steps(conn, run.run_id).await?;
    let incident = inspect::open_incident(conn, run.run_id).await?;
    let actions = inspect::actions(conn, run.run_id).await?;
    let detail = inspect::detail(conn, run.run_id).await?;
    let next = detail.as_ref().map(|run| format!("{}{}", run.next(), hint(run)));
    let next = next.unwrap_or_default();
    if format == Format::Json {
        output::json(&json!({
            "run": run, "steps": steps, "incident": incident, "actions": actions, "next": next,
        }));
        return Ok(());
    }
    header(&run);
    if !steps.is_empty() {
        let columns = ["#", "kind", "step", "tries", "at", "result"];
        output::table(&columns, steps.iter().map(row));
    }
    if !actions.is_empty() {
        let rows = actions.iter().map(|action| {
            let OperatorAction { verb, actor, reason, at, .. } = action;
            vec![verb.clone(), actor.clone(), time(*at), reason.clone()]
        });
        output::table(&["action", "by", "at", "reason"], rows);
    }
    if let Some(incident) = &incident {
        tell(incident);
    }
    output::data(&format!("Next: {next}"));
    Ok(())
}

fn header(run: &RunSummary) {
    output::data(&format!("Run          {}", run.run_id));
    output::data(&format!("Workflow     {} ({})", run.workflow, run.workflow_id));
    output::data(&format!("State        {}", run.state));
    output::data(&format!("Started      {}", time(run.started_at)));
    if let Some(ended_at) = run.ended_at {
        output::data(&format!("Ended        {}", time(ended_at)));
    }
    if let Some(attributes) = &run.attributes {
        output::data(&format!("Attributes   {attributes}"));
    }
}

fn row(step: &StepView) -> Vec<String> {
    let name = match step.occurrence {
        0 => step.name.clone(),
        again => format!("{}#{again}", step.name),
    };
    let result = step.result.as_ref().map(short).unwrap_or_default();
    let at = step.at.to_rfc3339_opts(SecondsFormat::Millis, true);
    vec![step.seq.to_string(), step.kind.clone(), name, step.attempts.to_string(), at, result]
}

fn tell(incident: &OpenIncident) {
    let occurrence = incident.occurrence.filter(|occurrence| *occurrence > 0);
    let call = occurrence.map(|occurrence| format!("#{occurrence}")).unwrap_or_default();
    let step = incident.step.as_deref().map(|step| format!(" at {step}{call}"));
    let step = step.unwrap_or_default();
    let since = time(incident.opened_at);
    output::data(&format!("Incident     {}{step}, since {since}", incident.class));
    output::data(&format!("             {}", incident.message));
}

/// The command that helps, where only a person can.
fn hint(run: &RunDetail) -> String {
    let id = run.run_id;
    match run.next() {
        Next::Mend => format!(
            " Remove the cause and run `makegood runs retry {id} --reason ...`, or mend it by \
             another verb (`makegood runs --help`)."
        ),
        Next::Resume => format!(" `makegood runs resume {id} --reason ...` does."),
        _ => String::new(),
    }
}

/// A time to the second.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHORT {
        return text;
    }
    let kept: String = text.chars().take(SHORT.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_shortened_without_cutting_a_character() {
        let shown = short(&Value::from("ü".repeat(100)));
        assert_eq!(shown.chars().count(), SHORT);
        assert!(shown.ends_with('…'), "it says that there is more");
        assert_eq!(short(&Value::from(7)), "7");
    }
}
