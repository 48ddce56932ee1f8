//! Connections: so many at once, each with a limit on silence, and an end that cuts nobody off.
//! Never looks into a request: that is [`crate::intake`]'s and the handlers' business.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::{set_tcp_nodelay, set_tcp_user_timeout};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What is read ahead of one connection.
const BUFFER_BYTES: usize = 64 * 1024;
/// The line of a request and its headers.
const HEAD_BYTES: usize = 32 * 1024;
/// Headers of one request.
const MOST_HEADERS: usize = 100;
/// After the machine had no room for one more connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What one client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at once; more wait in the listener's queue.
    pub(crate) open: usize,
    /// The time for the whole head of a request, and between two requests.
    pub(crate) silence: Duration,
    /// How long a client may refuse to take an answer.
    pub(crate) stalled: Duration,
}

/// Serves until `stopped`, then lets every request that has come in whole finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stopped: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.open));
    let (stop, stopping) = watch::channel(());
    let mut served = JoinSet::new();
    tokio::pin!(stopped);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept(&listener).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            next = next => next,
            Some(_) = served.join_next() => continue,
            () = &mut stopped => break,
        };
        let open = Open::new();
        let connection = one(stream, peer, router.clone(), limits, stopping.clone());
        served.spawn(async move {
            let _held = (place, open);
            connection.await;
        });
    }
    drop((listener, stop));
    while served.join_next().await.is_some() {}
}

/// The next one that is fit for use.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // It was gone before its turn came.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "no room for one more connection");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn one(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<()>,
) {
    let stalled = u32::try_from(limits.stalled.as_millis()).unwrap_or(u32::MAX);
    let set = set_tcp_nodelay(&stream, true);
    if let Err(error) = set.and_then(|()| set_tcp_user_timeout(&stream, stalled)) {
        tracing::debug!(%error, "a connection without its limits is not served");
        return;
    }
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = inner.call(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.silence);
    http.max_buf_size(BUFFER_BYTES).max_header_size(HEAD_BYTES).max_headers(MOST_HEADERS);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // Nothing is ever sent: it ends when the server does.
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Counts an open connection.
struct Open(metrics::Gauge);

impl Open {
    fn new() -> Self {
        let gauge = metrics::gauge!("makegood_http_connections");
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
