//! One request to the API and its answer: what was asked for, or what went wrong, typed.
//! It follows no redirect: the token is for the host that was named.

use std::error::Error;
use std::time::Duration;

use activities::gateway::install_tls;
use makegood::Refusal;
use reqwest::header::{CONTENT_TYPE, IF_MATCH};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::desk::Trouble;
use crate::exit::{Exit, Problem};

/// The longest that one request may take; the API gives up before.
const PATIENCE: Duration = Duration::from_secs(30);

/// The API, and the token for it.
pub(super) struct Wire {
    http: Client,
    url: Url,
    token: SecretString,
}

/// What every answer has around it.
#[derive(Deserialize)]
struct Envelope {
    data: Option<Value>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    code: String,
    message: String,
    #[serde(default)]
    details: Value,
    #[serde(default)]
    request_id: String,
}

impl Wire {
    pub(super) fn new(url: Url, token: SecretString) -> Result<Self, Problem> {
        install_tls();
        let http = Client::builder().redirect(Policy::none()).timeout(PATIENCE).build();
        let http =
            http.map_err(|error| Problem::new("no way to the API can be set up").because(error))?;
        Ok(Self { http, url, token })
    }

    /// With a query as it stands in an address.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &str,
    ) -> Result<T, Trouble> {
        let mut url = self.address(path);
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        self.send(self.http.get(url)).await
    }

    pub(super) async fn get_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Trouble> {
        self.send(self.http.get(self.address(path)).query(query)).await
    }

    /// With a version, only if what it is about still stands so.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
        expected: Option<&str>,
    ) -> Result<T, Trouble> {
        let request = self.http.post(self.address(path)).json(body);
        let request = match expected {
            Some(version) => request.header(IF_MATCH, format!("\"{version}\"")),
            None => request,
        };
        self.send(request).await
    }

    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        url.set_query(None);
        // An address of http or https always takes segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1", "operations"]).extend(path);
        }
        url
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Trouble> {
        let sent = request.bearer_auth(self.token.expose_secret()).send().await;
        let answer = sent.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
            return Err(self.stranger(&format!("it answered {status}, and no JSON")).into());
        }
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        let not_ours = |error: serde_json::Error| self.stranger(&error.to_string());
        let Envelope { data, error } = serde_json::from_slice(&bytes).map_err(not_ours)?;
        match (status.is_success(), error) {
            (true, _) => Ok(serde_json::from_value(data.unwrap_or_default()).map_err(not_ours)?),
            (false, Some(failure)) => Err(trouble(status, failure)),
            (false, None) => Err(self.stranger(&format!("it answered {status}")).into()),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Problem {
        let problem = Problem::new(format!("cannot reach the API at {}", self.url));
        if error.is_timeout() {
            return problem
                .because(format!("no answer within {} s", PATIENCE.as_secs()))
                .next("check host and port in MAKEGOOD_API_URL, and firewalls on the way")
                .exit(Exit::TimedOut);
        }
        let mut innermost: &dyn Error = error;
        while let Some(cause) = innermost.source() {
            innermost = cause;
        }
        problem.because(innermost).next("start it there, or correct MAKEGOOD_API_URL (--api-url)")
    }

    /// What answers is not ours, or of another age.
    fn stranger(&self, why: &str) -> Problem {
        Problem::new(format!("what answers at {} is not understood", self.url))
            .because(why)
            .next("check MAKEGOOD_API_URL; the API and this command should be of one version")
    }
}

/// What went wrong, as the API says it.
fn trouble(status: StatusCode, failure: Failure) -> Trouble {
    let Failure { code, message, mut details, request_id } = failure;
    let refusal = details.get_mut("refusal").map(Value::take);
    let refusal = refusal.and_then(|refusal| serde_json::from_value::<Refusal>(refusal).ok());
    match (code.as_str(), refusal) {
        ("REFUSED", Some(refusal)) => return Trouble::Refused(Box::new(refusal)),
        ("RUN_NOT_FOUND", _) => return Trouble::RunNotFound,
        ("BULK_NOT_FOUND", _) => return Trouble::BulkNotFound,
        ("BULK_EXPIRED", _) => return Trouble::BulkExpired,
        ("SCHEDULE_NOT_FOUND", _) => return Trouble::ScheduleNotFound,
        ("BAD_SCHEDULE", _) => return Trouble::Engine(makegood::Error::InvalidSchedule(message)),
        ("BAD_QUEUE", _) => return Trouble::BadQueue(message),
        _ => {}
    }
    let exit = match status {
        StatusCode::NOT_FOUND => Exit::NotFound,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Exit::Conflict,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Exit::Usage,
        StatusCode::SERVICE_UNAVAILABLE => Exit::TimedOut,
        _ => Exit::Failed,
    };
    let next = details.get("next").and_then(Value::as_str).map(str::to_owned);
    let next = next.unwrap_or_else(|| format!("the API's log has more under request {request_id}"));
    Problem::new("the API did not do it").because(message).next(next).exit(exit).into()
}
