//! A small shop that drives a sandbox of its own.

use std::{sync::Arc, time::Duration};

use gateway_sandbox::{Config, Sandbox};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde_json::{Value, json};

/// A sandbox and a client with its keys. It ends when dropped.
pub(crate) struct Shop {
    pub(crate) sandbox: Sandbox,
    pub(crate) http: Client,
    pub(crate) config: Config,
}

/// A status and a JSON body.
pub(crate) type Answer = (u16, Value);

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let sandbox = Sandbox::start(config.clone()).await.expect("the sandbox starts");
        Self { sandbox, http: client(), config }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.url())
    }

    /// A call under `/v1` with the right keys.
    pub(crate) fn v1(&self, method: Method, path: &str) -> RequestBuilder {
        use secrecy::ExposeSecret;
        let secret = self.config.key_secret.expose_secret();
        let url = self.url(&format!("/v1{path}"));
        self.http.request(method, url).basic_auth(&self.config.key_id, Some(secret))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        read(self.v1(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        read(self.v1(Method::POST, path).json(&body)).await
    }

    /// A call the developer makes; it has to succeed.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Value) -> Value {
        let url = self.url(&format!("/sandbox{path}"));
        let (status, answer) = read(self.http.request(method, url).json(&body)).await;
        assert!((200..300).contains(&status), "{path} answered {status}: {answer}");
        answer
    }

    pub(crate) async fn fault(&self, fault: Value) {
        self.admin(Method::POST, "/faults", fault).await;
    }

    pub(crate) async fn truth(&self) -> Value {
        self.admin(Method::GET, "/state", json!({})).await
    }

    /// Makes an order of INR 500.00 and gives its id.
    pub(crate) async fn order(&self, receipt: &str) -> String {
        let body = json!({"amount": 50_000, "currency": "INR", "receipt": receipt});
        let (status, order) = self.post("/orders", body).await;
        assert_eq!(status, 200, "{order}");
        text(&order, "/id")
    }

    /// An order that waits for the merchant to capture.
    pub(crate) async fn manual_order(&self, receipt: &str) -> String {
        let body = json!({"amount": 50_000, "currency": "INR", "receipt": receipt,
            "payment": {"capture": "manual"}});
        text(&self.post("/orders", body).await.1, "/id")
    }

    /// The customer pays; `extra` is merged into what the page sends.
    pub(crate) async fn pay(&self, order_id: &str, extra: Value) -> Answer {
        let mut body = json!({"order_id": order_id, "method": "upi", "vpa": "success@razorpay"});
        for (name, value) in extra.as_object().expect("an object") {
            body[name] = value.clone();
        }
        read(self.http.post(self.url("/checkout/pay")).json(&body)).await
    }

    /// The customer pays and it works: the payment's id.
    pub(crate) async fn paid(&self, order_id: &str) -> String {
        let (status, paid) = self.pay(order_id, json!({})).await;
        assert_eq!(status, 200, "{paid}");
        text(&paid, "/razorpay_payment_id")
    }
}

/// A client for plain HTTP that gives up after 10 s.
pub(crate) fn client() -> Client {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let builder = Client::builder().tls_backend_preconfigured(tls).no_proxy();
    builder.timeout(Duration::from_secs(10)).build().expect("a client")
}

/// Sends and reads; an empty body is null.
pub(crate) async fn read(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let bytes = answer.bytes().await.expect("a body");
    if bytes.is_empty() || status == StatusCode::NO_CONTENT {
        return (status.as_u16(), Value::Null);
    }
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    (status.as_u16(), body)
}

/// The string at a JSON pointer.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text at {pointer} in {value}")).to_owned()
}
