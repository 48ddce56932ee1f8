//! What chaos is told on the command line, and what a tier stands for.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, value_parser};
use serde::Serialize;

/// Drive checkouts while every process and every connection is attacked, then audit what is left.
///
/// Starts a private PostgreSQL, two API processes, the workers and the gateway sandbox on this
/// machine, with a proxy between each pair. Processes are killed and frozen, the database crashes,
/// connections are cut, slowed, silenced and left half open, every part is replaced by a deployment
/// in the middle, and the gateway has all of its faults. Customers write down what they were told.
/// Afterwards every promise is audited and every answer looked up. Exits 0 only if all held.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChaosArgs {
    /// How much of it: the number of sagas, the time and the number of runs, where the options
    /// below do not say otherwise.
    #[arg(long, value_enum, value_name = "TIER", default_value_t = Tier::Quick)]
    pub(crate) tier: Tier,

    /// Checkouts in each run, 10 to 100000.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(10..=100_000))]
    pub(crate) sagas: Option<u32>,

    /// Decides what each customer does, which faults the gateway has, and which blow comes when. A
    /// second run has the next one.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Over how many minutes the customers of a run come at least, 0 to 600; 0: as fast as they can.
    #[arg(long, value_name = "M", value_parser = value_parser!(u32).range(0..=600))]
    pub(crate) minutes: Option<u32>,

    /// Runs one after the other, each in a new database, 1 to 1000.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) runs: Option<u32>,

    /// Worker processes, 2 to 16: somebody must be there to take over.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(2..=16))]
    pub(crate) workers: u32,

    /// Customers in the shop at once, 1 to 512.
    #[arg(long, value_name = "N", default_value_t = 192, value_parser = value_parser!(u32).range(1..=512))]
    pub(crate) concurrency: u32,

    /// Write the figures and the coverage to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Begin with this program, an earlier `makegood`, and let the deployment in the middle bring
    /// the present one: an upgrade with runs in flight. Without it the same program comes again.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) upgrade_from: Option<PathBuf>,
}

/// How much chaos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tier {
    /// 1,000 checkouts, over a minute at least.
    Quick,
    /// 25,000 checkouts in five runs.
    Nightly,
    /// 100,000 checkouts in twenty runs.
    Release,
}

/// One run of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) sagas: u32,
    pub(crate) minutes: u32,
    pub(crate) runs: u32,
}

impl ChaosArgs {
    /// What the tier and the options come to.
    pub(crate) fn extent(&self) -> Extent {
        let (sagas, minutes, runs) = match self.tier {
            Tier::Quick => (1_000, 1, 1),
            Tier::Nightly => (5_000, 4, 5),
            Tier::Release => (5_000, 4, 20),
        };
        Extent {
            sagas: self.sagas.unwrap_or(sagas),
            minutes: self.minutes.unwrap_or(minutes),
            runs: self.runs.unwrap_or(runs),
        }
    }

    /// The command that does the run with this seed again.
    pub(crate) fn replay(&self, seed: u64) -> String {
        let Extent { sagas, minutes, .. } = self.extent();
        let Self { workers, concurrency, .. } = self;
        let from = self.upgrade_from.as_ref();
        let from = from.map(|program| format!(" --upgrade-from {}", program.display()));
        format!(
            "makegood chaos --seed {seed} --sagas {sagas} --minutes {minutes} --workers {workers} \
             --concurrency {concurrency}{}",
            from.unwrap_or_default()
        )
    }
}

impl Extent {
    /// The least time between two customers.
    pub(crate) fn pace(self) -> Duration {
        let whole = Duration::from_secs(u64::from(self.minutes).saturating_mul(60));
        whole.checked_div(self.sagas).unwrap_or_default()
    }
}
