//! The arguments of the commands for operators: `migrate`, `runs`, `audit`, `replay-check` and
//! `doctor`.

use clap::{Args, Subcommand, ValueEnum};

use super::{BulkVerb, DatabaseArgs, GatewayKeyArgs, MendVerb};
use crate::output::Format;

#[derive(Debug, Clone, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(subcommand)]
    pub(crate) verb: Option<MigrateVerb>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum MigrateVerb {
    /// Show which files are applied, and change nothing; exit 1 if an applied one was changed.
    Status {
        #[command(flatten)]
        output: OutputArgs,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(subcommand)]
    pub(crate) verb: RunsVerb,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum RunsVerb {
    /// List runs, the newest first.
    List {
        /// Only runs in this state.
        #[arg(long, value_enum, ignore_case = true)]
        state: Option<RunState>,
        /// Only runs of this workflow, such as checkout.
        #[arg(long, value_name = "NAME")]
        workflow: Option<String>,
        /// Only runs started with this attribute, such as `customer=81`; several may be given.
        #[arg(long, value_name = "NAME=VALUE", value_parser = super::bulk::attribute)]
        attribute: Vec<(String, String)>,
        /// How many at most, 1 to 10000.
        #[arg(long, value_name = "RUNS", default_value_t = 50)]
        #[arg(value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show one run: its steps, its open incident, and what happens next.
    Show {
        /// The run's id, or the workflow id that it was started with, or a part of that between
        /// colons.
        id: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Open incidents, the alike ones together, the most frequent first.
    Incidents {
        #[command(flatten)]
        output: OutputArgs,
    },
    #[command(flatten)]
    Mend(MendVerb),
    #[command(flatten)]
    Bulk(BulkVerb),
}

/// The states of a run, as the tables spell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum RunState {
    Running,
    Waiting,
    Compensating,
    Completed,
    Compensated,
    Stuck,
    Paused,
    Closed,
}

impl RunState {
    pub(crate) fn as_str(self) -> &'static str {
        self.engine().as_str()
    }

    /// The engine's word for it.
    pub(crate) fn engine(self) -> makegood::RunState {
        match self {
            Self::Running => makegood::RunState::Running,
            Self::Waiting => makegood::RunState::Waiting,
            Self::Compensating => makegood::RunState::Compensating,
            Self::Completed => makegood::RunState::Completed,
            Self::Compensated => makegood::RunState::Compensated,
            Self::Stuck => makegood::RunState::Stuck,
            Self::Paused => makegood::RunState::Paused,
            Self::Closed => makegood::RunState::Closed,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReplayCheckArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// The payment gateway to reach; not asked when missing.
    #[arg(long, env = "MAKEGOOD_GATEWAY_URL", value_name = "URL")]
    pub(crate) gateway_url: Option<String>,
    #[command(flatten)]
    pub(crate) gateway: GatewayKeyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// How the answer is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// How the answer is shown.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,
}
