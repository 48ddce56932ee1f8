//! The arguments of `makegood runs`: what lists, shows and follows runs. What mends them is in
//! `mend` and `bulk`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::bulk::attribute;
use super::operate::OutputArgs;
use super::span::span;
use super::{BulkVerb, DatabaseArgs, MendVerb};

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
    List(ListArgs),
    /// Show one run: its steps, its open incident, what happens next, and what may be done.
    Show {
        /// The run's id, or the workflow id that it was started with, or a part of that between
        /// colons.
        id: String,
        /// Values whole, however long; off a terminal they always are.
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Follow one run until it ends: exit 0 when it reaches its goal, 1 when it ends otherwise.
    Watch {
        /// As for `show`.
        id: String,
        #[command(flatten)]
        pace: PaceArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    #[command(flatten)]
    Mend(MendVerb),
    #[command(flatten)]
    Bulk(BulkVerb),
}

/// Which runs are listed.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Only runs in this state.
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) state: Option<RunState>,
    /// Only runs of this workflow, such as checkout.
    #[arg(long, value_name = "NAME")]
    pub(crate) workflow: Option<String>,
    /// Only runs started with this attribute, such as `customer=81`; several may be given.
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute)]
    pub(crate) attribute: Vec<(String, String)>,
    /// How many at most, 1 to 10000.
    #[arg(long, value_name = "RUNS", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(i64).range(1..=10_000))]
    pub(crate) limit: i64,
    /// Look again and again, until Ctrl-C: the list anew on a terminal, a line for each change
    /// otherwise.
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// How often it is looked.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct PaceArgs {
    /// How long between two looks, such as `500ms`, `2s` or `1m`.
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = span)]
    pub(crate) every: Duration,
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
