//! The arguments of `makegood runs`: what lists, shows and follows runs. What mends them is in
//! `mend` and `bulk`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::bulk::attribute;
use super::operate::OutputArgs;
use super::span::span;
use super::{BulkVerb, DeskArgs, MendVerb};

#[derive(Debug, Clone, Args)]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    pub(crate) desk: DeskArgs,
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

/// Which runs are listed. Values of one flag widen each other, flags narrow the list.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) narrow: NarrowArgs,
    /// Which come first: those started last (-started) or first (started).
    #[arg(long, value_name = "ORDER", default_value = "-started", allow_hyphen_values = true)]
    #[arg(value_parser = ["-started", "started"])]
    pub(crate) sort: String,
    /// How many at most, 1 to 10000.
    #[arg(long, value_name = "RUNS", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Go on behind this run, the last one of the list before.
    #[arg(long, value_name = "RUN")]
    pub(crate) after: Option<Uuid>,
    /// Look again and again, until Ctrl-C: the list anew on a terminal, a line for each change
    /// otherwise.
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What narrows a list of runs: the words of the console's address.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which runs")]
pub(crate) struct NarrowArgs {
    /// In this state, or in one of these.
    #[arg(long, value_enum, ignore_case = true, value_delimiter = ',')]
    pub(crate) state: Vec<ShownState>,
    /// In none of these states.
    #[arg(long, value_enum, ignore_case = true, value_delimiter = ',')]
    pub(crate) not_state: Vec<ShownState>,
    /// Of this workflow, such as checkout.
    #[arg(long, value_name = "NAME")]
    pub(crate) workflow: Vec<String>,
    /// Of this tenant; short for `--attribute tenant=...`.
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Vec<String>,
    /// Started with this attribute, such as `customer=81`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute)]
    pub(crate) attribute: Vec<(String, String)>,
    /// With a workflow id that is this or begins with it, such as `checkout:` and an order's
    /// number; or the run of this id.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Vec<String>,
    /// With an open incident of this class, such as `retries_used_up`.
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Vec<String>,
    /// With an open incident of this group; `incidents list` shows them.
    #[arg(long, value_name = "HEX")]
    pub(crate) fingerprint: Vec<String>,
    /// With this text in the open incident, or in the cause of being made good.
    #[arg(long, value_name = "TEXT")]
    pub(crate) error: Vec<String>,
    /// Live, and without progress for so long, such as `10m`.
    #[arg(long, value_name = "SPAN")]
    pub(crate) quiet_for: Option<String>,
    /// Started then or later: `2h` ago, or a time such as `2026-01-31T12:00:00Z`.
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// Started before.
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<String>,
    /// Ended then or later.
    #[arg(long, value_name = "WHEN")]
    pub(crate) ended_since: Option<String>,
    /// Ended before.
    #[arg(long, value_name = "WHEN")]
    pub(crate) ended_until: Option<String>,
    /// None of which this is true, in the words above: `workflow=refund`, `tenant=grocery`,
    /// `error=timeout`.
    #[arg(long, value_name = "WORD=VALUE", value_parser = attribute)]
    pub(crate) not: Vec<(String, String)>,
}

/// A state as a list tells it: one of the eight, or what several have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "kebab-case")]
pub(crate) enum ShownState {
    Running,
    Waiting,
    Compensating,
    Stuck,
    Paused,
    Completed,
    Compensated,
    Closed,
    /// A step of it failed, and is tried again.
    Retrying,
    /// Stuck or paused.
    #[value(alias = "needs_attention")]
    NeedsAttention,
    /// Not ended.
    Live,
    Ended,
}

impl ShownState {
    /// The filter's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Waiting => "WAITING",
            Self::Compensating => "COMPENSATING",
            Self::Stuck => "STUCK",
            Self::Paused => "PAUSED",
            Self::Completed => "COMPLETED",
            Self::Compensated => "COMPENSATED",
            Self::Closed => "CLOSED",
            Self::Retrying => "RETRYING",
            Self::NeedsAttention => "NEEDS_ATTENTION",
            Self::Live => "LIVE",
            Self::Ended => "ENDED",
        }
    }
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
