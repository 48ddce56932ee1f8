//! The command line: every command, flag and variable; `--help` is the manual.
//! Settings stay text here, so that all of their faults can be named at once (see `settings`).

mod bulk;
mod desk;
mod ledger;
mod manual;
mod mend;
mod operate;
mod operators;
mod reconcile;
mod runs;
mod serve;
mod span;
mod tend;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};
use secrecy::SecretString;

use crate::bench::{BenchArgs, BenchWorkerArgs};
use crate::chaos::ChaosArgs;
use crate::demo::DemoArgs;
use crate::dev::DevArgs;

pub(crate) use self::bulk::{BulkArgs, BulkVerb, SelectionArgs, SimpleVerb};
pub(crate) use self::desk::DeskArgs;
pub(crate) use self::ledger::{LedgerArgs, LedgerVerb};
pub(crate) use self::manual::{CompletionsArgs, ManArgs};
pub(crate) use self::mend::{CutArgs, MendVerb, OneArgs, SignedArgs};
pub(crate) use self::operate::{AuditArgs, DoctorArgs, MigrateArgs, MigrateVerb, ReplayCheckArgs};
pub(crate) use self::operators::{
    ActorArgs, OperatorsArgs, OperatorsVerb, PasswordArgs, TokenVerb,
};
pub(crate) use self::reconcile::{NowArgs, ReconcileArgs, ReconcileVerb};
pub(crate) use self::runs::{ListArgs, NarrowArgs, RunState, RunsArgs, RunsVerb};
pub(crate) use self::serve::{ApiArgs, GatewayKeyArgs, SandboxArgs, WorkerArgs};
pub(crate) use self::tend::{
    IncidentsArgs, IncidentsVerb, NamedArgs, QueuesArgs, QueuesVerb, SchedulesArgs, SchedulesVerb,
    WorkersArgs, WorkersVerb,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold());

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed or something does not hold, 2 wrong arguments or settings, \
3 not found, 4 conflict, 5 timed out, 130 interrupted.
A flag wins over its variable, a variable over the default. Data goes to stdout, words and logs to \
stderr.";

/// Durable checkouts on PostgreSQL: every order ends paid and fulfilled once, or undone.
#[derive(Debug, Parser)]
#[command(name = "makegood", version, styles = STYLES, after_help = EXIT_CODES)]
#[command(propagate_version = true, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the HTTP API: it places, signals and reads; it never runs a step.
    Api(ApiArgs),
    /// Run the steps of the checkouts: claim what is due, until told to end.
    Worker(Box<WorkerArgs>),
    /// Serve a payment gateway that moves no money, for development and tests.
    GatewaySandbox(SandboxArgs),
    /// Bring the cell's tables up to date, or show where they stand.
    Migrate(MigrateArgs),
    /// List, show, follow and mend runs.
    Runs(Box<RunsArgs>),
    /// Show what needs a person, the alike ones together.
    Incidents(IncidentsArgs),
    /// Show the workers and what they hold.
    Workers(WorkersArgs),
    /// Show the queues, limit, pause and resume them.
    Queues(QueuesArgs),
    /// Show the schedules, pause, resume and trigger them.
    Schedules(SchedulesArgs),
    /// Show what the books say.
    Ledger(LedgerArgs),
    /// Say who may sign in to the console.
    Operators(OperatorsArgs),
    /// Check every promise of the engine and of the shop; exit 1 if one is broken.
    Audit(AuditArgs),
    /// Compare the books with the gateway now, or show what comparisons found; exit 1 if something
    /// is left for a person.
    Reconcile(ReconcileArgs),
    /// Replay every live run against this binary, before it is deployed; exit 1 if one does not fit.
    ReplayCheck(ReplayCheckArgs),
    /// Check the surroundings and say what to do about each fault; exit 1 if one is fatal.
    Doctor(DoctorArgs),
    /// Drive a crowd of checkouts through crashes and faults, on this machine alone.
    Demo(DemoArgs),
    /// Attack every process and connection under load, on this machine alone, then audit.
    Chaos(ChaosArgs),
    /// Run every part on this machine, with goods to buy, until Ctrl-C.
    Dev(DevArgs),
    /// Measure speed, latency and cost, beside what PostgreSQL itself can do on this machine.
    Bench(BenchArgs),
    /// Write the completions of a shell, for it to read.
    Completions(CompletionsArgs),
    /// Write the manual's pages.
    Man(ManArgs),
    /// Drive the programs that `bench` measures.
    #[command(hide = true)]
    BenchWorker(BenchWorkerArgs),
}

/// Where the tables are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DatabaseArgs {
    /// PostgreSQL 15 to 18, such as `postgres://user@host:5432/shop`; required.
    #[arg(long, global = true, env = "MAKEGOOD_DATABASE_URL", hide_env_values = true)]
    #[arg(value_name = "URL")]
    pub(crate) database_url: Option<SecretString>,
    /// The schema that holds every table of one deployment: a lower-case letter, then up to 40
    /// lower-case letters, digits and _.
    #[arg(long, global = true, env = "MAKEGOOD_CELL", value_name = "NAME")]
    #[arg(default_value = "makegood")]
    pub(crate) cell: String,
    #[command(flatten)]
    pub(crate) surroundings: SurroundingsArgs,
}

/// What every command knows.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SurroundingsArgs {
    /// development, test or production. Production takes live gateway keys only, the others test
    /// keys only; test admits placeholder secrets.
    #[arg(long, global = true, env = "MAKEGOOD_PROFILE", value_name = "PROFILE")]
    #[arg(default_value = "development", help_heading = "Surroundings")]
    pub(crate) profile: String,
    /// What is logged: off, error, warn, info, debug or trace, also by target, such as
    /// info,makegood=debug [default: info for servers, warn for other commands].
    #[arg(long, global = true, env = "MAKEGOOD_LOG", value_name = "FILTER")]
    #[arg(help_heading = "Surroundings")]
    pub(crate) log: Option<String>,
    /// text or json [default: json in production, text otherwise].
    #[arg(long, global = true, env = "MAKEGOOD_LOG_FORMAT", value_name = "FORMAT")]
    #[arg(help_heading = "Surroundings")]
    pub(crate) log_format: Option<String>,
}

/// How a server ends.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ProcessArgs {
    /// End when stdin reaches its end, so that this process never outlives the one that started it.
    #[arg(long, hide = true)]
    pub(crate) exit_with_parent: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_variable_is_named_after_its_flag() {
        let command = Args::command();
        for verb in command.get_subcommands() {
            for arg in verb.get_arguments() {
                let Some(env) = arg.get_env() else { continue };
                let flag = arg.get_long().unwrap().replace('-', "_").to_uppercase();
                assert_eq!(env.to_str().unwrap(), format!("MAKEGOOD_{flag}"), "one rule for names");
            }
        }
    }
}

#[cfg(test)]
mod documents;
