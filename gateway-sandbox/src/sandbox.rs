//! A running sandbox: starting it, where it is, and ending it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use reqwest::redirect;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

use crate::{
    Config, Error,
    app::{App, Shared},
    connection::{CuttableListener, Peer},
    router::router,
    tasks::Tasks,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// A payment gateway on this machine. Dropping it ends it too, without waiting.
#[derive(Debug)]
pub struct Sandbox {
    addr: SocketAddr,
    app: Shared,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Sandbox {
    /// Binds the address and serves in the background.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the webhook address cannot be used.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let bind = config.bind;
        let refuse = |source| Error::Bind { addr: bind, source };
        let (stop, stopping) = watch::channel(false);
        let app = App::new(config, client()?, Tasks::new(stopping))?;
        let listener = TcpListener::bind(bind).await.map_err(refuse)?;
        let addr = listener.local_addr().map_err(refuse)?;
        let service = router(Arc::clone(&app)).into_make_service_with_connect_info::<Peer>();
        let stopped = app.tasks.stopped();
        let server = tokio::spawn(async move {
            let serving = axum::serve(CuttableListener(listener), service);
            if let Err(error) = serving.with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the gateway sandbox ended by itself");
            }
        });
        tracing::info!(%addr, "the gateway sandbox listens");
        Ok(Self { addr, app, stop, server })
    }

    /// Where it listens, with the port it got.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its base address, such as `http://127.0.0.1:40123`; the API is under `/v1` there.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Ends webhooks and timers, lets calls in progress finish for at most 5 s, and closes.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.app.tasks.shutdown().await;
        if timeout(PATIENCE, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

/// Runs a sandbox until `shutdown` resolves.
///
/// # Errors
///
/// As [`Sandbox::start`].
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let sandbox = Sandbox::start(config).await?;
    shutdown.await;
    sandbox.stop().await;
    Ok(())
}

/// A client for plain HTTP. It trusts no authority, so it needs none on the machine.
fn client() -> Result<reqwest::Client, Error> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()?)
}
