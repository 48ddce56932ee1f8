//! `/v1/orders`: make, read, list, annotate.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use serde_json::{Value, json};

use crate::{
    app::Shared,
    body::Body,
    model::{Capture, Order, PaymentStatus},
    paging::{self, Page, Pairs},
    refusal::Refusal,
    state::{self, OrderDraft},
};

/// `POST /v1/orders`
pub(crate) async fn create(
    State(app): State<Shared>,
    bytes: Bytes,
) -> Result<Json<Order>, Refusal> {
    let body = Body::parse(&bytes)?;
    if body.get("partial_payment").is_some_and(|value| value != &Value::Bool(false)) {
        let description = "Partial payments are not enabled for this account";
        return Err(Refusal::field("partial_payment", description));
    }
    let draft = OrderDraft {
        amount: body.amount("amount")?,
        currency: body.text("currency")?,
        receipt: body.receipt()?,
        notes: body.notes()?,
        capture: capture(&body)?,
    };
    app.change(|state, now| state.create_order(draft, now)).map(Json)
}

/// `GET /v1/orders/{id}`
pub(crate) async fn get(
    State(app): State<Shared>,
    Path(id): Path<String>,
    pairs: Pairs,
) -> Result<Json<Value>, Refusal> {
    let state = app.state();
    state.order(&id).map(|order| Json(shown(&state, order, &pairs)))
}

/// `GET /v1/orders`
pub(crate) async fn list(State(app): State<Shared>, pairs: Pairs) -> Result<Json<Value>, Refusal> {
    let page = Page::parse(&pairs)?;
    let state = app.state();
    let rows: Box<dyn Iterator<Item = &Order>> = match paging::value(&pairs, "receipt") {
        Some(receipt) => Box::new(state.orders.group(receipt).rev()),
        None => Box::new(state.orders.rows().rev()),
    };
    let rows = rows.filter(|order| match paging::value(&pairs, "authorized") {
        Some("1") => has_money(&state, order),
        Some("0") => !has_money(&state, order),
        Some(_) | None => true,
    });
    let items: Vec<Value> = page
        .cut(rows, |order| order.created_at)
        .into_iter()
        .map(|order| shown(&state, order, &pairs))
        .collect();
    Ok(Json(paging::collection(&items)))
}

/// `GET /v1/orders/{id}/payments`
pub(crate) async fn payments(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let state = app.state();
    state.order(&id)?;
    Ok(Json(payments_of(&state, &id)))
}

/// `PATCH /v1/orders/{id}`: notes only, an amount never changes.
pub(crate) async fn update(
    State(app): State<Shared>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Order>, Refusal> {
    let body = Body::parse(&bytes)?;
    body.only(&["notes"])?;
    let notes = body.notes()?;
    app.change(|state, _| {
        let order = state.order_mut(&id)?;
        order.notes = notes;
        Ok(Json(order.clone()))
    })
}

fn capture(body: &Body) -> Result<Option<Capture>, Refusal> {
    if let Some(word) = body.get("payment").and_then(|payment| payment.get("capture")) {
        return match word.as_str() {
            Some("automatic") => Ok(Some(Capture::Automatic)),
            Some("manual") => Ok(Some(Capture::Manual)),
            Some(_) | None => {
                Err(Refusal::field("payment.capture", "It must be automatic or manual"))
            }
        };
    }
    Ok(body.get("payment_capture").map(|flag| match flag {
        Value::Bool(true) => Capture::Automatic,
        Value::Number(number) if number.as_u64() == Some(1) => Capture::Automatic,
        _ => Capture::Manual,
    }))
}

fn shown(state: &state::State, order: &Order, pairs: &Pairs) -> Value {
    let mut shown = json!(order);
    if let (true, Some(fields)) = (paging::expands(pairs, "payments"), shown.as_object_mut()) {
        fields.insert("payments".into(), payments_of(state, &order.id));
    }
    shown
}

fn payments_of(state: &state::State, order_id: &str) -> Value {
    paging::collection(&state.payments.group(order_id).rev().collect::<Vec<_>>())
}

fn has_money(state: &state::State, order: &Order) -> bool {
    state.payments.group(&order.id).any(|payment| match payment.status {
        PaymentStatus::Authorized | PaymentStatus::Captured | PaymentStatus::Refunded => true,
        PaymentStatus::Created | PaymentStatus::Failed => false,
    })
}
