//! `/v1/payments/{id}/refund` and `/v1/refunds`: give money back once per key, and read what was given.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
};
use serde_json::{Value, json};

use crate::{
    app::Shared,
    body::Body,
    model::{Refund, Speed},
    paging::{self, Page, Pairs},
    refusal::Refusal,
    state::RefundDraft,
};

const SHORTEST_KEY: usize = 10;

/// `POST /v1/payments/{id}/refund`
pub(crate) async fn create(
    State(app): State<Shared>,
    Path(payment_id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Json<Refund>, Refusal> {
    let key = idempotency_key(&headers)?;
    let body = Body::parse(&bytes)?;
    body.only(&["amount", "speed", "notes", "receipt"])?;
    let draft = RefundDraft {
        amount: body.optional_amount("amount")?,
        speed: speed(&body)?,
        notes: body.notes()?,
        receipt: body.receipt()?,
    };
    let request = json!({"payment_id": payment_id, "body": body.into_value()});
    app.change(|state, now| {
        let Some(key) = key else { return state.create_refund(&payment_id, draft, now) };
        if let Some(first) = state.refund_by_key(&key, &request)? {
            return Ok(first);
        }
        let refund = state.create_refund(&payment_id, draft, now)?;
        state.remember_refund(key, request, refund.clone());
        Ok(refund)
    })
    .map(Json)
}

/// `GET /v1/payments/{id}/refunds`
pub(crate) async fn of_payment(
    State(app): State<Shared>,
    Path(payment_id): Path<String>,
    pairs: Pairs,
) -> Result<Json<Value>, Refusal> {
    let page = Page::parse(&pairs)?;
    let state = app.state();
    state.payment(&payment_id)?;
    let rows = state.refunds.group(&payment_id).rev();
    Ok(Json(paging::collection(&page.cut(rows, |refund| refund.created_at))))
}

/// `GET /v1/payments/{id}/refunds/{rid}`
pub(crate) async fn get_of_payment(
    State(app): State<Shared>,
    Path((payment_id, id)): Path<(String, String)>,
) -> Result<Json<Refund>, Refusal> {
    let refund = app.state().refund(&id).cloned()?;
    if refund.payment_id != payment_id {
        return Err(Refusal::unknown_id());
    }
    Ok(Json(refund))
}

/// `GET /v1/refunds`
pub(crate) async fn list(State(app): State<Shared>, pairs: Pairs) -> Result<Json<Value>, Refusal> {
    let page = Page::parse(&pairs)?;
    let state = app.state();
    let items = page.cut(state.refunds.rows().rev(), |refund| refund.created_at);
    Ok(Json(paging::collection(&items)))
}

/// `GET /v1/refunds/{id}`
pub(crate) async fn get(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Refund>, Refusal> {
    app.state().refund(&id).cloned().map(Json)
}

/// `PATCH /v1/refunds/{id}`: notes only.
pub(crate) async fn update(
    State(app): State<Shared>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Refund>, Refusal> {
    let body = Body::parse(&bytes)?;
    body.only(&["notes"])?;
    let notes = body.notes()?;
    app.change(|state, _| {
        let refund = state.refund_mut(&id)?;
        refund.notes = notes;
        Ok(Json(refund.clone()))
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(header) = headers.get("x-refund-idempotency") else { return Ok(None) };
    let fits = |key: &&str| {
        key.len() >= SHORTEST_KEY
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    match header.to_str().ok().filter(fits) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Refusal::invalid(
            "An idempotency key has at least 10 characters: letters, digits, _ and -",
        )),
    }
}

fn speed(body: &Body) -> Result<Option<Speed>, Refusal> {
    match body.optional_text("speed")?.as_deref() {
        None => Ok(None),
        Some("normal") => Ok(Some(Speed::Normal)),
        Some("optimum") => Ok(Some(Speed::Optimum)),
        Some(_) => Err(Refusal::field("speed", "The speed must be normal or optimum")),
    }
}
