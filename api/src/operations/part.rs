//! A part of the path, such as a run's id; one that is none is told in the API's own envelope.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::Trouble;
use crate::error::ApiError;

/// What the path names.
pub(super) struct Part<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Part<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        let Path(part) = read
            .map_err(|error| Trouble::Unusable { code: "BAD_PATH", message: error.body_text() })?;
        Ok(Self(part))
    }
}
