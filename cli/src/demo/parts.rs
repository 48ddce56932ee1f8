//! Everything that runs besides us: PostgreSQL, the gateway sandbox, the API, the workers.
//! Each has its keys and addresses from here; none reads the caller's environment.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use devpg::{Cluster, Options};
use migrations::Cell;
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;
use tokio::task::{JoinHandle, spawn_blocking};

use super::child::{Child, Settings};

/// Keys made up for one run.
#[derive(Clone)]
pub(crate) struct Keys {
    key_id: String,
    key_secret: String,
    webhook_secret: String,
    jwt_secret: String,
}

impl Keys {
    /// Keys that nobody can guess.
    pub(crate) fn random() -> Self {
        let key_id = format!("rzp_test_{}", &random_hex().chars().take(14).collect::<String>());
        let (key_secret, webhook_secret) = (random_hex(), random_hex());
        Self { key_id, key_secret, webhook_secret, jwt_secret: random_hex() }
    }
}

/// How the parts are set up.
#[derive(Clone)]
pub(crate) struct Plan {
    /// Made up for one run.
    pub(crate) keys: Keys,
    /// The API's address, and those of the gateway sandbox and of a worker's health port.
    pub(crate) binds: Binds,
    /// How long a silent worker keeps its runs.
    pub(crate) lease_secs: u32,
    /// How long a call of the gateway may take.
    pub(crate) gateway_timeout_ms: u32,
    /// Decides what the sandbox draws.
    pub(crate) seed: u64,
    /// How likely the sandbox's faults are.
    pub(crate) odds: &'static str,
    /// `test` or `development`.
    pub(crate) profile: &'static str,
}

/// Where each part listens.
#[derive(Clone)]
pub(crate) struct Binds {
    /// The API.
    pub(crate) api: String,
    /// The gateway sandbox.
    pub(crate) sandbox: String,
    /// A worker's health and metrics.
    pub(crate) worker: String,
}

impl Binds {
    /// Free ports, whichever they are.
    pub(crate) fn any() -> Self {
        let any = || "127.0.0.1:0".to_owned();
        Self { api: any(), sandbox: any(), worker: any() }
    }
}

/// A cell in a database.
pub(crate) struct Store {
    url: String,
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

    /// Brings the cell up to date, making it if it is missing.
    pub(crate) async fn migrate(&self) -> anyhow::Result<()> {
        let mut conn = self.pool.acquire().await?;
        migrations::run(&mut conn, &self.cell).await?;
        Ok(())
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

    /// SIGTERM for each process, the workers first; then PostgreSQL. Answers what went wrong.
    pub(crate) async fn stop(&mut self) -> Vec<anyhow::Error> {
        let workers = self.workers.drain(..).map(Child::stop);
        let ended = futures::future::join_all(workers).await;
        let mut faults: Vec<_> = ended.into_iter().filter_map(Result::err).collect();
        for part in [self.api.take(), self.sandbox.take()].into_iter().flatten() {
            faults.extend(part.stop().await.err());
        }
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

impl Plan {
    /// Starts the API.
    pub(crate) async fn start_api(&self, store: &Store, logs: &Path) -> anyhow::Result<Child> {
        let mut settings = self.shared(store);
        settings.extend([
            ("MAKEGOOD_API_BIND", self.binds.api.clone()),
            ("MAKEGOOD_JWT_SECRET", self.keys.jwt_secret.clone()),
            ("MAKEGOOD_TOKEN_TTL_SECS", "86400".to_owned()),
            ("MAKEGOOD_WEBHOOK_SECRET", self.keys.webhook_secret.clone()),
        ]);
        Child::start("api", "api", &settings, logs).await
    }

    /// Starts the gateway sandbox, whose webhooks go to the API at `api_url`.
    pub(crate) async fn start_sandbox(&self, api_url: &str, logs: &Path) -> anyhow::Result<Child> {
        let webhooks = format!("{api_url}/api/v1/webhooks/razorpay");
        let mut settings = self.gateway_keys();
        settings.extend([
            ("MAKEGOOD_SANDBOX_BIND", self.binds.sandbox.clone()),
            ("MAKEGOOD_WEBHOOK_SECRET", self.keys.webhook_secret.clone()),
            ("MAKEGOOD_SANDBOX_WEBHOOK_URL", webhooks),
            ("MAKEGOOD_SANDBOX_SEED", self.seed.to_string()),
            ("MAKEGOOD_SANDBOX_ODDS", self.odds.to_owned()),
        ]);
        Child::start("gateway-sandbox", "gateway-sandbox", &settings, logs).await
    }

    /// Starts one worker, which finds the gateway at `gateway_url`.
    pub(crate) async fn start_worker(
        &self,
        store: &Store,
        gateway_url: &str,
        name: &str,
        logs: &Path,
    ) -> anyhow::Result<Child> {
        let mut settings = self.shared(store);
        settings.extend([
            ("MAKEGOOD_WORKER_BIND", self.binds.worker.clone()),
            ("MAKEGOOD_WORKER_NAME", name.to_owned()),
            ("MAKEGOOD_LEASE_SECS", self.lease_secs.to_string()),
            ("MAKEGOOD_DRAIN_SECS", "5".to_owned()),
            ("MAKEGOOD_GATEWAY_URL", gateway_url.to_owned()),
            ("MAKEGOOD_GATEWAY_TIMEOUT_MS", self.gateway_timeout_ms.to_string()),
        ]);
        Child::start("worker", name, &settings, logs).await
    }

    fn shared(&self, store: &Store) -> Settings {
        let mut settings = self.gateway_keys();
        settings.extend([
            ("MAKEGOOD_DATABASE_URL", store.url.clone()),
            ("MAKEGOOD_CELL", store.cell().to_owned()),
        ]);
        settings
    }

    fn gateway_keys(&self) -> Settings {
        vec![
            ("MAKEGOOD_PROFILE", self.profile.to_owned()),
            ("MAKEGOOD_LOG_FORMAT", "text".to_owned()),
            ("MAKEGOOD_GATEWAY_KEY_ID", self.keys.key_id.clone()),
            ("MAKEGOOD_GATEWAY_KEY_SECRET", self.keys.key_secret.clone()),
        ]
    }
}

fn random_hex() -> String {
    let (high, low): (u128, u128) = (rand::random(), rand::random());
    format!("{high:032x}{low:032x}")
}
