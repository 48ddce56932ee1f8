//! The arguments of the verbs that mend many runs at once.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::operate::OutputArgs;
use super::{RunState, SignedArgs};

/// What an operator does to many runs.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BulkVerb {
    /// Do the same to every run that matches: shows how many first, then asks.
    Bulk(BulkArgs),
    /// Go on with a bulk action whose process died.
    BulkResume {
        /// The bulk action's id.
        bulk_id: Uuid,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Stop a bulk action; runs whose turn has not come are left as they are.
    BulkCancel {
        /// The bulk action's id.
        bulk_id: Uuid,
        #[command(flatten)]
        signed: SignedArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show how far a bulk action is, what was refused, and whether it helped.
    BulkShow {
        /// The bulk action's id.
        bulk_id: Uuid,
        #[command(flatten)]
        output: OutputArgs,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BulkArgs {
    /// What is done to each.
    #[arg(value_enum)]
    pub(crate) verb: SimpleVerb,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) signed: SignedArgs,
    /// How many runs a second, 1 to 1000.
    #[arg(long, value_name = "RUNS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rate: u32,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Which runs; at least one of these.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct SelectionArgs {
    /// Only runs of this workflow, such as checkout.
    #[arg(long, value_name = "NAME")]
    pub(crate) workflow: Option<String>,
    /// Only runs in this state; several may be given.
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) state: Vec<RunState>,
    /// Only runs with an open incident of this class, such as `retries_used_up`.
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// Only runs whose open incident has this fingerprint; `incidents list` shows them.
    #[arg(long, value_name = "HEX")]
    pub(crate) fingerprint: Option<String>,
    /// Only runs started at this time or later, such as `2026-01-31T12:00:00Z`.
    #[arg(long, value_name = "TIME")]
    pub(crate) started_from: Option<DateTime<Utc>>,
    /// Only runs started before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) started_before: Option<DateTime<Utc>>,
    /// Only runs started with this attribute, such as `customer=81`; several may be given.
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute)]
    pub(crate) attribute: Vec<(String, String)>,
    /// Only these runs, by their ids, with commas between.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) ids: Vec<Uuid>,
}

/// An attribute as it is typed.
pub(super) fn attribute(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The verbs that need nothing but a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SimpleVerb {
    Retry,
    ResumeForward,
    Compensate,
    Cancel,
    Terminate,
    Pause,
    Resume,
    Close,
}
