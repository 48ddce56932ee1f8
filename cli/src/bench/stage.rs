//! The stage of a measurement: a database, a cell of its own in it, and workers.

use std::{env, process::Stdio};

use anyhow::Context;
use devpg::Options;
use makegood::Database;
use makegood_bench::Site;
use migrations::Cell;
use secrecy::ExposeSecret;
use tokio::process::Command;

use crate::demo::{
    child::{Child, Settings},
    parts::{Parts, Store},
    progress::{Step, say},
};

use super::args::LoadArgs;

/// What a server for measurements may cache: everything.
const SHARED_BUFFERS_MIB: u32 = 1_024;

/// Starts PostgreSQL, if none is given, and migrates a cell.
pub(super) async fn set(load: &LoadArgs, parts: &mut Parts) -> anyhow::Result<Site> {
    let url = database_url(load, parts).await?;
    let step = Step::begin("migrating a fresh cell");
    let cell = Cell::new(&format!("bench_{:08x}", rand::random::<u32>()))?;
    let database = Database::new(&url, cell.name())?;
    let store = parts.store.insert(Store::connect(&url, cell).await?);
    store.migrate().await?;
    if parts.cluster.is_some() {
        // Where it is missing, statements are not counted.
        let extension = "create extension if not exists pg_stat_statements schema public";
        sqlx::query(extension).execute(&store.pool).await.ok();
    }
    step.done(&format!("cell {} migrated", store.cell()));
    Ok(Site::survey(database, store.pool.clone()).await?)
}

async fn database_url(load: &LoadArgs, parts: &mut Parts) -> anyhow::Result<String> {
    if let Some(url) = &load.site().database_url {
        return Ok(url.expose_secret().to_owned());
    }
    let step = Step::begin("starting PostgreSQL");
    let mut options = Options {
        shared_buffers_mib: SHARED_BUFFERS_MIB,
        max_connections: 300,
        ..Options::durable().counting_statements()
    };
    let delay_ms = load.site().commit_delay;
    if delay_ms > 0 {
        // Whoever flushes waits, even if nobody else is in a transaction.
        options = options.setting("commit_siblings", "0");
        options = options.setting("commit_delay", format!("{}", delay_ms.saturating_mul(1_000)));
    }
    let cluster = parts.start_cluster(options).await?;
    step.done(&format!("PostgreSQL {} on port {}", cluster.version(), cluster.port()));
    Ok(cluster.url("postgres"))
}

/// What is particular to a worker of a measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    /// How long it keeps its runs when it is silent.
    pub(super) lease_secs: u32,
    /// How long its slow calls take.
    pub(super) slow_ms: u64,
}

impl Default for Traits {
    fn default() -> Self {
        Self { lease_secs: 15, slow_ms: 0 }
    }
}

/// Starts one worker, and tells the site who it is.
pub(super) async fn start_worker(
    parts: &mut Parts,
    site: &mut Site,
    traits: Traits,
) -> anyhow::Result<()> {
    let logs = parts.logs.as_ref().context("there is no folder for logs")?.path().to_owned();
    let store = parts.store.as_ref().context("there is no cell")?;
    let name = format!("worker-{}", site.workers.len().saturating_add(1));
    let settings: Settings = vec![
        ("MAKEGOOD_DATABASE_URL", store.url.clone()),
        ("MAKEGOOD_CELL", store.cell().to_owned()),
        ("MAKEGOOD_WORKER_NAME", name.clone()),
        ("MAKEGOOD_LEASE_SECS", traits.lease_secs.to_string()),
    ];
    let slow_ms = traits.slow_ms.to_string();
    let words = ["bench-worker", "--slow-ms", &slow_ms];
    let worker = Child::start_with(&words, &name, &settings, &logs).await?;
    site.workers.extend(worker.pid());
    parts.workers.push(worker);
    Ok(())
}

/// Drops the cell in a database that is not ours.
pub(super) async fn leave_database(load: &LoadArgs, parts: &Parts) {
    let (Some(store), true) = (&parts.store, load.site().database_url.is_some()) else { return };
    if let Err(error) = store.wipe().await {
        say(&format!("the cell {} could not be dropped: {error:#}", store.cell()));
    }
}

/// The commit of the tree in which this program lies, if it lies in one.
pub(super) async fn commit() -> Option<String> {
    let program = env::current_exe().ok()?;
    let mut git = Command::new("git");
    git.arg("-C").arg(program.parent()?).args(["describe", "--always", "--dirty", "--exclude=*"]);
    let told = git.stdin(Stdio::null()).output().await.ok().filter(|told| told.status.success())?;
    let commit = String::from_utf8(told.stdout).ok()?;
    Some(commit.trim().to_owned()).filter(|commit| !commit.is_empty())
}
