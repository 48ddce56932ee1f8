//! One worker process: its parts started, drained and ended in order.
//! It never handles signals of the operating system and never ends the process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use activities::gateway::{self, GatewayConfig, RazorpayClient};
use makegood::{Client, Database, Registry, Worker};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::health::Health;
use crate::schedules::{self, Reconciling};
use crate::{Config, Error, code, gauges, health};

/// What handing the runs back may take beyond the calls under way.
const HAND_BACK: Duration = Duration::from_millis(2_500);

/// What open connections to the health port may take to end.
const LAST_ANSWERS: Duration = Duration::from_millis(1_500);

/// A worker process under way. Stop it; dropping it leaves its runs to the end of the lease.
pub struct WorkerProcess {
    addr: SocketAddr,
    health: Arc<Health>,
    drain: Duration,
    stop: watch::Sender<bool>,
    parts: Vec<JoinHandle<()>>,
}

impl WorkerProcess {
    /// Starts a worker that drives the shop's sagas.
    ///
    /// # Errors
    /// An address that is taken, a gateway that is misconfigured, or a database that does not
    /// answer.
    pub async fn start(
        gateway: GatewayConfig,
        reconciling: Reconciling,
        config: Config,
        database: &Database,
    ) -> Result<Self, Error> {
        gateway::install_tls();
        let gateway = Arc::new(RazorpayClient::new(gateway)?);
        let client = Client::connect(database).await?;
        let pool = database.pool("makegood-schedules", 1).await?;
        schedules::keep(&client, &pool, &reconciling).await?;
        pool.close().await;
        let registry = workflows::register_teller(code::with(gateway), client);
        Self::start_with(registry, config, database).await
    }

    /// Starts a worker with other code than the shop's: serves health and metrics, then registers
    /// it and starts to claim. It calls no gateway.
    ///
    /// # Errors
    /// An address that is taken, or a database that does not answer.
    pub async fn start_with(
        registry: Registry,
        config: Config,
        database: &Database,
    ) -> Result<Self, Error> {
        let refuse = |source| Error::Bind { addr: config.bind, source };
        let listener = TcpListener::bind(config.bind).await.map_err(refuse)?;
        let addr = listener.local_addr().map_err(refuse)?;
        let pool = database.pool("makegood-health", 2).await?;
        let drain = config.engine.drain;
        let name = config.engine.name.clone();
        let health = Arc::new(Health::new(pool.clone(), config.metrics.clone()));
        let (stop, stopping) = watch::channel(false);
        let server = health::serve(listener, Arc::clone(&health), stopping.clone());
        let parts = vec![tokio::spawn(server)];
        let mut process = Self { addr, health, drain, stop, parts };
        let worker = match Worker::start(database, registry, config.engine).await {
            Ok(worker) => worker,
            Err(error) => {
                process.end_parts().await;
                return Err(error.into());
            }
        };
        process.health.begin(worker);
        process.parts.push(tokio::spawn(gauges::refresh(pool, config.metrics, stopping)));
        tracing::info!(worker.name = name, health.addr = %addr, "the worker claims");
        Ok(process)
    }

    /// Where health and metrics are served, with the port that it got.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether it holds a valid lease and claims.
    pub fn is_ready(&self) -> bool {
        self.health.may_claim()
    }

    /// Waits until the worker can do its work no longer: stop it, and start another process. Never
    /// resolves while all is well.
    pub async fn failed(&self) {
        self.health.failed().await;
    }

    /// Stops claiming, lets calls under way finish up to the drain limit, hands every other run
    /// back, then ends the health port. Takes at most the drain limit and 4 s.
    ///
    /// # Errors
    /// When the runs could not be handed back; they are taken over when the lease runs out.
    pub async fn stop(self) -> Result<(), Error> {
        let limit = self.drain.saturating_add(HAND_BACK);
        let drained = match self.health.end() {
            None => Ok(()),
            Some(worker) => match timeout(limit, worker.drain()).await {
                Ok(drained) => drained.map_err(Error::from),
                Err(_) => Err(Error::DrainTimedOut(limit)),
            },
        };
        self.end_parts().await;
        drained
    }

    async fn end_parts(self) {
        let _ = self.stop.send(true);
        let mut parts = self.parts;
        let ended = timeout(LAST_ANSWERS, async {
            for part in &mut parts {
                let _ = part.await;
            }
        });
        if ended.await.is_err() {
            parts.iter().for_each(JoinHandle::abort);
        }
    }
}

/// Runs a worker process until `shutdown` resolves, or it can do its work no longer, then drains it.
///
/// # Errors
/// Those of [`WorkerProcess::start`] and [`WorkerProcess::stop`].
pub async fn run(
    gateway: GatewayConfig,
    reconciling: Reconciling,
    config: Config,
    database: &Database,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let process = WorkerProcess::start(gateway, reconciling, config, database).await?;
    tokio::select! {
        () = shutdown => {}
        () = process.failed() => {}
    }
    process.stop().await
}
