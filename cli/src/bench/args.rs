//! What a measurement is told on the command line.

use clap::{Args, Subcommand, ValueEnum, value_parser};
use makegood_bench::Work;
use secrecy::SecretString;

use crate::args::{DatabaseArgs, ProcessArgs};
use crate::demo::secret;

/// Measure speed, latency and cost, beside what PostgreSQL itself can do on this machine.
///
/// Each measurement has a cell of its own, on a private PostgreSQL with durable commits unless
/// another is given, and workers that are processes of their own. What comes of the work is checked
/// before its figures are shown. Figures are worth something only on a quiet machine and with a
/// release build.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) load: LoadArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LoadArgs {
    /// Throughput: a closed loop of runs whose steps do nothing, durably.
    Engine(EngineArgs),
    /// Latency from start to end: an open loop at an even pace.
    Latency(LatencyArgs),
    /// What idle workers ask of the database.
    Idle(IdleArgs),
    /// Very many buyers of one product, beside sales by an update of its row.
    FlashSale(FlashSaleArgs),
    /// Very many timers due in one moment: none early, and how late is the last?
    Timers(TimersArgs),
    /// What very many waiting runs cost a worker and those that are fresh.
    Waiting(WaitingArgs),
    /// A worker is killed in the middle of its calls: when do its runs move again?
    Recovery(RecoveryArgs),
    /// The shop's own checkout over HTTP: placed, paid, verified, settled.
    Checkout(CheckoutArgs),
    /// The console's pages over very many runs: how long does each take?
    Console(ConsoleArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct EngineArgs {
    /// What each run is.
    #[arg(long, value_enum, default_value_t = WorkArg::Steps4)]
    pub(crate) work: WorkArg,
    /// Runs to measure, 1 to 10000000.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    #[arg(value_parser = value_parser!(u64).range(1..=10_000_000))]
    pub(crate) runs: u64,
    /// Runs in flight at once, 1 to 65536.
    #[arg(long, value_name = "N", default_value_t = 1_024)]
    #[arg(value_parser = value_parser!(u32).range(1..=65_536))]
    pub(crate) concurrency: u32,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LatencyArgs {
    /// What each run is.
    #[arg(long, value_enum, default_value_t = WorkArg::Steps4)]
    pub(crate) work: WorkArg,
    /// Runs to measure, 1 to 1000000.
    #[arg(long, value_name = "N", default_value_t = 300)]
    #[arg(value_parser = value_parser!(u64).range(1..=1_000_000))]
    pub(crate) runs: u64,
    /// Starts a second, 1 to 10000.
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) rate: u32,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct IdleArgs {
    /// How long to look, in seconds, 1 to 3600.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FlashSaleArgs {
    /// Buyers of one unit each, 1 to 1000000.
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    #[arg(value_parser = value_parser!(u64).range(1..=1_000_000))]
    pub(crate) runs: u64,
    /// Units in stock, 1 to 1000000.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = value_parser!(u64).range(1..=1_000_000))]
    pub(crate) units: u64,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TimersArgs {
    /// Timers, 1 to 1000000.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    #[arg(value_parser = value_parser!(u64).range(1..=1_000_000))]
    pub(crate) runs: u64,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WaitingArgs {
    /// Runs that wait, 1 to 10000000; a million takes 2 GB of disk.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    #[arg(value_parser = value_parser!(u64).range(1..=10_000_000))]
    pub(crate) runs: u64,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RecoveryArgs {
    /// Runs that the worker holds when it is killed, 1 to 2000.
    #[arg(long, value_name = "N", default_value_t = 500)]
    #[arg(value_parser = value_parser!(u64).range(1..=2_000))]
    pub(crate) runs: u64,
    /// How long a silent worker keeps its runs, in seconds, 1 to 300.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    #[arg(value_parser = value_parser!(u32).range(1..=300))]
    pub(crate) lease: u32,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CheckoutArgs {
    /// Checkouts to measure, 1 to 100000.
    #[arg(long, value_name = "N", default_value_t = 500)]
    #[arg(value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) runs: u32,
    /// Customers in the shop at once, 1 to 512.
    #[arg(long, value_name = "N", default_value_t = 32)]
    #[arg(value_parser = value_parser!(u32).range(1..=512))]
    pub(crate) concurrency: u32,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ConsoleArgs {
    /// Runs in the tables, 1000 to 10000000; a million takes 3 GB of disk.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    #[arg(value_parser = value_parser!(u64).range(1_000..=10_000_000))]
    pub(crate) runs: u64,
    /// Requests of each page, 1 to 10000.
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) requests: u32,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

/// The programs, by the names that people give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WorkArg {
    /// Four outside steps.
    Steps4,
    /// Three outside steps, a signal, one outside step.
    Checkout,
}

impl From<WorkArg> for Work {
    fn from(arg: WorkArg) -> Self {
        match arg {
            WorkArg::Steps4 => Self::Steps4,
            WorkArg::Checkout => Self::CheckoutShaped,
        }
    }
}

/// Where it is measured and how it is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct SiteArgs {
    /// Worker processes, 1 to 16.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u32).range(1..=16))]
    pub(crate) workers: u32,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// What each commit of the private server waits before its flush, in milliseconds, 0 to 100: as
    /// on a slow disk.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    #[arg(value_parser = value_parser!(u32).range(0..=100), conflicts_with = "database_url")]
    pub(crate) commit_delay: u32,
    /// Use this PostgreSQL, in a cell of its own that is dropped at the end, instead of a private
    /// one.
    #[arg(long, env = "MAKEGOOD_DATABASE_URL", hide_env_values = true)]
    #[arg(value_name = "URL", value_parser = secret)]
    pub(crate) database_url: Option<SecretString>,
}

impl LoadArgs {
    /// Its name on the command line.
    pub(crate) fn command(&self) -> &'static str {
        match self {
            Self::Engine(_) => "engine",
            Self::Latency(_) => "latency",
            Self::Idle(_) => "idle",
            Self::FlashSale(_) => "flash-sale",
            Self::Timers(_) => "timers",
            Self::Waiting(_) => "waiting",
            Self::Recovery(_) => "recovery",
            Self::Checkout(_) => "checkout",
            Self::Console(_) => "console",
        }
    }

    /// What all of them are told.
    pub(crate) fn site(&self) -> &SiteArgs {
        match self {
            Self::Engine(args) => &args.site,
            Self::Latency(args) => &args.site,
            Self::Idle(args) => &args.site,
            Self::FlashSale(args) => &args.site,
            Self::Timers(args) => &args.site,
            Self::Waiting(args) => &args.site,
            Self::Recovery(args) => &args.site,
            Self::Checkout(args) => &args.site,
            Self::Console(args) => &args.site,
        }
    }

    /// How many are in flight at once, if that is set.
    pub(crate) fn concurrency(&self) -> Option<u32> {
        match self {
            Self::Engine(args) => Some(args.concurrency),
            Self::Checkout(args) => Some(args.concurrency),
            Self::Latency(_)
            | Self::Idle(_)
            | Self::FlashSale(_)
            | Self::Timers(_)
            | Self::Waiting(_)
            | Self::Recovery(_)
            | Self::Console(_) => None,
        }
    }
}

/// What a worker of a measurement is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchWorkerArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// How a person recognizes this worker.
    #[arg(long, env = "MAKEGOOD_WORKER_NAME", default_value = "bench-worker")]
    pub(crate) worker_name: String,
    /// How long a silent worker keeps its runs, in seconds, 1 to 300.
    #[arg(long, env = "MAKEGOOD_LEASE_SECS", default_value_t = 15)]
    #[arg(value_parser = value_parser!(u32).range(1..=300))]
    pub(crate) lease_secs: u32,
    /// How long calls take that are meant to take long, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub(crate) slow_ms: u64,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}
