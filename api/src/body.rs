//! Reads what a client sends, strictly, and answers with the field that does not fit.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use domain::OrderId;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// The largest body that a route takes, webhooks aside.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;
/// The largest webhook.
pub(crate) const WEBHOOK_LIMIT: usize = 256 * 1024;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::NotJson);
        }
        // It is in memory already.
        let bytes = Bytes::from_request(request, state).await.map_err(ApiError::internal)?;
        if has_nul(&bytes) {
            return Err(ApiError::request(
                "a text has a NUL character, which no text here can have",
            ));
        }
        parse(&bytes).map(Self)
    }
}

/// Parses JSON, naming the field that does not fit.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = Some(error.path().to_string()).filter(|path| path != ".");
        let message = error.into_inner().to_string();
        ApiError::BadRequest { field, message }
    })?;
    json.end().map_err(|error| ApiError::request(error.to_string()))?;
    Ok(parsed)
}

/// Whether a text of this JSON has a NUL: no text of PostgreSQL holds one. As a bare byte it is no
/// JSON, so only the escape is looked for; a backslash that is escaped itself begins none.
fn has_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = rest.get(at.saturating_add(1)..).unwrap_or_default();
        if escape.starts_with(b"u0000") {
            return true;
        }
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The parameters after the question mark.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(parameters) = Query::from_request_parts(parts, state)
            .await
            .map_err(|error: QueryRejection| ApiError::request(error.body_text()))?;
        Ok(Self(parameters))
    }
}

/// The order that the path names.
pub(crate) struct OrderPath(pub(crate) OrderId);

impl<S: Send + Sync> FromRequestParts<S> for OrderPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // What is no UUID names no order.
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::OrderNotFound)?;
        text.parse().map(Self).map_err(|_| ApiError::OrderNotFound)
    }
}

/// The caller's name for an intention: 8 to 128 printable ASCII characters.
pub(crate) struct IdempotencyKey(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let refused = |message: &str| Err(ApiError::field("Idempotency-Key", message));
        let mut given = parts.headers.get_all("idempotency-key").iter();
        let (Some(key), None) = (given.next(), given.next()) else {
            return refused("this route needs exactly one Idempotency-Key header");
        };
        match key.to_str() {
            Ok(key)
                if (8..=128).contains(&key.len())
                    && key.bytes().all(|b| matches!(b, b' '..=b'~')) =>
            {
                Ok(Self(key.to_owned()))
            }
            _ => refused("an Idempotency-Key has 8 to 128 printable ASCII characters"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_found_in_whatever_text_and_a_backslash_before_digits_is_none() {
        for with in [r#""\u0000""#, r#"{"a": ["b\\\u0000"]}"#, r#"{"\n\u0000": 1}"#] {
            assert!(has_nul(with.as_bytes()), "{with}");
        }
        for without in [r#""\\u0000""#, r#""\u0001""#, r#""u0000""#, "\"\\", ""] {
            assert!(!has_nul(without.as_bytes()), "{without}");
        }
    }
}
