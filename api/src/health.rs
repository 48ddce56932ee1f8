//! What probes and dashboards ask: alive, ready, which build, which numbers. Bare answers.
//! Liveness never asks the database: a restart of this process would not mend it.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::app::Shared;
use crate::error::ApiResult;

/// How long a probe waits for the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /livez`: the process answers.
pub(crate) async fn livez() -> Json<Value> {
    Json(json!({ "status": "ok" }))
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
    let body = json!({
        "status": if ready { "ready" } else { "not ready" },
        "checks": {
            "database": database,
            "migrations": migrations,
            "worker": worker,
            "stopping": stopping,
        },
    });
    (status, Json(body)).into_response()
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

/// `GET /health/db`: a query that reads a table, and how long it took.
pub(crate) async fn database(State(app): State<Shared>) -> Response {
    let began = Instant::now();
    match timeout(PATIENCE, look(&app)).await {
        Ok(Ok(_)) => {
            let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            Json(json!({ "status": "ok", "latency_ms": latency_ms })).into_response()
        }
        Ok(Err(_)) | Err(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "fail" }))).into_response()
        }
    }
}

/// `GET /info`: name and version.
pub(crate) async fn info() -> Json<Value> {
    Json(json!({ "name": "makegood-api", "version": env!("CARGO_PKG_VERSION") }))
}

/// `GET /metrics`: for Prometheus.
pub(crate) async fn metrics(State(app): State<Shared>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, app.config.metrics.render())
}
