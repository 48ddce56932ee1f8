//! `makegood workers`: who lives, who is silent, and what each holds.

use makegood::inspect::WorkerView;

use crate::args::{WorkersArgs, WorkersVerb};
use crate::desk::Desk;
use crate::exit::{Exit, Problem};
use crate::output::{self, Format, ago, time};

pub(crate) async fn run(args: &WorkersArgs) -> Result<Exit, Problem> {
    let mut desk = Desk::open(&args.desk).await?;
    let WorkersVerb::List { output } = &args.verb;
    let workers = desk.workers().await?;
    match output.output {
        Format::Json => output::json(&workers),
        Format::Table if workers.is_empty() => output::say("No worker was ever here."),
        Format::Table => show(&workers),
    }
    Ok(Exit::Done)
}

fn show(workers: &[WorkerView]) {
    let rows = workers.iter().map(|worker| {
        vec![
            worker.name.clone(),
            format!("{}/{}", worker.host, worker.pid),
            state(worker).to_owned(),
            worker.held.to_string(),
            time(worker.started_at),
            worker.ended_at.map_or_else(|| ago(worker.lease_until), ago),
            worker.incarnation.to_string(),
        ]
    });
    let columns = ["worker", "process", "state", "holds", "began", "lease until", "incarnation"];
    output::table(&columns, rows);
}

/// How a worker is, in a word: a silent one has not renewed its lease, and its runs are taken over.
pub(super) fn state(worker: &WorkerView) -> &'static str {
    match (worker.alive, worker.overdue) {
        (true, false) if worker.draining => "draining",
        (true, false) => "alive",
        (true, true) => "silent",
        (false, _) => "ended",
    }
}
