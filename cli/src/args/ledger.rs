//! The arguments of `ledger`.

use clap::{Args, Subcommand};

use super::DatabaseArgs;
use super::operate::OutputArgs;

#[derive(Debug, Clone, Args)]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(subcommand)]
    pub(crate) verb: LedgerVerb,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LedgerVerb {
    /// Show what stands in each account; exit 1 if debits and credits differ.
    TrialBalance {
        #[command(flatten)]
        output: OutputArgs,
    },
}
