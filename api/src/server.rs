//! A running API: starting it, where it is, and ending it without cutting anybody off.

use std::net::SocketAddr;

use makegood::{Client, Database};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::app::{App, Shared};
use crate::config::Config;
use crate::console::{Bulks, Watch};
use crate::passwords::Passwords;
use crate::router::router;
use crate::webhooks::early;

/// Why the API could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used; every fault is named.
    #[error("unusable configuration: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        /// Which address.
        addr: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The database cannot be reached.
    #[error(transparent)]
    Engine(#[from] makegood::Error),
    /// The machine cannot hash passwords.
    #[error("{0}")]
    Passwords(String),
}

/// A running API. Dropping it ends it too, without waiting.
pub struct Api {
    addr: SocketAddr,
    app: Shared,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    retries: JoinHandle<()>,
    bulks: JoinHandle<()>,
    watch: JoinHandle<()>,
}

impl Api {
    /// Connects, listens and serves in the background. Writes nothing.
    ///
    /// # Errors
    /// An unusable configuration, an address that is taken, or no database.
    pub async fn start(config: Config, database: &Database) -> Result<Self, StartError> {
        let faults = config.faults();
        if !faults.is_empty() {
            return Err(StartError::Config(faults));
        }
        let passwords = Passwords::new().map_err(|e| StartError::Passwords(format!("{e:?}")))?;
        let pool = database.pool("makegood-api", config.connections).await?;
        let client = Client::connect(database).await?;
        let refuse = |source| StartError::Bind { addr: config.bind, source };
        let listener = TcpListener::bind(config.bind).await.map_err(refuse)?;
        let addr = listener.local_addr().map_err(refuse)?;
        let (stop, stopping) = watch::channel(false);
        let (bulks, begun) = Bulks::new();
        let app = App::new(config, pool, client, passwords, stopping, bulks);

        let service = router(Shared::clone(&app));
        let service = service.into_make_service_with_connect_info::<SocketAddr>();
        let stopped = app.stopped();
        let server = tokio::spawn(async move {
            let serving = axum::serve(listener, service);
            if let Err(error) = serving.with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the server ended by itself");
            }
        });
        let retries = tokio::spawn(early::retry(Shared::clone(&app)));
        let bulks = tokio::spawn(Bulks::run(Shared::clone(&app), begun));
        let watch = tokio::spawn(Watch::run(Shared::clone(&app)));
        tracing::info!(%addr, "the API listens");
        Ok(Self { addr, app, stop, server, retries, bulks, watch })
    }

    /// Where it listens, with the port it got.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops listening, ends streams, lets requests finish within the drain limit, and closes the
    /// database's connections.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let limit = self.app.config.drain;
        let ended = timeout(limit, async {
            let _ = self.server.await;
            let _ = self.retries.await;
            let _ = self.bulks.await;
            let _ = self.watch.await;
            self.app.finished().await;
            self.app.pool.close().await;
        });
        if ended.await.is_err() {
            tracing::warn!(limit_ms = limit.as_millis(), "requests are still under way");
        }
    }
}

/// Runs the API until `shutdown` resolves, then drains it.
///
/// # Errors
/// Those of [`Api::start`].
pub async fn run(
    config: Config,
    database: &Database,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let api = Api::start(config, database).await?;
    shutdown.await;
    api.stop().await;
    Ok(())
}
