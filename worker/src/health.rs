//! The worker's own port: `/livez`, `/readyz` and `/metrics`, and nothing of the shop.
//! `/livez` never asks the database: a restart cures no outage.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use makegood::Worker;
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::RwLock;
use serde::Serialize;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the health port tells from.
pub(crate) struct Health {
    phase: RwLock<Phase>,
    pool: PgPool,
    metrics: PrometheusHandle,
}

enum Phase {
    Starting,
    Working(Box<Worker>),
    Draining,
}

impl Health {
    pub(crate) fn new(pool: PgPool, metrics: PrometheusHandle) -> Self {
        Self { phase: RwLock::new(Phase::Starting), pool, metrics }
    }

    /// The worker has registered.
    pub(crate) fn begin(&self, worker: Worker) {
        *self.phase.write() = Phase::Working(Box::new(worker));
    }

    /// From now on it is not ready. Gives the worker back, to be drained.
    pub(crate) fn end(&self) -> Option<Worker> {
        match std::mem::replace(&mut *self.phase.write(), Phase::Draining) {
            Phase::Working(worker) => Some(*worker),
            Phase::Starting | Phase::Draining => None,
        }
    }

    pub(crate) fn may_claim(&self) -> bool {
        match &*self.phase.read() {
            Phase::Working(worker) => worker.is_ready(),
            Phase::Starting | Phase::Draining => false,
        }
    }

    /// Waits until the worker can do its work no longer.
    pub(crate) async fn failed(&self) {
        let failed = match &*self.phase.read() {
            Phase::Working(worker) => Some(worker.failed()),
            Phase::Starting | Phase::Draining => None,
        };
        match failed {
            Some(failed) => drop(failed.await),
            None => std::future::pending().await,
        }
    }

    fn phase(&self) -> &'static str {
        match &*self.phase.read() {
            Phase::Starting => "starting",
            Phase::Working(_) => "working",
            Phase::Draining => "draining",
        }
    }

    /// The question goes on in a task of its own when the patience ends, so that no statement is
    /// dropped half-way; the pool's own limit ends it.
    async fn database_answers(&self) -> bool {
        let pool = self.pool.clone();
        let asked = tokio::spawn(async move { sqlx::query("select 1").execute(&pool).await });
        matches!(timeout(PATIENCE, asked).await, Ok(Ok(Ok(_))))
    }
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    phase: &'static str,
    lease_valid: bool,
    database_answers: bool,
}

/// Serves the port until the process stops.
pub(crate) async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    mut stopping: watch::Receiver<bool>,
) {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health);
    let stopped = async move {
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the health port ended by itself");
    }
}

async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let database_answers = health.database_answers().await;
    let lease_valid = health.may_claim();
    let ready = database_answers && lease_valid;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let phase = health.phase();
    (status, Json(Readiness { ready, phase, lease_valid, database_answers }))
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.metrics.render())
}
