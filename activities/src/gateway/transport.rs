//! One HTTP exchange with the gateway: authenticated, bounded in time and size, judged.
//! It never retries, follows no redirect, and logs neither a body, nor a URL, nor a key.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::breaker::Breaker;
use super::wire::{Collection, Listed, Malformed};
use super::{GatewayConfig, GatewayError, Operation, PAGE};

/// The most lists read for one question; a longer answer is refused, not cut.
const PAGES_LIMIT: usize = 20;
/// A longer answer than this, in bytes, is not the gateway's.
const ANSWER_LIMIT: usize = 4 << 20;
/// The longest that a call waits until others have ended; then it is held back, untried.
const LINE_WAIT: Duration = Duration::from_secs(1);
/// The longest wait that the gateway may impose on us.
const RETRY_AFTER_LIMIT: Duration = Duration::from_hours(1);

/// The result of an exchange.
pub(super) type Answer<T> = Result<T, GatewayError>;

/// Where to send requests, and in whose name.
#[derive(Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    address: Url,
    key_id: String,
    key_secret: SecretString,
    /// One for each call under way: whatever an outage finds under way is asked again afterwards.
    lines: Semaphore,
    breaker: Breaker,
}

impl Transport {
    pub(super) fn new(config: GatewayConfig) -> Answer<Self> {
        let address = config.address()?;
        let http = config.http_client(&address)?;
        Ok(Self {
            http,
            address,
            key_id: config.key_id,
            key_secret: config.key_secret,
            lines: Semaphore::new(config.calls_at_once),
            breaker: Breaker::new(config.breaker),
        })
    }

    /// A request to `/v1/{path}` that carries the keys.
    pub(super) fn request(&self, method: Method, path: &[&str]) -> Answer<RequestBuilder> {
        let mut url = self.address.clone();
        url.path_segments_mut()
            .map_err(|()| GatewayError::misconfigured("gateway address: it takes no path"))?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        let secret = self.key_secret.expose_secret();
        Ok(self.http.request(method, url).basic_auth(&self.key_id, Some(secret)))
    }

    /// Sends the request once, unless calls are held back, and reads one object.
    pub(super) async fn call<J, T>(
        &self,
        operation: Operation,
        request: RequestBuilder,
    ) -> Answer<T>
    where
        J: DeserializeOwned,
        T: TryFrom<J, Error = Malformed>,
    {
        let _line = self.line(operation).await?;
        let pass = self.breaker.admit(operation)?;
        let json: J = pass.report(exchange(operation, request).await)?;
        T::try_from(json).map_err(|Malformed(field)| {
            GatewayError::unclear(operation, format!("the answer has no usable {field}"))
        })
    }

    async fn line(&self, operation: Operation) -> Answer<SemaphorePermit<'_>> {
        match timeout(LINE_WAIT, self.lines.acquire()).await {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(_)) | Err(_) => Err(GatewayError::held(operation, LINE_WAIT)),
        }
    }

    /// One page of a list, as the gateway orders it.
    pub(super) async fn page<J, T>(
        &self,
        operation: Operation,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Answer<Vec<T>>
    where
        J: DeserializeOwned,
        T: TryFrom<J, Error = Malformed>,
    {
        let request = self.request(Method::GET, path)?.query(query);
        let Page(items): Page<T> = self.call::<Collection<J>, _>(operation, request).await?;
        Ok(items)
    }

    /// Every item of a list, page by page, oldest first.
    pub(super) async fn list<J, T>(
        &self,
        operation: Operation,
        path: &[&str],
        filter: &[(&str, &str)],
    ) -> Answer<Vec<T>>
    where
        J: DeserializeOwned,
        T: TryFrom<J, Error = Malformed> + Listed,
    {
        let mut all: Vec<T> = Vec::new();
        for page in 0..PAGES_LIMIT {
            let paging = [("count", PAGE), ("skip", page * PAGE)];
            let request = self.request(Method::GET, path)?.query(filter).query(&paging);
            let Page(items): Page<T> = self.call::<Collection<J>, _>(operation, request).await?;
            let is_last = items.len() < PAGE;
            let known = all.len();
            for item in items {
                // Newer items push older ones onto the next page while we read.
                if all.iter().all(|seen| seen.id() != item.id()) {
                    all.push(item);
                }
            }
            if is_last || all.len() == known {
                all.sort_by_key(Listed::created_at);
                return Ok(all);
            }
        }
        Err(GatewayError::unavailable(operation, "the list does not end"))
    }
}

/// One exchange in its span, from the first byte out to the parsed answer.
async fn exchange<J: DeserializeOwned>(operation: Operation, request: RequestBuilder) -> Answer<J> {
    let span = tracing::info_span!(
        "gateway.call",
        gateway.operation = operation.as_str(),
        http.status = Empty,
        duration_ms = Empty,
    );
    async {
        let begun = Instant::now();
        let answer = answer(operation, request).await;
        let outcome = outcome(&answer);
        metrics::counter!(
            "makegood_gateway_calls_total",
            "operation" => operation.as_str(),
            "outcome" => outcome,
        )
        .increment(1);
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Span::current().record("duration_ms", duration_ms);
        answer
    }
    .instrument(span)
    .await
}

fn outcome<J>(answer: &Answer<J>) -> &'static str {
    match answer {
        Ok(_) => "done",
        Err(GatewayError::Rejected { .. }) => "rejected",
        Err(GatewayError::Unavailable { .. } | GatewayError::Held { .. }) => "unavailable",
        Err(GatewayError::Unknown { .. }) => "unknown",
        Err(GatewayError::Misconfigured { .. }) => "misconfigured",
    }
}

async fn answer<J: DeserializeOwned>(operation: Operation, request: RequestBuilder) -> Answer<J> {
    let response = request.send().await.map_err(|e| GatewayError::from_transport(operation, &e))?;
    let status = response.status();
    Span::current().record("http.status", status.as_u16());
    let retry_after = retry_after(response.headers(), Utc::now());
    let body = body(operation, response).await;
    if !status.is_success() {
        let body = body.unwrap_or_default();
        return Err(GatewayError::from_answer(operation, status, retry_after, &body));
    }
    // The decoder's message quotes the body, so it stays here.
    serde_json::from_slice(&body?)
        .map_err(|_| GatewayError::unclear(operation, "the answer is not the JSON expected"))
}

async fn body(operation: Operation, mut response: Response) -> Answer<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|e| GatewayError::from_transport(operation, &e))?
    {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(GatewayError::unclear(operation, "the answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(secs) = text.parse() {
        Duration::from_secs(secs)
    } else {
        let at = DateTime::parse_from_rfc2822(text).ok()?;
        (at.with_timezone(&Utc) - now).to_std().unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_LIMIT))
}

struct Page<T>(Vec<T>);

impl<J, T: TryFrom<J, Error = Malformed>> TryFrom<Collection<J>> for Page<T> {
    type Error = Malformed;

    fn try_from(list: Collection<J>) -> Result<Self, Malformed> {
        list.items.into_iter().map(T::try_from).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_asked_for_is_read_as_seconds_or_as_a_date_and_is_bounded() {
        let now = DateTime::parse_from_rfc3339("2026-01-05T10:00:00Z").unwrap().to_utc();
        let wait = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now)
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Mon, 05 Jan 2026 10:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Mon, 05 Jan 2026 09:00:00 GMT"), Some(Duration::ZERO), "in the past");
        assert_eq!(wait("99999999"), Some(RETRY_AFTER_LIMIT), "nobody parks us for years");
        assert_eq!(wait("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
