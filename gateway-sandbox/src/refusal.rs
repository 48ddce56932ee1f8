//! The gateway's error object: what a call is told when it cannot be done.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::model::Payment;

/// A call that was refused. Boxed, because it travels in every `Result`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal(Box<Object>);

/// The error as the wire shows it.
#[derive(Clone, Debug, PartialEq)]
struct Object {
    status: StatusCode,
    code: &'static str,
    description: String,
    field: Option<String>,
    source: &'static str,
    step: &'static str,
    reason: String,
    metadata: Map<String, Value>,
}

impl Refusal {
    /// 400: what was sent cannot be accepted.
    pub(crate) fn invalid(description: impl Into<String>) -> Self {
        Self(Box::new(Object {
            status: StatusCode::BAD_REQUEST,
            code: "BAD_REQUEST_ERROR",
            description: description.into(),
            field: None,
            source: "business",
            step: "payment_initiation",
            reason: "input_validation_failed".into(),
            metadata: Map::new(),
        }))
    }

    /// 400 about one field.
    pub(crate) fn field(field: &str, description: impl Into<String>) -> Self {
        let mut refusal = Self::invalid(description);
        refusal.0.field = Some(field.to_owned());
        refusal
    }

    /// 400: the gateway answers so, not with 404, to an id it does not know.
    pub(crate) fn unknown_id() -> Self {
        Self::field("id", "No object has the id provided: it does not exist")
    }

    /// 400: the object's state does not allow it.
    pub(crate) fn state(step: &'static str, reason: &str, description: &str) -> Self {
        let mut refusal = Self::invalid(description);
        refusal.0.step = step;
        reason.clone_into(&mut refusal.0.reason);
        refusal
    }

    /// 401: the credentials are not ours.
    pub(crate) fn unauthorized() -> Self {
        Self::invalid("Authentication failed").not_about_money(StatusCode::UNAUTHORIZED)
    }

    /// 409: an idempotency key was used before for something else.
    pub(crate) fn key_reused() -> Self {
        let mut refusal =
            Self::invalid("This idempotency key belongs to a request with another body");
        refusal.0.status = StatusCode::CONFLICT;
        refusal.0.reason = "duplicate_request".into();
        refusal
    }

    /// 400 to the customer's browser: this payment failed, and why.
    pub(crate) fn declined(payment: &Payment) -> Self {
        let decline = &payment.decline;
        let reason = decline.reason.as_deref().unwrap_or_default();
        let description = decline.description.as_deref().unwrap_or_default();
        let mut refusal = Self::state("payment_authorization", reason, description);
        refusal.0.source = "customer";
        refusal.0.metadata.insert("payment_id".into(), json!(payment.id));
        refusal.0.metadata.insert("order_id".into(), json!(payment.order_id));
        refusal
    }

    /// A fault asked for: any status, with the code that goes with it.
    pub(crate) fn fault(status: StatusCode, description: &str) -> Self {
        let mut refusal = Self::invalid(description).not_about_money(status);
        refusal.0.code = match status.as_u16() {
            400..=499 => "BAD_REQUEST_ERROR",
            502 | 504 => "GATEWAY_ERROR",
            _ => "SERVER_ERROR",
        };
        refusal
    }

    fn not_about_money(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self.0.source = "NA";
        self.0.step = "NA";
        self.0.reason = "NA".into();
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn description(&self) -> &str {
        &self.0.description
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let body = json!({"error": {
            "code": error.code,
            "description": error.description,
            "field": error.field,
            "source": error.source,
            "step": error.step,
            "reason": error.reason,
            "metadata": error.metadata,
        }});
        (error.status, Json(body)).into_response()
    }
}
