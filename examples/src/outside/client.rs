//! The client of the world outside. It decides what an answer, or the lack of one, means to a saga.

use std::sync::Arc;
use std::time::Duration;

use makegood::{ActivityError, ActivityResult};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde::de::DeserializeOwned;

use super::{Order, Receipt, Refusal};

/// Shorter than an attempt may take, so that it is the client that gives up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The address is none, or no HTTP client can be made.
#[derive(Debug, thiserror::Error)]
#[error("no client for the world outside: {0}")]
pub struct NoClient(String);

/// Speaks to a [`Service`](super::Service); a copy is the same client.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    address: Url,
}

impl Client {
    /// A client of the service at this address, such as `http://[::1]:8080`.
    ///
    /// # Errors
    /// When it is no address.
    pub fn new(address: &str) -> Result<Self, NoClient> {
        let none = |error: &dyn std::error::Error| NoClient(error.to_string());
        // Plain HTTP only: no certificate of this machine is needed, and none is trusted.
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| none(&e))?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
        let http = http.timeout(PATIENCE).build().map_err(|e| none(&e))?;
        let address: Url = address.parse().map_err(|e| NoClient(format!("{address}: {e}")))?;
        if address.cannot_be_a_base() {
            return Err(NoClient(format!("{address} takes no path")));
        }
        Ok(Self { http, address })
    }

    /// Orders something under a key; the same key again is the same order.
    ///
    /// # Errors
    /// A refusal, `Retryable` where nothing has happened, `Unknown` where nobody can tell.
    pub async fn place(&self, book: &str, key: &str, order: &Order) -> ActivityResult<Receipt> {
        let request = self.http.post(self.at(&[book])).header("idempotency-key", key);
        read(send(request.json(order)).await?).await
    }

    /// The order under a key, if there is one.
    ///
    /// # Errors
    /// When the service does not say.
    pub async fn find(&self, book: &str, key: &str) -> ActivityResult<Option<Receipt>> {
        let answer = send(self.http.get(self.at(&[book, key]))).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            _ => read(answer).await.map(Some),
        }
    }

    /// Calls the order under a key off, also one that is still on its way.
    ///
    /// # Errors
    /// When the service does not say that it did.
    pub async fn call_off(&self, book: &str, key: &str) -> ActivityResult<()> {
        judge(send(self.http.delete(self.at(&[book, key]))).await?).await.map(|_| ())
    }

    /// What something costs.
    ///
    /// # Errors
    /// When the service does not say.
    pub async fn price_cents(&self, what: &str) -> ActivityResult<u64> {
        read(send(self.http.get(self.at(&["prices", what]))).await?).await
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.address.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

/// Without a connection nothing has happened. After that, nobody knows.
async fn send(request: RequestBuilder) -> ActivityResult<Response> {
    request.send().await.map_err(|error| {
        let message = error.to_string();
        if error.is_connect() {
            ActivityError::retryable(message)
        } else {
            ActivityError::unknown(message)
        }
    })
}

/// The statuses with which the service says that it did nothing, and all others.
async fn judge(answer: Response) -> ActivityResult<Response> {
    let status = answer.status();
    match status {
        StatusCode::CONFLICT => {
            let refusal: Refusal = answer.json().await?;
            let message = format!("the world outside says {}", refusal.code);
            Err(ActivityError::Rejected { code: refusal.code.into(), message })
        }
        StatusCode::SERVICE_UNAVAILABLE => Err(ActivityError::retryable("it is busy")),
        _ if status.is_success() => Ok(answer),
        _ => Err(ActivityError::unknown(format!("it answers {status}"))),
    }
}

/// An answer that cannot be read leaves open what happened: `?` makes it `Unclassified`, and that
/// counts as unknown for an activity outside.
async fn read<T: DeserializeOwned>(answer: Response) -> ActivityResult<T> {
    Ok(judge(answer).await?.json().await?)
}
