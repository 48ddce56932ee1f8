//! `makegood bench`: sets a stage, measures one load on it, and shows what it came to.
//! What is measured and how is in the library `makegood-bench`; here are processes and screens.

mod args;
mod checkout;
mod console;
mod loads;
mod recovery;
mod stage;
mod tables;

use std::process::ExitCode;

use makegood_bench::{Opening, Report, Settings};
use tokio::select;

use crate::demo::{
    Interrupted, interrupted,
    parts::Parts,
    progress::{Step, say},
};
use crate::output;

use self::args::LoadArgs;
pub(crate) use self::args::{BenchArgs, BenchWorkerArgs};

/// Runs one measurement; nothing that it started outlives it.
///
/// # Errors
/// A part did not start, or the work went wrong.
pub(crate) async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let mut parts = Parts::new()?;
    let outcome = select! {
        outcome = Box::pin(story(&args.load, &mut parts)) => outcome,
        () = interrupted() => Err(Interrupted.into()),
    };
    let mut faults = parts.stop_processes().await;
    stage::leave_database(&args.load, &parts).await;
    faults.extend(parts.stop().await);
    if matches!(&outcome, Err(error) if error.is::<Interrupted>()) {
        return Ok(ExitCode::from(130));
    }
    if (outcome.is_err() || !faults.is_empty())
        && let Some(logs) = parts.keep_logs()
    {
        say(&format!("the logs of the workers are in {}", logs.display()));
    }
    let report = outcome?;
    for fault in &faults {
        say(&format!("{fault:#}"));
    }
    if args.load.site().json {
        output::json(&report);
    } else {
        tables::print(&report);
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// From an empty stage to a report.
async fn story(load: &LoadArgs, parts: &mut Parts) -> anyhow::Result<Report> {
    let mut site = stage::set(load, parts).await?;

    let step = Step::begin("measuring PostgreSQL's own rate of inserts");
    let opening = Opening::take(&site).await?;
    step.done("PostgreSQL's own rate of inserts is measured");

    let measured = match load {
        LoadArgs::Recovery(args) => recovery::drive(args, parts, &mut site).await?,
        LoadArgs::Checkout(args) => checkout::drive(args, parts, &mut site).await?,
        LoadArgs::Console(args) => console::drive(args, parts, &mut site).await?,
        _ => {
            for _ in 0..load.site().workers {
                stage::start_worker(parts, &mut site, stage::Traits::default()).await?;
            }
            watched(parts, loads::drive(load, &site)).await?
        }
    };
    let faults = parts.stop_processes().await;
    if let Some(fault) = faults.into_iter().next() {
        return Err(fault.context("a worker did not end in order"));
    }
    let settings = Settings {
        command: load.command(),
        concurrency: load.concurrency(),
        workers: load.site().workers,
        processors: std::thread::available_parallelism()?.get(),
        commit_delay_ms: load.site().commit_delay,
        database: if parts.cluster.is_some() { "private" } else { "given" },
        commit: stage::commit().await,
        release: !cfg!(debug_assertions),
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(measured.report(&site, opening, settings).await?)
}

/// Does something while no worker dies.
async fn watched<T, E>(
    parts: &mut Parts,
    work: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T>
where
    anyhow::Error: From<E>,
{
    let deaths = parts.workers.iter_mut().map(|worker| Box::pin(worker.died()));
    select! {
        done = Box::pin(work) => Ok(done?),
        (error, ..) = futures::future::select_all(deaths) => Err(error.context("a worker died")),
    }
}
