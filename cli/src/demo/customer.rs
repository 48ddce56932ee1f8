//! A customer's browser: calls of the shop's API and of the gateway's checkout page, over HTTP.
//! It knows no database, and no secret but the one for the gateway's dashboard, if it is given.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail, ensure};
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect::Policy};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::diary::Diary;

/// How long customers wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For one answer.
    pub(crate) call: Duration,
    /// With the same call, when the shop asks to try again or does not answer.
    pub(crate) whole: Duration,
}

const PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Patience =
    Patience { call: Duration::from_secs(15), whole: Duration::from_secs(30) };

/// Where the shop and the gateway are.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    http: Client,
    shop: String,
    gateway: String,
    /// Where the gateway's webhooks belong.
    webhooks: String,
    /// What the gateway's dashboard is opened with.
    keys: Option<(String, SecretString)>,
    /// Where every promise of the shop is written down.
    diary: Option<Arc<Diary>>,
    patience: Patience,
}

/// What an address answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The whole body.
    pub(crate) body: Value,
}

impl Answer {
    /// A text in the answer, by its JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> anyhow::Result<&str> {
        let found = self.body.pointer(pointer).and_then(Value::as_str);
        found.ok_or_else(|| anyhow!("no {pointer} in the answer {self}"))
    }

    /// The stable code of an error.
    pub(crate) fn code(&self) -> &str {
        self.body.pointer("/error/code").and_then(Value::as_str).unwrap_or("")
    }

    /// The answer, if it has this status.
    pub(crate) fn expect(self, status: StatusCode, call: &str) -> anyhow::Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        bail!("{call}: expected {}, got {self}", status.as_u16())
    }

    pub(super) fn is_worth_another_try(&self) -> bool {
        let retryable = self.body.pointer("/error/retryable").and_then(Value::as_bool);
        self.status.is_server_error() && retryable != Some(false)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.body)
    }
}

/// A call, as it is sent and sent again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// The path under the shop's address.
    pub(crate) path: &'a str,
    /// The customer's token.
    pub(crate) token: Option<&'a str>,
    /// The name of the intention.
    pub(crate) key: Option<&'a str>,
}

/// A client for plain HTTP that goes where it is told and nowhere else.
pub(crate) fn plain_http() -> anyhow::Result<Client> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let http = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .connect_timeout(Duration::from_secs(5))
        // Customers share this: one must not meet the dead connections of another, one by one.
        .pool_idle_timeout(Duration::from_secs(2))
        .no_proxy()
        .build()?;
    Ok(http)
}

impl Web {
    /// The shop at `shop`, the gateway at `gateway`.
    pub(crate) fn new(shop: String, gateway: String) -> anyhow::Result<Self> {
        // Plain HTTP on this machine: no authority is trusted, so none need be installed.
        let http = plain_http()?;
        let webhooks = webhook_url(&shop);
        Ok(Self { http, shop, gateway, webhooks, keys: None, diary: None, patience: PATIENCE })
    }

    /// The same with another way for webhooks, to the shop as it is seen at `url`.
    pub(crate) fn with_webhooks_to(self, url: &str) -> Self {
        Self { webhooks: webhook_url(url), ..self }
    }

    /// The same for people who wait otherwise.
    pub(crate) fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The same for somebody who writes down what the shop promised.
    pub(crate) fn with_diary(self, diary: Arc<Diary>) -> Self {
        Self { diary: Some(diary), ..self }
    }

    /// The same for somebody who may use the gateway's dashboard.
    pub(crate) fn with_dashboard(self, key_id: String, key_secret: SecretString) -> Self {
        Self { keys: Some((key_id, key_secret)), ..self }
    }

