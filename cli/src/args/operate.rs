//! The arguments of the commands that look after a cell: `migrate`, `audit`, `replay-check` and
//! `doctor`.

use clap::{Args, Subcommand};

use super::{DatabaseArgs, GatewayKeyArgs};
use crate::output::Format;

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Only the engine's tables, none of the shop's: for a program with workflows and tables of
    /// its own in the same schema.
    #[arg(long)]
    pub(crate) engine_only: bool,
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
