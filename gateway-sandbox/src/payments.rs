//! `/v1/payments`: read, list, annotate, capture.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use serde_json::Value;

use crate::{
    app::Shared,
    body::Body,
    model::Payment,
    paging::{self, Page, Pairs},
    refusal::Refusal,
};

/// `GET /v1/payments/{id}`
pub(crate) async fn get(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Payment>, Refusal> {
    app.state().payment(&id).cloned().map(Json)
}

/// `GET /v1/payments`
pub(crate) async fn list(State(app): State<Shared>, pairs: Pairs) -> Result<Json<Value>, Refusal> {
    let page = Page::parse(&pairs)?;
    let state = app.state();
    let items = page.cut(state.payments.rows().rev(), |payment| payment.created_at);
    Ok(Json(paging::collection(&items)))
}

/// `PATCH /v1/payments/{id}`: notes only.
pub(crate) async fn update(
    State(app): State<Shared>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Payment>, Refusal> {
    let body = Body::parse(&bytes)?;
    body.only(&["notes"])?;
    let notes = body.notes()?;
    app.change(|state, _| {
        let payment = state.payment_mut(&id)?;
        payment.notes = notes;
        Ok(Json(payment.clone()))
    })
}

/// `POST /v1/payments/{id}/capture`: the whole authorized amount, once.
pub(crate) async fn capture(
    State(app): State<Shared>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Payment>, Refusal> {
    let body = Body::parse(&bytes)?;
    let (amount, currency) = (body.amount("amount")?, body.text("currency")?);
    app.change(|state, now| state.capture(&id, amount, &currency, now)).map(Json)
}
