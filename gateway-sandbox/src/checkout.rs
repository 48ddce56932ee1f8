//! `POST /checkout/pay`: the customer's side, as the hosted checkout would report it to the shop's page.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    app::{App, Shared},
    model::{Method, Minor, Payment, PaymentStatus},
    refusal::Refusal,
    signature,
    state::{Attempt, Late, Outcome},
};

/// What a customer does.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pay {
    pub(crate) order_id: String,
    #[serde(default)]
    pub(crate) method: Method,
    pub(crate) vpa: Option<String>,
    pub(crate) bank: Option<String>,
    pub(crate) wallet: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) contact: Option<String>,
    pub(crate) outcome: Option<Outcome>,
    /// The reason code of a failure.
    pub(crate) reason: Option<String>,
    /// Plants a mismatch.
    pub(crate) amount: Option<Minor>,
    /// Plants a mismatch.
    pub(crate) currency: Option<String>,
    /// Plants a second payment on an order that has one.
    #[serde(default)]
    pub(crate) beside: bool,
    /// What a failed or pending attempt becomes afterwards.
    pub(crate) late: Option<LateTurn>,
}

/// A change of mind of the bank.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LateTurn {
    after_ms: u64,
    #[serde(default)]
    status: Late,
}

/// What the checkout hands the shop's page after a success.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Paid {
    #[serde(rename = "razorpay_payment_id")]
    pub(crate) payment_id: String,
    #[serde(rename = "razorpay_order_id")]
    pub(crate) order_id: String,
    #[serde(rename = "razorpay_signature")]
    pub(crate) signature: String,
}

/// How an attempt looks to the customer.
pub(crate) enum Shown {
    Paid(Paid),
    Pending(Box<Payment>),
    Failed(Refusal),
}

/// `POST /checkout/pay`
pub(crate) async fn pay(
    State(app): State<Shared>,
    Json(pay): Json<Pay>,
) -> Result<Response, Refusal> {
    Ok(match attempt(&app, pay)? {
        Shown::Paid(paid) => Json(paid).into_response(),
        Shown::Failed(refusal) => refusal.into_response(),
        Shown::Pending(payment) => {
            let body = json!({
                "razorpay_payment_id": payment.id,
                "razorpay_order_id": payment.order_id,
                "status": payment.status,
            });
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
    })
}

/// Makes the attempt and plans its late turn.
pub(crate) fn attempt(app: &Shared, pay: Pay) -> Result<Shown, Refusal> {
    let attempt = Attempt {
        method: pay.method,
        vpa: pay.vpa,
        bank: pay.bank,
        wallet: pay.wallet,
        email: pay.email,
        contact: pay.contact,
        amount: pay.amount,
        currency: pay.currency,
        beside: pay.beside,
        outcome: pay.outcome,
        reason: pay.reason,
    };
    let payment = app.change(|state, now| state.attempt(&pay.order_id, attempt, now))?;
    if let Some(late) = pay.late {
        turn_later(app, payment.id.clone(), late);
    }
    Ok(match payment.status {
        PaymentStatus::Created => Shown::Pending(Box::new(payment)),
        PaymentStatus::Failed => Shown::Failed(Refusal::declined(&payment)),
        PaymentStatus::Authorized | PaymentStatus::Captured | PaymentStatus::Refunded => {
            Shown::Paid(paid(app, payment))
        }
    })
}

fn turn_later(app: &Shared, payment_id: String, late: LateTurn) {
    let sandbox = Arc::clone(app);
    app.tasks.spawn(async move {
        sleep(Duration::from_millis(late.after_ms)).await;
        let turned = sandbox.change(|state, now| state.resolve_late(&payment_id, late.status, now));
        if let Err(refusal) = turned {
            let reason = refusal.description();
            tracing::debug!(payment.id = %payment_id, reason, "a late turn changed nothing");
        }
    });
}

fn paid(app: &App, payment: Payment) -> Paid {
    let signature = signature::payment(&app.config.key_secret, &payment.order_id, &payment.id);
    Paid { payment_id: payment.id, order_id: payment.order_id, signature }
}
