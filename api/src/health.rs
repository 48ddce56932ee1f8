//! What probes and dashboards ask: alive, ready, which build, which numbers. Bare answers.
//! Liveness never asks the database: a restart of this process would not mend it.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::error::ApiResult;

/// How long a probe waits for the database.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    status: &'static str,
}

/// `GET /livez`: the process answers.
pub(crate) async fn livez() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready` or `not ready`.
    status: &'static str,
    checks: Checks,
}

/// `ok`, or what is wrong.
#[derive(Serialize, ToSchema)]
struct Checks {
    database: String,
    migrations: String,
    worker: &'static str,
    stopping: bool,
}

/// `GET /readyz`: 200 when requests can be served, 503 with the reason otherwise. A missing worker
/// is a warning: orders are taken all the same, and wait.
pub(crate) async fn readyz(State(app): State<Shared>) -> Response {
    let stopping = *app.stopping.borrow();
    let looked = timeout(PATIENCE, look(&app)).await;
    let (database, migrations, worker) = match looked {
        Ok(Ok(seen)) => {
            let worker = if seen.live_workers > 0 { "ok" } else { "warn: no worker is alive" };
            ("ok".to_owned(), seen.migrations, worker)
        }
        Ok(Err(_)) => {
            ("fail: it does not answer as it should".to_owned(), Err(Vec::new()), "unknown")
        }
        Err(_) => ("fail: no answer in time".to_owned(), Err(Vec::new()), "unknown"),
    };
    let ready = !stopping && database == "ok" && migrations.is_ok();
    let migrations = match migrations {
        Ok(()) => "ok".to_owned(),
        Err(missing) if missing.is_empty() => "unknown".to_owned(),
        Err(missing) => format!("fail: {} missing", missing.join(", ")),
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let checks = Checks { database, migrations, worker, stopping };
    let status_word = if ready { "ready" } else { "not ready" };
    (status, Json(Readiness { status: status_word, checks })).into_response()
}

struct Seen {
    migrations: Result<(), Vec<&'static str>>,
    live_workers: i64,
}

async fn look(app: &Shared) -> ApiResult<Seen> {
    let shared = Shared::clone(app);
    let looked = app.finish(async move {
        let mut conn = shared.pool.acquire().await?;
        let applied = store::health::migrations(&mut conn).await?;
        let live_workers = makegood::inspect::live_workers(&mut conn).await?;
        let wanted = shared.config.migrations.iter().copied();
        let missing: Vec<_> =
            wanted.filter(|name| !applied.iter().any(|applied| applied == name)).collect();
        let migrations = if missing.is_empty() { Ok(()) } else { Err(missing) };
        Ok(Seen { migrations, live_workers })
    });
    looked.await.inspect_err(|error| tracing::warn!(?error, "the database is not as it should be"))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Database {
    /// `ok` or `fail`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
}

/// `GET /health/db`: a query that reads a table, and how long it took.
pub(crate) async fn database(State(app): State<Shared>) -> Response {
    let began = Instant::now();
    match timeout(PATIENCE, look(&app)).await {
        Ok(Ok(_)) => {
            let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            Json(Database { status: "ok", latency_ms: Some(latency_ms) }).into_response()
        }
        Ok(Err(_)) | Err(_) => {
            let failed = Database { status: "fail", latency_ms: None };
            (StatusCode::SERVICE_UNAVAILABLE, Json(failed)).into_response()
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Info {
    name: &'static str,
    version: &'static str,
}

/// `GET /info`: name and version.
pub(crate) async fn info() -> Json<Info> {
    Json(Info { name: "makegood-api", version: env!("CARGO_PKG_VERSION") })
}

/// `GET /metrics`: for Prometheus.
pub(crate) async fn metrics(State(app): State<Shared>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, app.config.metrics.render())
}
