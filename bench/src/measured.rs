//! What a measurement came to, and the report that is made of it.
//!
//! A figure is `null` where the work cannot give it: see `docs/benchmarks.md`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;

use crate::figures::{Percentiles, Rate, each, ms_each, times};
use crate::meter::{Costs, commits};
use crate::{Error, Site, raw_rates};

/// How long sessions that were told to end may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// What is read before the first worker starts.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    insert: Rate,
    commits: u64,
}

impl Opening {
    /// Measures the server's own rate, and reads where its counts stand.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take(site: &Site) -> Result<Self, Error> {
        let insert = raw_rates::inserts(site).await?;
        alone(&site.pool).await?;
        Ok(Self { insert, commits: commits(&site.pool).await? })
    }
}

/// What a measurement came to.
#[derive(Debug)]
pub struct Measured {
    pub(crate) work: &'static str,
    /// Those that were measured.
    pub(crate) runs: u64,
    /// Those of the warm-up as well.
    pub(crate) runs_in_all: u64,
    pub(crate) steps_per_run: u64,
    pub(crate) latency: Option<Percentiles>,
    pub(crate) costs: Costs,
    /// Figures that only this work has.
    pub(crate) particular: BTreeMap<&'static str, Value>,
}

/// What the load was and where it ran.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// The command, such as `engine`.
    pub command: &'static str,
    /// Runs in flight, if the load is a closed loop.
    pub concurrency: Option<u32>,
    /// Worker processes.
    pub workers: u32,
    /// The processors of this machine.
    pub processors: usize,
    /// What each commit waits before its flush.
    pub commit_delay_ms: u32,
    /// `private` or `given`.
    pub database: &'static str,
    /// The source that this program was built from, if that can be told.
    pub commit: Option<String>,
    /// Whether it was built for speed.
    pub release: bool,
    /// The version of Makegood.
    pub version: &'static str,
}

/// Every figure of one measurement, as it is printed.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was driven.
    pub work: &'static str,
    /// Runs measured.
    pub runs: u64,
    /// How long they took.
    pub elapsed_s: f64,
    /// Runs a second.
    pub runs_per_s: Option<f64>,
    /// Steps a second.
    pub steps_per_s: Option<f64>,
    /// The server's own rate.
    pub insert_commits_per_s: f64,
    /// Steps a second, as a multiple of it.
    pub steps_per_insert_commit: Option<f64>,
    /// Runs a second, as a multiple of it.
    pub runs_per_insert_commit: Option<f64>,
    /// Commits for each run: every one of the database, polls and workers' starts included.
    pub commits_per_run: Option<f64>,
    /// Statements for each run, `begin` and `commit` included.
    pub statements_per_run: Option<f64>,
    /// Bytes of the server's log for each run.
    pub wal_bytes_per_run: Option<f64>,
    /// From the start of a run until the starter saw its end.
    pub latency_ms: Option<Percentiles>,
    /// Processor time of all workers.
    pub worker_cpu_ms_per_run: Option<f64>,
    /// Processor time of the starting process.
    pub starter_cpu_ms_per_run: Option<f64>,
    /// Processor time of the server.
    pub database_cpu_ms_per_run: Option<f64>,
    /// The most memory that a worker had resident, since its start.
    pub worker_peak_rss_mib: Option<f64>,
    /// Figures that only this work has.
    #[serde(flatten)]
    pub particular: BTreeMap<&'static str, Value>,
    /// What the load was and where it ran.
    pub settings: Settings,
    /// The server's version.
    pub postgresql: String,
}

impl Measured {
    /// Puts the figures in order. Call it when the workers have ended: only then are the server's
    /// counts of commits whole.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn report(
        self,
        site: &Site,
        opening: Opening,
        settings: Settings,
    ) -> Result<Report, Error> {
        alone(&site.pool).await?;
        let commits = commits(&site.pool).await?.saturating_sub(opening.commits);
        let Self { work, runs, runs_in_all, steps_per_run, latency, costs, particular } = self;
        let insert = opening.insert.per_s();
        let per_s = |count: u64| Rate { count, elapsed: costs.elapsed }.per_s();
        let has_runs = runs > 0;
        let of_runs = |count: Option<u64>| count.filter(|_| has_runs).map(|of| each(of, runs));
        let cpu = |time: Option<Duration>| time.filter(|_| has_runs).map(|of| ms_each(of, runs));
        let steps = runs.saturating_mul(steps_per_run);
        let has_steps = steps > 0;
        Ok(Report {
            work,
            runs,
            elapsed_s: ms_each(costs.elapsed, 1_000),
            runs_per_s: has_runs.then(|| per_s(runs)),
            steps_per_s: has_steps.then(|| per_s(steps)),
            insert_commits_per_s: insert,
            steps_per_insert_commit: has_steps.then(|| times(per_s(steps), insert)),
            runs_per_insert_commit: has_runs.then(|| times(per_s(runs), insert)),
            commits_per_run: has_runs.then(|| each(commits, runs_in_all)),
            statements_per_run: of_runs(costs.statements),
            wal_bytes_per_run: of_runs(costs.wal_bytes),
            latency_ms: latency,
            worker_cpu_ms_per_run: cpu(costs.worker_cpu),
            starter_cpu_ms_per_run: cpu(costs.starter_cpu),
            database_cpu_ms_per_run: cpu(costs.database_cpu),
            worker_peak_rss_mib: costs.worker_peak_kib.map(|kib| each(kib, 1_024)),
            particular,
            settings,
            postgresql: site.server_version.clone(),
        })
    }
}

/// Waits until the sessions of starters and workers have ended, and handed their counts in.
async fn alone(pool: &PgPool) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        let others: bool = sqlx::query_scalar(
            "select exists (
               select 1
               from pg_stat_activity
               where datname = current_database()
                 and application_name like 'makegood%'
                 and application_name <> current_setting('application_name')
             )",
        )
        .fetch_one(pool)
        .await?;
        if !others || begun.elapsed() > FAREWELL {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
