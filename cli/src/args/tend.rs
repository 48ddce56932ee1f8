//! The arguments of the commands that look after everything around the runs: `incidents`,
//! `workers`, `queues` and `schedules`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::operate::OutputArgs;
use super::span::span;
use super::{DeskArgs, SignedArgs};

#[derive(Debug, Clone, Args)]
pub(crate) struct IncidentsArgs {
    #[command(flatten)]
    pub(crate) desk: DeskArgs,
    #[command(subcommand)]
    pub(crate) verb: IncidentsVerb,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum IncidentsVerb {
    /// List what is open, the alike ones together, the most frequent first.
    List {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show alike incidents: what happened, what helps, and which runs have one open.
    Show {
        /// Their fingerprint, as `incidents list` shows it, or its beginning.
        fingerprint: String,
        /// How many runs at most, 1 to 500.
        #[arg(long, value_name = "RUNS", default_value_t = 20)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
        #[command(flatten)]
        output: OutputArgs,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WorkersArgs {
    #[command(flatten)]
    pub(crate) desk: DeskArgs,
    #[command(subcommand)]
    pub(crate) verb: WorkersVerb,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum WorkersVerb {
    /// List the workers of the last day: who lives, who is silent, and what each holds.
    List {
        #[command(flatten)]
        output: OutputArgs,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct QueuesArgs {
    #[command(flatten)]
    pub(crate) desk: DeskArgs,
    #[command(subcommand)]
    pub(crate) verb: QueuesVerb,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum QueuesVerb {
    /// List the queues: their limits, and how many runs are where.
    List {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Set limits of a queue, over all workers; those that are not named stay.
    Set {
        /// The queue.
        queue: String,
        #[command(flatten)]
        limits: LimitArgs,
        #[command(flatten)]
        signed: SignedArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Let no worker claim from a queue; what is in memory goes on until it waits or ends.
    Pause(NamedArgs),
    /// Let workers claim from a paused queue again.
    Resume(NamedArgs),
}

/// Limits of a queue; at least one of these.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct LimitArgs {
    /// How many runs may be in workers' memory at once.
    #[arg(long, value_name = "RUNS", conflicts_with = "no_concurrency")]
    pub(crate) concurrency: Option<u32>,
    /// As many as there is room for.
    #[arg(long)]
    pub(crate) no_concurrency: bool,
    /// How many runs may begin in a period, such as `100/1m`.
    #[arg(long, value_name = "RUNS/SPAN", value_parser = rate, conflicts_with = "no_rate")]
    pub(crate) rate: Option<(u32, Duration)>,
    /// As many as come.
    #[arg(long)]
    pub(crate) no_rate: bool,
}

/// A queue or a schedule, and who changes it and why.
#[derive(Debug, Clone, Args)]
pub(crate) struct NamedArgs {
    /// Its name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) signed: SignedArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SchedulesArgs {
    #[command(flatten)]
    pub(crate) desk: DeskArgs,
    #[command(subcommand)]
    pub(crate) verb: SchedulesVerb,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SchedulesVerb {
    /// List the schedules: when each fires next, and what came of it last.
    List {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show one schedule: its next firings, its latest run, and what operators did to it.
    Show {
        /// Its name.
        name: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Let a schedule rest; runs that it has started go on.
    Pause(NamedArgs),
    /// Let a paused schedule fire again, from its next firing on.
    Resume(NamedArgs),
    /// Start a run of a schedule now, paused or not; its firings to come stay as they are.
    Trigger(NamedArgs),
}

/// A rate as it is typed.
fn rate(text: &str) -> Result<(u32, Duration), String> {
    let parts = text.split_once('/').and_then(|(runs, per)| Some((runs.parse().ok()?, per)));
    let (runs, per) = parts.ok_or("write it as RUNS/SPAN, such as 100/1m")?;
    Ok((runs, span(per)?))
}
