//! `makegood runs`: lists, shows, follows and mends runs.

mod bulk;
pub(super) mod list;
mod mend;
mod next;
mod record;
mod show;
mod watch;

use makegood::inspect;
use sqlx::PgConnection;

use crate::args::{RunsArgs, RunsVerb};
use crate::exit::{Exit, Problem};
use crate::settings::DatabaseSettings;
use crate::{connect, logging};

pub(crate) async fn run(args: &RunsArgs) -> Result<Exit, Problem> {
    let (database, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let mut conn = connect::connection(&database).await?;
    match &args.verb {
        RunsVerb::List(args) => list::run(&mut conn, args).await?,
        RunsVerb::Show { id, full, output } => {
            let run = find(&mut conn, id).await?;
            show::show(&mut conn, &database, run, record::width(*full), output.output).await?;
        }
        RunsVerb::Watch { id, pace, output } => {
            let run = find(&mut conn, id).await?;
            return watch::watch(&mut conn, run, pace.every, output.output).await;
        }
        RunsVerb::Mend(verb) => mend::mend(&mut conn, &database, verb).await?,
        RunsVerb::Bulk(verb) => return bulk::bulk(&mut conn, &database, verb).await,
    }
    Ok(Exit::Done)
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
