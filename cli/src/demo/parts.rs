//! Everything that runs besides us: PostgreSQL, the gateway sandbox, the API, the workers.
//! Whoever starts something puts it here at once, so that one call ends it all.

use std::{fs, net::SocketAddr, path::PathBuf};

use anyhow::Context;
use devpg::{Cluster, Options};
use migrations::Cell;
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;
use tokio::task::{JoinHandle, spawn_blocking};

use super::child::Child;

/// A cell in a database.
#[derive(Clone)]
pub(crate) struct Store {
    /// The database's address.
    pub(crate) url: String,
    cell: Cell,
    /// Our own connections to it.
    pub(crate) pool: PgPool,
}

impl Store {
    /// Connects to the cell at `url`, which may be missing yet.
    pub(crate) async fn connect(url: &str, cell: Cell) -> anyhow::Result<Self> {
        let database = makegood::Database::new(url, cell.name())?;
        let pool = database.pool("makegood-demo", 4).await.context("cannot reach the database")?;
        Ok(Self { url: url.to_owned(), cell, pool })
    }

    /// The same cell, reached by another way.
    pub(crate) fn by_way_of(&self, addr: SocketAddr) -> anyhow::Result<Self> {
        let (before, after) = self.url.split_once('@').context("the database URL has no user")?;
        let (_, database) = after.split_once('/').context("the database URL has no database")?;
        Ok(Self { url: format!("{before}@{addr}/{database}"), ..self.clone() })
    }

    /// The same cell over new connections.
    pub(crate) async fn anew(&self) -> anyhow::Result<Self> {
        Self::connect(&self.url, self.cell.clone()).await
    }

    /// Brings the cell up to date, making it if it is missing.
    pub(crate) async fn migrate(&self) -> anyhow::Result<()> {
        let mut conn = self.pool.acquire().await?;
        migrations::run(&mut conn, &self.cell).await?;
        Ok(())
    }

    /// The engine's client in the cell.
    pub(crate) async fn client(&self) -> anyhow::Result<makegood::Client> {
        let database = makegood::Database::new(&self.url, self.cell.name())?;
        Ok(makegood::Client::connect(&database).await?)
    }

    /// The cell's name.
    pub(crate) fn cell(&self) -> &str {
        self.cell.name()
    }

    /// Drops the cell with everything in it.
    pub(crate) async fn wipe(&self) -> anyhow::Result<()> {
        // A cell's name needs no quoting, which `Cell` has checked.
        let drop = format!("drop schema if exists {} cascade", self.cell);
        sqlx::query(AssertSqlSafe(drop)).execute(&self.pool).await?;
        Ok(())
    }
}

/// What has been started so far. Whoever holds it ends it with [`Parts::stop`]; dropping it ends
/// it too, without a word.
#[derive(Default)]
pub(crate) struct Parts {
    /// The folder of the logs.
    pub(crate) logs: Option<TempDir>,
    /// The private PostgreSQL, if it is ours.
    pub(crate) cluster: Option<Cluster>,
    /// The same while it starts, which nothing can stop half-way.
    starting: Option<JoinHandle<Result<Cluster, devpg::Error>>>,
    /// The cell.
    pub(crate) store: Option<Store>,
    /// The API process.
    pub(crate) api: Option<Child>,
    /// The gateway sandbox process.
    pub(crate) sandbox: Option<Child>,
    /// The worker processes that live.
    pub(crate) workers: Vec<Child>,
}

impl Parts {
    /// Nothing is running yet; there is a folder for logs.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let logs = tempfile::Builder::new().prefix("makegood-logs-").tempdir();
        let logs = logs.context("cannot create a folder for logs")?;
        Ok(Self { logs: Some(logs), ..Self::default() })
    }

    /// Starts a private PostgreSQL. When this is dropped half-way, [`Parts::stop`] waits for the
    /// rest of the start and ends it then.
    pub(crate) async fn start_cluster(&mut self, options: Options) -> anyhow::Result<&Cluster> {
        let starting = spawn_blocking(move || Cluster::start(&options));
        let started = self.starting.insert(starting).await;
        self.starting = None;
        Ok(self.cluster.insert(started??))
    }

    /// Keeps the logs for a person to read, if there are any, and says where they are.
    pub(crate) fn keep_logs(&mut self) -> Option<PathBuf> {
        let folder = self.logs.take()?;
        let has_logs = fs::read_dir(folder.path()).is_ok_and(|mut logs| logs.next().is_some());
        has_logs.then(|| folder.keep())
    }

    /// SIGTERM for each process, the workers first. Answers what went wrong.
    pub(crate) async fn stop_processes(&mut self) -> Vec<anyhow::Error> {
        let workers = self.workers.drain(..).map(Child::stop);
        let ended = futures::future::join_all(workers).await;
        let mut faults: Vec<_> = ended.into_iter().filter_map(Result::err).collect();
        for part in [self.api.take(), self.sandbox.take()].into_iter().flatten() {
            faults.extend(part.stop().await.err());
        }
        faults
    }

    /// Ends everything: the processes, our connections, then PostgreSQL. Answers what went wrong.
    pub(crate) async fn stop(&mut self) -> Vec<anyhow::Error> {
        let mut faults = self.stop_processes().await;
        if let Some(store) = self.store.take() {
            store.pool.close().await;
        }
        if let Some(starting) = self.starting.take()
            && let Ok(Ok(cluster)) = starting.await
        {
            self.cluster = Some(cluster);
        }
        if let Some(cluster) = self.cluster.take() {
            let stopped = spawn_blocking(move || cluster.stop()).await;
            faults.extend(match stopped {
                Ok(stopped) => stopped.err().map(anyhow::Error::from),
                Err(panic) => Some(panic.into()),
            });
        }
        faults
    }
}
