//! `makegood replay-check`: whether this binary can carry on every live run, before it is deployed.

use makegood::{ReplayCheck, WorkerConfig};
use serde::Serialize;

use crate::args::ReplayCheckArgs;
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;
use crate::{connect, logging};

#[derive(Serialize)]
struct Answer {
    cell: String,
    #[serde(flatten)]
    found: ReplayCheck,
}

pub(crate) async fn run(args: &ReplayCheckArgs) -> Result<Exit, Problem> {
    let (settings, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let database = connect::migrated(&settings).await?;
    let registry = worker::code().map_err(|error| {
        Problem::new("this binary's workflows cannot be put together").because(error)
    })?;
    let bar = indicatif::ProgressBar::new_spinner();
    let found = makegood::replay_check(&database, &registry, &WorkerConfig::default(), |seen| {
        bar.set_message(format!("{seen} live runs replayed"));
        bar.tick();
    })
    .await
    .map_err(|error| Problem::new("the records cannot be read").because(error))?;
    bar.finish_and_clear();
    let misfits = found.misfits.len();
    let words = format!(
        "Live runs of the cell {}: {} fit, {} are being made good from their record, {misfits} do \
         not fit this binary.",
        settings.cell, found.fit, found.unwinding,
    );
    match args.output.output {
        Format::Json => output::json(&Answer { cell: settings.cell.to_string(), found }),
        Format::Table => show(&found),
    }
    output::say(&words);
    Ok(if misfits == 0 { Exit::Done } else { Exit::Failed })
}

fn show(found: &ReplayCheck) {
    if found.misfits.is_empty() {
        return;
    }
    let rows = found.misfits.iter().map(|misfit| {
        vec![
            misfit.run_id.to_string(),
            misfit.workflow.clone(),
            misfit.workflow_id.clone(),
            misfit.difference.clone(),
        ]
    });
    output::table(&["run", "workflow", "workflow id", "first difference"], rows);
}
