//! HTTP as a browser or the gateway speaks it: plain, on this machine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

/// A client without any trust in anybody, for plain HTTP.
#[derive(Clone, Debug)]
pub struct Web(Client);

/// What an address answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body; a text if it is no JSON.
    pub body: Value,
    /// When it may be tried again, if that was said.
    pub retry_after: Option<String>,
}

impl Web {
    /// A client with a connection pool of its own.
    pub fn new() -> Self {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build();
        Self(client.unwrap())
    }

    /// What sends the requests.
    pub(crate) fn client(&self) -> Client {
        self.0.clone()
    }

    /// A request to read an address.
    pub fn get(&self, url: &str) -> RequestBuilder {
        self.0.get(url)
    }

    /// A request to post to an address.
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.0.post(url)
    }

    /// A request to delete what an address has.
    pub fn delete(&self, url: &str) -> RequestBuilder {
        self.0.delete(url)
    }

    /// A request to put to an address.
    pub fn put(&self, url: &str) -> RequestBuilder {
        self.0.put(url)
    }
}

impl Default for Web {
    fn default() -> Self {
        Self::new()
    }
}

impl Answer {
    /// Sends the request and reads the answer; `None` when the connection failed.
    pub async fn of(request: RequestBuilder) -> Option<Self> {
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.and_then(|secs| secs.to_str().ok()).map(str::to_owned);
        let text = response.text().await.ok()?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Some(Self { status, body, retry_after })
    }

    /// A text in the body, by its JSON pointer; empty when there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The stable code of an error.
    pub fn code(&self) -> &str {
        self.text("/error/code")
    }

    /// The answer, which must have this status.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "asking is enough for many a test")]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.body)
    }
}
