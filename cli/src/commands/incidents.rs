//! `makegood incidents`: what needs a person, the alike ones together.

use api::operations::GroupRuns;
use makegood::IncidentClass;
use makegood::inspect::{IncidentGroup, PastIncident, RunPage};
use serde_json::json;

use super::runs::list as runs;
use crate::args::{IncidentsArgs, IncidentsVerb};
use crate::desk::Desk;
use crate::exit::{Exit, Problem};
use crate::output::{self, Format, ago, time};

/// So much of a fingerprint is shown; it is enough to name a group.
const SHORT: usize = 12;

pub(crate) async fn run(args: &IncidentsArgs) -> Result<Exit, Problem> {
    let mut desk = Desk::open(&args.desk).await?;
    let groups = desk.incidents().await?;
    match &args.verb {
        IncidentsVerb::List { output } => list(&groups, output.output),
        IncidentsVerb::Show { fingerprint, limit, output } => {
            let group = the_one(groups, fingerprint)?;
            show(&mut desk, &group, *limit, output.output).await?;
        }
    }
    Ok(Exit::Done)
}

/// The group whose fingerprint begins so.
fn the_one(groups: Vec<IncidentGroup>, named: &str) -> Result<IncidentGroup, Problem> {
    let begins = |group: &IncidentGroup| group.fingerprint.starts_with(named);
    let mut found: Vec<_> = groups.into_iter().filter(begins).collect();
    // Alike incidents at steps of several names share nothing, so a whole fingerprint is one group.
    match (found.pop(), found.is_empty()) {
        (Some(group), true) => Ok(group),
        (Some(_), false) => Err(Problem::new(format!("{named} begins several fingerprints"))
            .next("type more of it")
            .exit(Exit::Conflict)),
        (None, _) => Err(Problem::new(format!("no open incident has a fingerprint {named}"))
            .next("`makegood incidents list` shows what is open; --cell names another cell")
            .exit(Exit::NotFound)),
    }
}

fn list(groups: &[IncidentGroup], format: Format) {
    if format == Format::Json {
        return output::json(&groups);
    }
    if groups.is_empty() {
        return output::say("No run needs a person.");
    }
    let rows = groups.iter().map(|group| {
        vec![
            group.count.to_string(),
            group.class.clone(),
            group.step.clone().unwrap_or_default(),
            ago(group.first_at),
            ago(group.last_at),
            group.fingerprint.chars().take(SHORT).collect(),
            group.run_id.to_string(),
            group.message.clone(),
        ]
    });
    let columns =
        ["runs", "class", "step", "first", "last", "fingerprint", "such as", "what happened"];
    output::table(&columns, rows);
    output::say("`makegood incidents show FINGERPRINT` says what helps, and which runs.");
}

async fn show(
    desk: &mut Desk,
    group: &IncidentGroup,
    limit: u32,
    format: Format,
) -> Result<(), Problem> {
    let GroupRuns { page, past } = desk.incident(&group.fingerprint, limit).await?;
    let RunPage { runs, next, .. } = page;
    let remedy = api::remedy_of(&group.class);
    if format == Format::Json {
        output::json(&json!({
            "group": group, "remedy": remedy.long, "runs": runs, "next": next, "past": past,
        }));
        return Ok(());
    }
    let step = group.step.as_deref().map(|step| format!(" at {step}")).unwrap_or_default();
    output::data(&format!("Incident     {}{step}, {} open", group.class, group.count));
    output::data(&format!("             {}", group.message));
    output::data(&format!("First        {} ({})", time(group.first_at), ago(group.first_at)));
    output::data(&format!("Last         {} ({})", time(group.last_at), ago(group.last_at)));
    output::data(&format!("What helps   {}", remedy.long));
    runs::show(&runs);
    tell_past(&past);
    let verb = if group.class == IncidentClass::Paused.as_str() { "resume" } else { "retry" };
    let fingerprint = &group.fingerprint;
    output::data(&format!(
        "All of them: `makegood runs bulk {verb} --fingerprint {fingerprint} --dry-run`"
    ));
    Ok(())
}

/// How alike ones were resolved before.
fn tell_past(past: &[PastIncident]) {
    if past.is_empty() {
        return;
    }
    let rows = past.iter().map(|past| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (run, resolution) = (past.run_id.to_string(), past.resolution.clone());
        vec![run, resolution, text(&past.actor), time(past.resolved_at), text(&past.reason)]
    });
    output::table(&["resolved", "how", "by", "at", "reason"], rows);
}
