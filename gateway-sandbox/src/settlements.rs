//! `/v1/settlements`: what was paid out. Here every captured payment and processed refund is settled
//! on the day on which it was made, by UTC.

use axum::{Json, extract::State};
use chrono::{DateTime, Datelike, NaiveDate};
use serde_json::{Value, json};

use crate::{
    app::Shared,
    model::{Minor, Payment, PaymentStatus, Refund, RefundStatus},
    paging::{self, Pairs},
    refusal::Refusal,
    state,
};

const LARGEST_COUNT: usize = 1_000;

/// `GET /v1/settlements/recon/combined`
pub(crate) async fn combined(
    State(app): State<Shared>,
    pairs: Pairs,
) -> Result<Json<Value>, Refusal> {
    let (year, month) = (number(&pairs, "year")?, number(&pairs, "month")?);
    let (Some(year), Some(month)) = (year, month) else {
        return Err(Refusal::field("year", "The year and the month are required"));
    };
    let day = number(&pairs, "day")?;
    if NaiveDate::from_ymd_opt(i32::try_from(year).unwrap_or(0), month, day.unwrap_or(1)).is_none()
    {
        return Err(Refusal::field("month", "The month is not a valid month."));
    }
    let count = number(&pairs, "count")?.map_or(10, |n| usize::try_from(n).unwrap_or(0));
    if !(1..=LARGEST_COUNT).contains(&count) {
        return Err(Refusal::field("count", "The count must be at least 1."));
    }
    let skip = number(&pairs, "skip")?.map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let is_asked_for = |unix_secs: u64| {
        let made = i64::try_from(unix_secs).ok().and_then(|at| DateTime::from_timestamp(at, 0));
        made.is_some_and(|made| {
            i64::from(made.year()) == i64::from(year)
                && made.month() == month
                && day.is_none_or(|day| made.day() == day)
        })
    };
    let state = app.state();
    let payments = state.payments.rows().filter(|payment| {
        matches!(payment.status, PaymentStatus::Captured | PaymentStatus::Refunded)
            && is_asked_for(payment.created_at)
    });
    let refunds = state.refunds.rows().filter(|refund| {
        refund.status == RefundStatus::Processed && is_asked_for(refund.created_at)
    });
    let lines = payments.map(|payment| of_payment(&state, payment));
    let lines = lines.chain(refunds.map(|refund| of_refund(&state, refund)));
    let items: Vec<Value> = lines.skip(skip).take(count).collect();
    Ok(Json(paging::collection(&items)))
}

fn of_payment(state: &state::State, payment: &Payment) -> Value {
    let fee = payment.fee.unwrap_or(Minor::new(0));
    json!({
        "entity_id": payment.id,
        "type": "payment",
        "debit": 0,
        "credit": payment.amount.less(fee),
        "amount": payment.amount,
        "currency": payment.currency,
        "fee": fee,
        "tax": payment.tax.unwrap_or(Minor::new(0)),
        "on_hold": false,
        "settled": true,
        "created_at": payment.created_at,
        "settled_at": payment.created_at,
        "settlement_id": settlement(payment.created_at),
        "posted_at": null,
        "credit_type": "default",
        "description": payment.description,
        "notes": payment.notes,
        "payment_id": null,
        "settlement_utr": null,
        "order_id": payment.order_id,
        "order_receipt": receipt(state, &payment.order_id),
        "method": payment.method,
        "dispute_id": null,
    })
}

fn of_refund(state: &state::State, refund: &Refund) -> Value {
    let order = state.payment(&refund.payment_id).ok().map(|payment| payment.order_id.clone());
    json!({
        "entity_id": refund.id,
        "type": "refund",
        "debit": refund.amount,
        "credit": 0,
        "amount": refund.amount,
        "currency": refund.currency,
        "fee": 0,
        "tax": 0,
        "on_hold": false,
        "settled": true,
        "created_at": refund.created_at,
        "settled_at": refund.created_at,
        "settlement_id": settlement(refund.created_at),
        "posted_at": null,
        "credit_type": "default",
        "description": null,
        "notes": refund.notes,
        "payment_id": refund.payment_id,
        "settlement_utr": null,
        "order_receipt": order.as_deref().and_then(|order| receipt(state, order)),
        "order_id": order,
        "method": null,
        "dispute_id": null,
    })
}

fn receipt(state: &state::State, order: &str) -> Option<String> {
    state.order(order).ok().and_then(|order| order.receipt.clone())
}

/// One payout for each day.
fn settlement(unix_secs: u64) -> String {
    format!("setl_{:014}", unix_secs / 86_400)
}

fn number(pairs: &Pairs, name: &str) -> Result<Option<u32>, Refusal> {
    let text = paging::value(pairs, name);
    let number = text.map(|text| {
        text.parse().map_err(|_| Refusal::field(name, format!("The {name} must be an integer")))
    });
    number.transpose()
}
