//! HTTP Basic under `/v1`, as strict as the gateway: the scheme is exactly `Basic`.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header::AUTHORIZATION},
    middleware::Next,
    response::Response,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::{app::Shared, refusal::Refusal};

/// The one pair of keys this sandbox knows, as the header that carries it.
#[derive(Debug)]
pub(crate) struct Credentials(SecretString);

impl Credentials {
    pub(crate) fn new(key_id: &str, key_secret: &SecretString) -> Self {
        let pair = BASE64_STANDARD.encode(format!("{key_id}:{}", key_secret.expose_secret()));
        Self(format!("Basic {pair}").into())
    }

    fn match_header(&self, header: &[u8]) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(header).into()
    }
}

/// Lets a call through only with our keys.
pub(crate) async fn require(
    State(app): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let header = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    if header.is_some_and(|header| app.credentials.match_header(header)) {
        return Ok(next.run(request).await);
    }
    Err(Refusal::unauthorized())
}
