//! The arguments of `makegood reconcile`.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::DatabaseArgs;
use super::operate::OutputArgs;

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ReconcileArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(subcommand)]
    pub(crate) verb: Option<ReconcileVerb>,
    #[command(flatten)]
    pub(crate) now: NowArgs,
}

/// A comparison now.
#[derive(Debug, Clone, Args)]
pub(crate) struct NowArgs {
    /// Compare what the gateway paid out in the last days with the ledger instead.
    #[arg(long)]
    pub(crate) payouts: bool,
    /// Ask only about unpaid payments that are at least so many seconds old.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) age_secs: u32,
    /// How long to wait for a worker to do it, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) wait_secs: u32,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ReconcileVerb {
    /// List the latest comparisons, the newest first.
    Reports {
        /// How many at most, 1 to 10000.
        #[arg(long, value_name = "REPORTS", default_value_t = 20)]
        #[arg(value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show what one comparison found.
    Show {
        /// The report's id.
        report: Uuid,
        #[command(flatten)]
        output: OutputArgs,
    },
}
