//! What the API is started with; a caller fills it in from flags and environment.
//! Its `Debug` form shows no secret.

use std::net::SocketAddr;
use std::time::Duration;

use domain::TenantId;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::{ExposeSecret, SecretString};

use crate::client_address::Network;

/// Everything the API needs to know. [`Config::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 picks a free one. Default `127.0.0.1:8080`.
    pub bind: SocketAddr,
    /// The shop that this API serves. Default `retail`.
    pub tenant: TenantId,
    /// Connections to the database, the engine's client aside; 1 to 100. Default 16.
    pub connections: u32,
    /// How long an access token is valid. Default 1 h.
    pub token_ttl: Duration,
    /// How long create-session and verify wait for the saga before they say "not yet". Default 5 s.
    pub settle_wait: Duration,
    /// The longest that a request may take, streams aside. Default 15 s.
    pub request_timeout: Duration,
    /// The pause between two looks for webhooks that matched no payment. Default 1 s.
    pub retry_every: Duration,
    /// How long `stop` lets requests under way finish. Default 10 s.
    pub drain: Duration,
    /// The migrations without which `/readyz` is not ready, by name. Default none.
    pub migrations: Vec<&'static str>,
    /// Renders `/metrics`; the process installs its recorder.
    pub metrics: PrometheusHandle,
    /// Whether the console's cookie is for https alone; otherwise it may only listen on this machine.
    /// Default true.
    pub secure_cookies: bool,
    /// Proxies whose word counts on where a request comes from (`X-Forwarded-For`, `Forwarded`).
    /// Default none: it comes from the connection's other end.
    pub trusted_proxies: Vec<Network>,
    /// The secrets.
    pub keys: Keys,
}

/// The API's secrets, and the public half of the gateway's key pair.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Signs access tokens; at least 32 bytes.
    pub jwt_secret: SecretString,
    /// The public half of the gateway's key pair, which the checkout page needs.
    pub gateway_key_id: String,
    /// The secret half, under which the gateway signs what its checkout page hands back.
    pub gateway_key_secret: SecretString,
    /// The secret under which the gateway signs webhooks.
    pub webhook_secret: SecretString,
    /// The one before, still accepted while it is being replaced.
    pub webhook_secret_previous: Option<SecretString>,
}

impl Config {
    /// The defaults, with these secrets.
    pub fn new(tenant: TenantId, keys: Keys, metrics: PrometheusHandle) -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tenant,
            connections: 16,
            token_ttl: Duration::from_hours(1),
            settle_wait: Duration::from_secs(5),
            request_timeout: Duration::from_secs(15),
            retry_every: Duration::from_secs(1),
            drain: Duration::from_secs(10),
            migrations: Vec::new(),
            metrics,
            secure_cookies: true,
            trusted_proxies: Vec::new(),
            keys,
        }
    }

    /// What makes this configuration unusable, in words; nothing when it is fine.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut require = |fine: bool, what: &str| {
            if !fine {
                faults.push(what.to_owned());
            }
        };
        let filled = |secret: &SecretString| !secret.expose_secret().is_empty();
        let keys = &self.keys;
        require(
            keys.jwt_secret.expose_secret().len() >= 32,
            "the token secret needs at least 32 bytes",
        );
        require(!keys.gateway_key_id.is_empty(), "the gateway's key id is empty");
        require(filled(&keys.gateway_key_secret), "the gateway's key secret is empty");
        require(filled(&keys.webhook_secret), "the webhook secret is empty");
        require(
            keys.webhook_secret_previous.as_ref().is_none_or(filled),
            "the previous webhook secret is empty: leave it out instead",
        );
        require(
            self.secure_cookies || self.bind.ip().is_loopback(),
            "the console's cookie must be for https alone when others than this machine can reach it",
        );
        require((1..=100).contains(&self.connections), "connections are 1 to 100");
        require(!self.token_ttl.is_zero(), "the lifetime of a token is zero");
        require(
            self.request_timeout > self.settle_wait,
            "the request timeout must be longer than the wait for a settlement",
        );
        faults
    }
}
