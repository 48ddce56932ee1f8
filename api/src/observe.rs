//! Around every request: its id, its span, its time limit, its metrics, and what a panic becomes.
//! Never logs a body, a query, a header or a token.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tokio::time::timeout;
use tracing::Instrument;
use uuid::Uuid;

use crate::app::Shared;
use crate::client_address;
use crate::console;
use crate::error::ApiError;

const REQUEST_ID: &str = "x-request-id";

/// The request that is being answered.
#[derive(Clone, Default)]
struct Current {
    id: String,
    client: Option<IpAddr>,
}

tokio::task_local! {
    static CURRENT: Current;
}

fn current() -> Current {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// The id of the request that is being answered.
pub(crate) fn request_id() -> String {
    current().id
}

/// Where that request comes from; `None` when none is being answered.
pub(crate) fn client() -> Option<IpAddr> {
    current().client
}

/// Work of this request in a task of its own: it carries id and client on.
pub(crate) fn in_request<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    CURRENT.scope(current(), work)
}

/// Answers a request within its time limit, whatever happens in its handler.
pub(crate) async fn observe(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = accepted_id(&request).unwrap_or_else(|| Uuid::now_v7().simple().to_string());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request",
        http.method = %method,
        http.route = %route,
        http.status = tracing::field::Empty,
        duration_ms = tracing::field::Empty,
        request.id = %id,
    );
    let told = if request.uri().path().starts_with("/console") {
        console::told
    } else {
        ApiError::into_response
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let trusted = &app.config.trusted_proxies;
    let client = peer.map(|peer| client_address::client(peer, request.headers(), trusted));
    let handled = bounded(app.config.request_timeout, next.run(request), told);
    let current = Current { id: id.clone(), client };
    let mut response = CURRENT.scope(current, handled).instrument(span.clone()).await;
    let elapsed = began.elapsed();
    let status = response.status().as_u16();
    span.record("http.status", status);
    span.record("duration_ms", u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
    span.in_scope(|| tracing::info!("answered"));
    let labels =
        [("method", label(&method).to_owned()), ("route", route), ("status", status.to_string())];
    metrics::counter!("makegood_http_requests_total", &labels).increment(1);
    metrics::histogram!("makegood_http_request_seconds", &labels).record(elapsed.as_secs_f64());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The answer within the limit, also from a handler that panics.
async fn bounded(
    limit: Duration,
    handled: impl Future<Output = Response>,
    told: fn(ApiError) -> Response,
) -> Response {
    match timeout(limit, AssertUnwindSafe(handled).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => told(ApiError::internal("a handler panicked")),
        Err(_) => told(ApiError::Timeout),
    }
}

/// Clients may make methods up; each would be a time series of its own.
fn label(method: &Method) -> &str {
    let usual = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if usual.contains(method) { method.as_str() } else { "OTHER" }
}

/// The client's own id, if it cannot do harm in a log.
fn accepted_id(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    ((8..=64).contains(&id.len()) && id.bytes().all(safe)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::Value;

    use super::*;

    async fn code(response: Response) -> (u16, Value) {
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 10_000).await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("the envelope");
        (status, body["error"]["code"].clone())
    }

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let panicking = async { panic!("planted, with a secret in it") };
        let answer = bounded(Duration::from_secs(5), panicking, ApiError::into_response).await;
        assert_eq!(code(answer).await, (500, "INTERNAL".into()));
    }

    #[tokio::test]
    async fn a_handler_that_takes_too_long_becomes_an_answer() {
        let answer =
            bounded(Duration::from_millis(1), std::future::pending(), ApiError::into_response)
                .await;
        assert_eq!(code(answer).await, (503, "TIMEOUT".into()));
    }

    #[test]
    fn a_method_that_nobody_knows_is_no_label_of_its_own() {
        let made_up = Method::from_bytes(b"FROBNICATE").expect("a method");
        assert_eq!((label(&made_up), label(&Method::GET)), ("OTHER", "GET"));
    }
}
