//! `/sandbox`: the hand behind the curtain. Faults, time-outs, late money, and the truth to compare with.
//! Answers callers on this machine only, and needs no keys.

use std::time::{Duration, Instant};

use axum::{
    Json,
    extract::{ConnectInfo, Path, Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    app::Shared,
    config::{self, RefundMode},
    connection::Peer,
    model::{Payment, Refund},
    refusal::Refusal,
    script::{CallFault, WebhookFault},
    state::Late,
};

/// Lets only callers on this machine through.
pub(crate) async fn local_only(
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peer.is_local() {
        return next.run(request).await;
    }
    Refusal::fault(StatusCode::FORBIDDEN, "Only for callers on this machine").into_response()
}

/// `GET /sandbox/state`: everything there is, oldest first.
pub(crate) async fn state(State(app): State<Shared>) -> Json<Value> {
    let books = {
        let state = app.state();
        json!({
            "orders": state.orders.rows().collect::<Vec<_>>(),
            "payments": state.payments.rows().collect::<Vec<_>>(),
            "refunds": state.refunds.rows().collect::<Vec<_>>(),
        })
    };
    let (calls, refused, met, keys) = {
        let faults = app.faults();
        (faults.counts.clone(), faults.refused, faults.met.clone(), faults.refund_keys.clone())
    };
    let mut all = books;
    if let Some(fields) = all.as_object_mut() {
        fields.insert("webhooks".into(), json!(app.webhooks.deliveries()));
        fields.insert("calls".into(), json!(calls));
        fields.insert("refused_calls".into(), json!(refused));
        fields.insert("faults_met".into(), json!(met));
        fields.insert("refund_keys".into(), json!(keys));
    }
    Json(all)
}

/// `POST /sandbox/faults`: one scripted fault. With `match.operation` it meets calls, without it webhooks.
pub(crate) async fn add_fault(
    State(app): State<Shared>,
    Json(fault): Json<Value>,
) -> Result<StatusCode, Refusal> {
    if fault.pointer("/match/operation").is_some() {
        let fault: CallFault = read(fault)?;
        app.faults().calls.push(fault);
    } else {
        let fault: WebhookFault = read(fault)?;
        app.faults().webhooks.push(fault);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /sandbox/faults`: the scripted faults that are left.
pub(crate) async fn list_faults(State(app): State<Shared>) -> Json<Value> {
    let faults = app.faults();
    Json(json!({"calls": faults.calls, "webhooks": faults.webhooks}))
}

/// `DELETE /sandbox/faults`: forgets scripted faults and ends an outage.
pub(crate) async fn clear_faults(State(app): State<Shared>) -> StatusCode {
    app.faults().clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
pub(crate) struct Outage {
    ms: u64,
}

/// `POST /sandbox/outage`: everything under `/v1` answers 503 for `ms` from now.
pub(crate) async fn outage(
    State(app): State<Shared>,
    Json(outage): Json<Outage>,
) -> Result<StatusCode, Refusal> {
    let until = Instant::now()
        .checked_add(Duration::from_millis(outage.ms))
        .ok_or_else(|| Refusal::field("ms", "An outage cannot last that long"))?;
    app.faults().outage_until = Some(until);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(crate) struct WebhookTarget {
    url: Option<String>,
    secret: Option<SecretString>,
}

/// `PUT /sandbox/webhook-url`: where webhooks go from now on; `null` stops them.
pub(crate) async fn webhook_url(
    State(app): State<Shared>,
    Json(target): Json<WebhookTarget>,
) -> Result<StatusCode, Refusal> {
    let url = target
        .url
        .as_deref()
        .map(config::webhook_url)
        .transpose()
        .map_err(|error| Refusal::field("url", error.to_string()))?;
    app.webhooks.retarget(url, target.secret);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Replay {
    new_event_id: bool,
}

/// `POST /sandbox/webhooks/{event_id}/replay`: sends a genuine webhook once more.
pub(crate) async fn replay(
    State(app): State<Shared>,
    Path(event_id): Path<String>,
    replay: Option<Json<Replay>>,
) -> Result<StatusCode, Refusal> {
    let Json(Replay { new_event_id }) = replay.unwrap_or_default();
    app.replay(&event_id, new_event_id).ok_or_else(Refusal::unknown_id)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct LateAnswer {
    status: Late,
}

/// `POST /sandbox/payments/{id}/late-capture`: the bank says yes after all, to a created or failed payment.
pub(crate) async fn late_capture(
    State(app): State<Shared>,
    Path(id): Path<String>,
    late: Option<Json<LateAnswer>>,
) -> Result<Json<Payment>, Refusal> {
    let Json(LateAnswer { status }) = late.unwrap_or_default();
    app.change(|state, now| state.resolve_late(&id, status, now)).map(Json)
}

/// `POST /sandbox/payments/{id}/lapse`: nobody took an authorized payment in time.
pub(crate) async fn lapse(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Payment>, Refusal> {
    app.change(|state, now| state.lapse(&id, now)).map(Json)
}

#[derive(Deserialize)]
pub(crate) struct Ageing {
    #[serde(default)]
    days: u64,
    #[serde(default)]
    hours: u64,
}

/// `POST /sandbox/payments/{id}/age`: makes a payment this many days and hours older.
pub(crate) async fn age(
    State(app): State<Shared>,
    Path(id): Path<String>,
    Json(ageing): Json<Ageing>,
) -> Result<Json<Payment>, Refusal> {
    app.change(|state, _| {
        let payment = state.payment_mut(&id)?;
        let Ageing { days, hours } = ageing;
        let secs = days.saturating_mul(86_400).saturating_add(hours.saturating_mul(3_600));
        payment.created_at = payment.created_at.saturating_sub(secs);
        Ok(Json(payment.clone()))
    })
}

#[derive(Deserialize)]
pub(crate) struct Refunding {
    mode: RefundMode,
}

/// `PUT /sandbox/refund-mode`: how refunds end from now on.
pub(crate) async fn refund_mode(
    State(app): State<Shared>,
    Json(refunding): Json<Refunding>,
) -> StatusCode {
    app.state().rules.refunds = refunding.mode;
    StatusCode::NO_CONTENT
}

/// `POST /sandbox/refunds/{id}/process`: a pending refund goes through.
pub(crate) async fn process_refund(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Refund>, Refusal> {
    app.change(|state, now| {
        state.process_refund(&id, now)?;
        state.refund(&id).cloned().map(Json)
    })
}

/// `POST /sandbox/refunds/{id}/fail`: a refund, even a processed one, comes back.
pub(crate) async fn fail_refund(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Refund>, Refusal> {
    app.change(|state, now| {
        state.fail_refund(&id, now)?;
        state.refund(&id).cloned().map(Json)
    })
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Refusal> {
    serde_json::from_value(value).map_err(|error| Refusal::invalid(error.to_string()))
}
