//! `makegood runs`: lists, shows and repairs runs.

mod show;

use makegood::{Client, Error, inspect};
use sqlx::PgConnection;

use crate::args::{RunState, RunsArgs, RunsVerb};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;
use crate::{connect, logging};

pub(crate) async fn run(args: &RunsArgs) -> Result<Exit, Problem> {
    let (database, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let mut conn = connect::connection(&database).await?;
    match &args.verb {
        RunsVerb::List { state, workflow, limit, output } => {
            let state = state.map(RunState::as_str);
            let runs = inspect::list(&mut conn, state, workflow.as_deref(), *limit).await?;
            list(&runs, *limit, output.output);
        }
        RunsVerb::Show { id, output } => {
            let run = find(&mut conn, id).await?;
            show::show(&mut conn, run, output.output).await?;
        }
        RunsVerb::Retry { id, reason } => retry(&mut conn, &database, id, reason).await?,
    }
    Ok(Exit::Done)
}

fn list(runs: &[inspect::RunSummary], limit: i64, format: Format) {
    if format == Format::Json {
        return output::json(&runs);
    }
    if runs.is_empty() {
        return output::say("No run is like that.");
    }
    let rows = runs.iter().map(|run| {
        vec![
            run.run_id.to_string(),
            run.workflow.clone(),
            run.state.clone(),
            show::time(run.started_at),
            run.incident.clone().unwrap_or_default(),
            run.workflow_id.clone(),
        ]
    });
    output::table(&["run", "workflow", "state", "started", "incident", "workflow id"], rows);
    if i64::try_from(runs.len()) == Ok(limit) {
        output::say(&format!("The newest {limit}; there may be more (--limit)."));
    }
}

/// The run of a run id or a workflow id.
async fn find(conn: &mut PgConnection, id: &str) -> Result<inspect::RunSummary, Problem> {
    inspect::run(conn, id).await?.ok_or_else(|| {
        Problem::new(format!("no run {id}"))
            .because("neither a run id nor a workflow id in this cell is equal to it")
            .next("`makegood runs list` shows what there is; --cell names another cell")
            .exit(Exit::NotFound)
    })
}

async fn retry(
    conn: &mut PgConnection,
    database: &DatabaseSettings,
    id: &str,
    reason: &str,
) -> Result<(), Problem> {
    let reason = reason.trim();
    if reason.is_empty() {
        let problem = Problem::new("a retry needs a reason").exit(Exit::Usage);
        return Err(problem.next("say with --reason what was wrong and what was done about it"));
    }
    let run = find(conn, id).await?;
    let client = Client::connect(&database.engine()?).await;
    let client = client.map_err(|e| Problem::new("the engine cannot be reached").because(e))?;
    match client.retry(run.run_id, &actor(), reason).await {
        Ok(()) => output::say(&format!("Run {} is back in the queue.", run.run_id)),
        Err(error @ Error::Refused { .. }) => {
            return Err(Problem::new("there is nothing to retry")
                .because(error)
                .next(format!("`makegood runs show {}` tells what it does", run.run_id))
                .exit(Exit::Conflict));
        }
        Err(error) => return Err(Problem::new("the run was not retried").because(error)),
    }
    Ok(())
}

/// Who runs the command, as far as the system says.
fn actor() -> String {
    let named = |variable| std::env::var(variable).ok().filter(|name| !name.is_empty());
    named("USER").or_else(|| named("LOGNAME")).unwrap_or_else(|| "unknown".to_owned())
}
