//! The one shape of every answer under `/api/v1`: status, message, data, error.
//! Health, metrics and streams are bare.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Serialize)]
pub(crate) struct Envelope<T> {
    pub(crate) status_code: u16,
    pub(crate) message: String,
    pub(crate) data: Option<T>,
    pub(crate) error: Option<Failure>,
}

/// What a client can act on.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    /// Stable; made for programs.
    pub(crate) code: &'static str,
    /// Made for people.
    pub(crate) message: String,
    /// Whether the same request may succeed later.
    pub(crate) retryable: bool,
    pub(crate) details: Value,
    pub(crate) request_id: String,
}

/// An answer with data.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    status: StatusCode,
    message: &'static str,
    data: T,
}

impl<T> Answer<T> {
    pub(crate) fn ok(message: &'static str, data: T) -> Self {
        Self { status: StatusCode::OK, message, data }
    }

    pub(crate) fn created(message: &'static str, data: T) -> Self {
        Self { status: StatusCode::CREATED, message, data }
    }

    pub(crate) fn accepted(message: &'static str, data: T) -> Self {
        Self { status: StatusCode::ACCEPTED, message, data }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let envelope = Envelope {
            status_code: self.status.as_u16(),
            message: self.message.to_owned(),
            data: Some(self.data),
            error: None,
        };
        (self.status, Json(envelope)).into_response()
    }
}