    /// A request for a path of the shop, not yet sent.
    pub(crate) fn get(&self, path: &str, token: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.shop)).bearer_auth(token)
    }

    /// Reads a path of the shop once.
    pub(crate) async fn read(&self, path: &str, token: &str) -> anyhow::Result<Answer> {
        let answer = answer(self.get(path, token)).await?;
        self.write_down(path, None, &answer)?;
        Ok(answer)
    }

    /// What the shop said; before anything else is asked of it.
    fn write_down(&self, path: &str, key: Option<&str>, answer: &Answer) -> anyhow::Result<()> {
        match (&self.diary, answer.body.get("data")) {
            (Some(diary), Some(told)) if answer.status.is_success() => {
                diary.write(path, key, answer.status.as_u16(), told)
            }
            _ => Ok(()),
        }
    }

    /// The status that an order's stream showed.
    pub(crate) fn saw(&self, path: &str, status: &str) -> anyhow::Result<()> {
        let told = json!({"status": status});
        self.diary.as_ref().map_or(Ok(()), |diary| diary.write(path, None, 200, &told))
    }

    /// Posts to the shop, and again while it asks for that or does not answer.
    pub(crate) async fn post(&self, call: Call<'_>, body: &Value) -> anyhow::Result<Answer> {
        let deadline = Instant::now() + self.patience.whole;
        loop {
            let mut request = self.http.post(format!("{}{}", self.shop, call.path)).json(body);
            request = request.timeout(self.patience.call);
            if let Some(token) = call.token {
                request = request.bearer_auth(token);
            }
            if let Some(key) = call.key {
                request = request.header("idempotency-key", key);
            }
            let asking = self.diary.as_ref().map(|diary| diary.ask(call.path));
            let answer = answer(request).await.with_context(|| format!("POST {}", call.path));
            drop(asking);
            let again = answer.as_ref().map_or(true, Answer::is_worth_another_try);
            if !again || Instant::now() > deadline {
                if let Ok(answer) = &answer {
                    self.write_down(call.path, call.key, answer)?;
                }
                return answer;
            }
            sleep(PAUSE).await;
        }
    }

    /// Registers a customer and answers the token of a first login.
    pub(crate) async fn sign_up(&self, email: &str, password: &str) -> anyhow::Result<String> {
        let body = json!({"email": email, "password": password});
        let open = |path| Call { path, token: None, key: None };
        let registered = self.post(open("/api/v1/auth/register"), &body).await?;
        if registered.code() != "EMAIL_TAKEN" {
            registered.expect(StatusCode::CREATED, "register")?;
        }
        let login = self.post(open("/api/v1/auth/login"), &body).await?;
        let login = login.expect(StatusCode::OK, "login")?;
        Ok(login.text("/data/access_token")?.to_owned())
    }

    /// A webhook that nobody but the gateway could have signed, signed by somebody else.
    pub(crate) async fn forge_webhook(&self, body: &Value) -> anyhow::Result<Answer> {
        let deadline = Instant::now() + self.patience.whole;
        loop {
            let forged = self.http.post(self.webhook_url()).timeout(self.patience.call);
            let forged = forged.header("x-razorpay-signature", "0".repeat(64));
            let forged = forged.header("x-razorpay-event-id", "evt_forged").json(body);
            let answer = answer(forged).await;
            let again = answer.as_ref().map_or(true, Answer::is_worth_another_try);
            if !again || Instant::now() > deadline {
                return answer;
            }
            sleep(PAUSE).await;
        }
    }

    /// The customer presses a button on the gateway's page.
    pub(crate) async fn pay(&self, attempt: &Value) -> anyhow::Result<Answer> {
        let button = self.http.post(format!("{}/checkout/pay", self.gateway));
        answer(button.timeout(self.patience.call).json(attempt)).await
    }

    /// Plants a fault in the gateway.
    pub(crate) async fn plant(&self, fault: &Value) -> anyhow::Result<()> {
        self.meddle(Method::POST, "faults", fault).await
    }

    /// The hand behind the gateway's curtain moves.
    pub(crate) async fn meddle(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<()> {
        let call = self.http.request(method, format!("{}/sandbox/{path}", self.gateway));
        let done = answer(call.timeout(self.patience.call).json(body)).await?;
        ensure!(done.status.is_success(), "/sandbox/{path}: {done}");
        Ok(())
    }

    /// A call of the gateway's own API, as its dashboard makes them.
    pub(crate) fn dashboard(&self, path: &str) -> RequestBuilder {
        let call = self.http.post(format!("{}/v1/{path}", self.gateway));
        let call = call.timeout(self.patience.call);
        match &self.keys {
            Some((key_id, secret)) => call.basic_auth(key_id, Some(secret.expose_secret())),
            None => call,
        }
    }

    /// Where the gateway's webhooks belong.
    pub(crate) fn webhook_url(&self) -> String {
        self.webhooks.clone()
    }

    /// The gateway's own books.
    pub(crate) async fn gateway_books<B: serde::de::DeserializeOwned>(&self) -> anyhow::Result<B> {
        let request = self.http.get(format!("{}/sandbox/state", self.gateway));
        let response = request.timeout(PATIENCE.call * 8).send().await?.error_for_status()?;
        Ok(response.json().await?)
    }
}

fn webhook_url(shop: &str) -> String {
    format!("{shop}/api/v1/webhooks/razorpay")
}

/// Sends a request and reads its answer.
pub(crate) async fn answer(request: RequestBuilder) -> anyhow::Result<Answer> {
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status, body })
}
