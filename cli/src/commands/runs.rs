//! `makegood runs`: lists, shows and mends runs.

mod bulk;
mod mend;
mod show;

pub(super) use self::mend::user;

use makegood::{RunFilter, Term, What, inspect};
use sqlx::PgConnection;

use crate::args::{RunsArgs, RunsVerb};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;
use crate::{connect, logging};

pub(crate) async fn run(args: &RunsArgs) -> Result<Exit, Problem> {
    let (database, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let mut conn = connect::connection(&database).await?;
    match &args.verb {
        RunsVerb::List { state, workflow, attribute, limit, output } => {
            let state = state.and_then(|state| format!("state={}", state.as_str()).parse().ok());
            let mut filter: RunFilter = state.unwrap_or_default();
            filter.limit = u32::try_from(*limit).unwrap_or_default();
            let workflow = workflow.iter().map(|name| What::Workflow(name.clone()));
            let with =
                |(name, value): &(String, String)| What::Attribute(name.clone(), value.clone());
            let terms = workflow.chain(attribute.iter().map(with)).map(Term::is);
            filter = terms.fold(filter, RunFilter::with);
            let runs = inspect::list(&mut conn, &filter).await?.runs;
            let runs: Vec<_> = runs.into_iter().map(inspect::RunSummary::from).collect();
            list(&runs, *limit, output.output);
        }
        RunsVerb::Show { id, output } => {
            let run = find(&mut conn, id).await?;
            show::show(&mut conn, run, output.output).await?;
        }
        RunsVerb::Incidents { output } => {
            let groups = inspect::incident_groups(&mut conn, 1_000).await?;
            incidents(&groups, output.output);
        }
        RunsVerb::Mend(verb) => mend::mend(&mut conn, &database, verb).await?,
        RunsVerb::Bulk(verb) => return bulk::bulk(&mut conn, &database, verb).await,
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

fn incidents(groups: &[inspect::IncidentGroup], format: Format) {
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
            show::time(group.first_at),
            show::time(group.last_at),
            group.fingerprint.clone(),
            group.message.clone(),
        ]
    });
    output::table(&["runs", "class", "step", "first", "last", "fingerprint", "such as"], rows);
}

/// The run of a run id or a workflow id, or of a part of that: for a look at it.
async fn find(conn: &mut PgConnection, id: &str) -> Result<inspect::RunSummary, Problem> {
    match the_one(conn, id).await? {
        Some(run) => Ok(run),
        None => inspect::run(conn, id).await?.ok_or_else(|| unknown(id)),
    }
}

/// The run of a run id or a whole workflow id: for what is done to it.
async fn find_named(conn: &mut PgConnection, id: &str) -> Result<inspect::RunSummary, Problem> {
    the_one(conn, id).await?.ok_or_else(|| unknown(id))
}

async fn the_one(
    conn: &mut PgConnection,
    id: &str,
) -> Result<Option<inspect::RunSummary>, Problem> {
    let mut named = inspect::named(conn, id).await?;
    if named.len() > 1 {
        let runs = named.iter().map(|run| format!("{} of {}", run.run_id, run.workflow));
        return Err(Problem::new(format!("{id} names {} runs", named.len()))
            .because(runs.collect::<Vec<_>>().join(", "))
            .next("name one of them by its run id")
            .exit(Exit::Conflict));
    }
    Ok(named.pop())
}

fn unknown(id: &str) -> Problem {
    Problem::new(format!("no run {id}"))
        .because("neither a run id nor a workflow id in this cell is equal to it")
        .next("`makegood runs list` shows what there is; --cell names another cell")
        .exit(Exit::NotFound)
}
