//! What the one binary does: reads its arguments, runs one command, and answers with an exit code.
//! A library only so that the acceptance tests can build the same program with points to kill it.

mod args;
mod audit;
mod bench;
mod chaos;
mod commands;
mod connect;
mod demo;
mod desk;
mod dev;
mod exit;
mod logging;
mod output;
mod parent;
mod recorder;
mod secrets;
mod settings;
mod signals;
mod signing;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;

use crate::args::Args;
use crate::exit::{Exit, Problem};

/// The whole program: from its arguments to its exit code.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let problem = Problem::new("the program could not start its threads").because(error);
            return exit::report(&problem).into();
        }
    };
    let ended = runtime.block_on(commands::run(args.command));
    // A thread that still reads or hashes must not hold the exit up.
    runtime.shutdown_background();
    ended
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
