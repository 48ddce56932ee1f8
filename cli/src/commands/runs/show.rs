//! One run, told to a person: what it is, what it did, what it needs, and what happens next.

use chrono::{DateTime, SecondsFormat, Utc};
use makegood::inspect::{self, OpenIncident, OperatorAction, RunSummary, StepView};
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
    let next = next(&run);
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

/// What happens next, in a sentence.
fn next(run: &RunSummary) -> String {
    let due = run.due_at.map(time);
    match (run.state.as_str(), due) {
        ("RUNNING", None) => "a worker runs it now.".to_owned(),
        ("RUNNING", Some(due)) => format!("a worker takes it when it is due, at {due}."),
        ("WAITING", Some(due)) => format!("it waits for a signal, until {due} at the latest."),
        ("WAITING", None) => "a worker looks at it now; it waits for a signal.".to_owned(),
        ("COMPENSATING", None) => "a worker undoes its steps, the last one first.".to_owned(),
        ("COMPENSATING", Some(due)) => {
            format!("its steps are undone, the last one first, from {due} on.")
        }
        ("STUCK", _) => format!(
            "nothing, until a person has removed the cause and run `makegood runs retry {} \
             --reason ...`, or mended it by another verb (`makegood runs --help`).",
            run.run_id
        ),
        ("PAUSED", _) => format!(
            "nothing, until a person resumes it: `makegood runs resume {} --reason ...`.",
            run.run_id
        ),
        ("COMPLETED", _) => "nothing: it has reached its goal.".to_owned(),
        ("COMPENSATED", _) => "nothing: everything it did is undone.".to_owned(),
        ("CLOSED", _) => "nothing: a person closed it.".to_owned(),
        (other, _) => format!("this program does not know the state {other}."),
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
