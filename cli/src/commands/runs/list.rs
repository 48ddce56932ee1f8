//! Runs in a list, once or again and again.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stdout};

use chrono::Utc;
use makegood::Attributes;
use makegood::inspect::{self, RunSummary};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::args::{ListArgs, RunState};
use crate::exit::Problem;
use crate::output::{self, Format, time};

pub(super) async fn run(conn: &mut PgConnection, args: &ListArgs) -> Result<(), Problem> {
    if args.watch {
        return watch(conn, args).await;
    }
    let runs = read(conn, args).await?;
    if runs.is_empty() && args.output.output == Format::Table {
        output::say(if is_narrowed(args) { "No run is like that." } else { "No runs yet." });
        return Ok(());
    }
    show(&runs, args.output.output);
    if args.output.output == Format::Table && i64::try_from(runs.len()) == Ok(args.limit) {
        output::say(&format!("The newest {}; there may be more (--limit).", args.limit));
    }
    Ok(())
}

async fn read(conn: &mut PgConnection, args: &ListArgs) -> Result<Vec<RunSummary>, Problem> {
    let (state, workflow) = (args.state.map(RunState::as_str), args.workflow.as_deref());
    let with = |all: Attributes, (name, value): &(String, String)| all.with(name, value);
    let attributes = args.attribute.iter().fold(Attributes::new(), with);
    Ok(inspect::list(conn, state, workflow, &attributes, args.limit).await?)
}

fn is_narrowed(args: &ListArgs) -> bool {
    args.state.is_some() || args.workflow.is_some() || !args.attribute.is_empty()
}

/// A list of runs, also as a part of something else.
pub(crate) fn show(runs: &[RunSummary], format: Format) {
    if format == Format::Json {
        return output::json(&runs);
    }
    let rows = runs.iter().map(|run| {
        vec![
            run.run_id.to_string(),
            run.workflow.clone(),
            run.state.clone(),
            time(run.started_at),
            run.incident.clone().unwrap_or_default(),
            run.workflow_id.clone(),
        ]
    });
    output::table(&["run", "workflow", "state", "started", "incident", "workflow id"], rows);
}

/// Looks until Ctrl-C: the list anew on a terminal, otherwise a line for each run whose state is
/// another than at the last look.
async fn watch(conn: &mut PgConnection, args: &ListArgs) -> Result<(), Problem> {
    let mut known: BTreeMap<Uuid, (String, Option<String>)> = BTreeMap::new();
    let mut pace = tokio::time::interval(args.pace.every);
    loop {
        pace.tick().await;
        let runs = read(conn, args).await?;
        if stdout().is_terminal() && args.output.output == Format::Table {
            output::clear();
            show(&runs, Format::Table);
            output::data(&format!("Looked at {}; Ctrl-C ends it.", time(Utc::now())));
            continue;
        }
        for run in runs.iter().rev() {
            let stands = (run.state.clone(), run.incident.clone());
            if known.get(&run.run_id) == Some(&stands) {
                continue;
            }
            tell(run, args.output.output);
            known.insert(run.run_id, stands);
        }
        // A run that left the list is told anew when it comes back.
        known.retain(|run_id, _| runs.iter().any(|run| run.run_id == *run_id));
    }
}

fn tell(run: &RunSummary, format: Format) {
    let now = time(Utc::now());
    if format == Format::Json {
        return output::json(&json!({ "at": now, "run": run }));
    }
    let RunSummary { run_id, workflow, workflow_id, state, .. } = run;
    let incident = run.incident.as_deref().map(|class| format!(" ({class})")).unwrap_or_default();
    output::data(&format!("{now} {run_id} {workflow} {state}{incident} {workflow_id}"));
}
