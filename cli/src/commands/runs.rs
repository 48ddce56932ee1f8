//! `makegood runs`: lists, shows, follows and mends runs.

mod bulk;
pub(super) mod list;
mod mend;
mod next;
mod record;
mod show;
mod watch;

use makegood::inspect::RunSummary;

use crate::args::{RunsArgs, RunsVerb};
use crate::desk::{Desk, Naming};
use crate::exit::{Exit, Problem};

pub(crate) async fn run(args: &RunsArgs) -> Result<Exit, Problem> {
    let mut desk = Desk::open(&args.desk).await?;
    match &args.verb {
        RunsVerb::List(args) => list::run(&mut desk, args).await?,
        RunsVerb::Show { id, full, output } => {
            let run = find(&mut desk, id).await?;
            show::show(&mut desk, run, record::width(*full), output.output).await?;
        }
        RunsVerb::Watch { id, pace, output } => {
            let run = find(&mut desk, id).await?;
            return watch::watch(&mut desk, run, pace.every, output.output).await;
        }
        RunsVerb::Mend(verb) => mend::mend(&mut desk, verb).await?,
        RunsVerb::Bulk(verb) => return bulk::bulk(&mut desk, verb).await,
    }
    Ok(Exit::Done)
}

/// The run of a run id or a workflow id, or of a part of that: for a look at it.
async fn find(desk: &mut Desk, id: &str) -> Result<RunSummary, Problem> {
    the_one(desk.named(id, Naming::Part).await?, id)
}

/// The run of a run id or a whole workflow id: for what is done to it.
async fn find_named(desk: &mut Desk, id: &str) -> Result<RunSummary, Problem> {
    the_one(desk.named(id, Naming::Whole).await?, id)
}

fn the_one(mut named: Vec<RunSummary>, id: &str) -> Result<RunSummary, Problem> {
    if named.len() > 1 {
        let runs = named.iter().map(|run| format!("{} of {}", run.run_id, run.workflow));
        return Err(Problem::new(format!("{id} names {} runs", named.len()))
            .because(runs.collect::<Vec<_>>().join(", "))
            .next("name one of them by its run id")
            .exit(Exit::Conflict));
    }
    named.pop().ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Problem {
    Problem::new(format!("no run {id}"))
        .because("neither a run id nor a workflow id in this cell is equal to it")
        .next("`makegood runs list` shows what there is; --cell names another cell")
        .exit(Exit::NotFound)
}
