//! Makes calls under `/v1` go wrong on the wire, outside the handlers, which know nothing of it.

use std::time::Duration;

use axum::{
    body::{Body as HttpBody, Bytes, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::StatusCode,
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use tokio::{sync::oneshot, time::sleep};

use crate::{
    app::{App, Shared},
    body::Body,
    connection::Peer,
    faults::Subject,
    operation::Operation,
    paging::{self, Pairs},
    refusal::Refusal,
    script::{CallAction, ErrorBody},
};

const LARGEST_BODY: usize = 256 * 1024;

/// Answers 503 while the whole gateway is down.
pub(crate) async fn outage(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let down = app.faults().meet_outage();
    if down {
        return error(StatusCode::SERVICE_UNAVAILABLE, ErrorBody::Json);
    }
    next.run(request).await
}

/// Does to a call what its fault says, if it meets one.
pub(crate) async fn faults(
    State(app): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, LARGEST_BODY)
        .await
        .map_err(|_| Refusal::invalid("The body could not be read or is too large"))?;
    if let Some(key) = parts.headers.get("x-refund-idempotency") {
        app.faults().refund_keys.push(String::from_utf8_lossy(key.as_bytes()).into_owned());
    }
    let request = Request::from_parts(parts, HttpBody::from(bytes.clone()));
    let fault = subject(&app, &request, &bytes).and_then(|call| app.faults().meet_call(&call));
    let Some(fault) = fault else { return Ok(next.run(request).await) };
    tracing::debug!(path = request.uri().path(), ?fault, "a call meets a fault");
    Ok(match fault {
        CallAction::Delay { ms } => {
            delayed(&app, Duration::from_millis(ms), request, next, &peer).await
        }
        CallAction::Error { status, body } => {
            error(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body)
        }
        CallAction::DropBefore => cut(&peer),
        CallAction::DropAfter => {
            next.run(request).await;
            cut(&peer)
        }
        CallAction::HangAfter { ms } => {
            let answer = next.run(request).await;
            tokio::select! {
                () = sleep(Duration::from_millis(ms)) => answer,
                () = app.tasks.stopped() => cut(&peer),
            }
        }
    })
}

/// What the call is about: its operation, and the order it touches if that can be told.
fn subject(app: &App, request: &Request, body: &Bytes) -> Option<Subject> {
    let (operation, id) = Operation::of(request.method(), request.uri().path())?;
    let named = Subject { operation, id: id.map(str::to_owned), order_id: None, receipt: None };
    if let Some(id) = id {
        let state = app.state();
        return Some(match state.order_behind(id) {
            Some(order) => named.of_order(order),
            None => named,
        });
    }
    let receipt = match operation {
        Operation::CreateOrder => {
            Body::parse(body).ok().and_then(|body| body.optional_text("receipt").ok().flatten())
        }
        _ => Pairs::try_from_uri(request.uri())
            .ok()
            .and_then(|pairs| paging::value(&pairs, "receipt").map(str::to_owned)),
    };
    Some(Subject { receipt, ..named })
}

/// Does the work later in a task of its own, so that a caller who gives up does not stop it.
async fn delayed(
    app: &Shared,
    delay: Duration,
    request: Request,
    next: Next,
    peer: &Peer,
) -> Response {
    let (answer, answered) = oneshot::channel();
    app.tasks.spawn(async move {
        sleep(delay).await;
        // The caller may have gone; the work is done all the same.
        let _ = answer.send(next.run(request).await);
    });
    answered.await.unwrap_or_else(|_| cut(peer))
}

/// Closes the connection; the response returned here never reaches the wire.
fn cut(peer: &Peer) -> Response {
    peer.cut();
    StatusCode::NO_CONTENT.into_response()
}

fn error(status: StatusCode, body: ErrorBody) -> Response {
    match body {
        ErrorBody::Json => {
            Refusal::fault(status, "The gateway has a problem at the moment").into_response()
        }
        ErrorBody::Html => {
            let page = format!("<html><body><h1>{status}</h1><hr>proxy</body></html>");
            (status, Html(page)).into_response()
        }
    }
}
