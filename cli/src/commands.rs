//! The commands, one file each. Here they are told apart, and nothing else.

mod api;
mod audit;
mod bench_worker;
mod doctor;
mod incidents;
mod ledger;
mod manual;
mod migrate;
pub(crate) mod operators;
mod queues;
mod reconcile;
mod replay_check;
mod runs;
mod sandbox;
mod schedules;
mod serve;
mod setting;
mod worker;
mod workers;

use std::process::ExitCode;

use crate::args::Command;
use crate::exit::{self, Problem};
use crate::{bench, chaos, demo, dev};

/// Runs one command to its end.
pub(crate) async fn run(command: Command) -> ExitCode {
    let ended = match command {
        Command::Api(args) => Box::pin(api::run(&args)).await,
        Command::Worker(args) => Box::pin(worker::run(&args)).await,
        Command::GatewaySandbox(args) => Box::pin(sandbox::run(&args)).await,
        Command::Migrate(args) => Box::pin(migrate::run(&args)).await,
        Command::Runs(args) => Box::pin(runs::run(&args)).await,
        Command::Incidents(args) => Box::pin(incidents::run(&args)).await,
        Command::Workers(args) => Box::pin(workers::run(&args)).await,
        Command::Queues(args) => Box::pin(queues::run(&args)).await,
        Command::Schedules(args) => Box::pin(schedules::run(&args)).await,
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
        Command::Ledger(args) => Box::pin(ledger::run(&args)).await,
        Command::Operators(args) => Box::pin(operators::run(&args)).await,
        Command::Audit(args) => Box::pin(audit::run(&args)).await,
        Command::Reconcile(args) => Box::pin(reconcile::run(&args)).await,
        Command::ReplayCheck(args) => Box::pin(replay_check::run(&args)).await,
        Command::Doctor(args) => Box::pin(doctor::run(&args)).await,
        Command::Demo(args) => return local(Box::pin(demo::run(args)).await),
        Command::Chaos(args) => return local(Box::pin(chaos::run(args)).await),
        Command::Dev(args) => return local(Box::pin(dev::run(args)).await),
        Command::Bench(args) => return local(Box::pin(bench::run(args)).await),
        Command::BenchWorker(args) => Box::pin(bench_worker::run(&args)).await,
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(problem) => exit::report(&problem).into(),
    }
}

/// The end of a command that starts every part on this machine.
fn local(ended: anyhow::Result<ExitCode>) -> ExitCode {
    ended.unwrap_or_else(|error| {
        let problem = Problem::new(error.to_string());
        let causes: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
        let told = if causes.is_empty() { problem } else { problem.because(causes.join(": ")) };
        exit::report(&told).into()
    })
}
