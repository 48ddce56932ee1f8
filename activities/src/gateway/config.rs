//! Where the payment gateway is, with which keys, and how long one call may take.
//! It never installs anything in the process by itself: see [`install_tls`].

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use reqwest::redirect::Policy;
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};

use super::breaker::BreakerConfig;
use super::error::GatewayError;

const USER_AGENT: &str = concat!("makegood/", env!("CARGO_PKG_VERSION"));

/// How to reach the gateway. The sandbox and the real service differ by these values alone.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Scheme and host, without the `/v1`: `https://api.razorpay.com`. Keys that move real money
    /// (`rzp_live_...`) travel over https, or not at all beyond this machine.
    pub base_url: String,
    /// The public half of the key pair, `rzp_test_...` or `rzp_live_...`.
    pub key_id: String,
    /// The secret half; masked wherever this is printed.
    pub key_secret: SecretString,
    /// The longest that one call may take, body included; 4 s by default.
    pub timeout: Duration,
    /// The longest that opening a connection may take; 1 s by default. Keep it below `timeout`: only
    /// a connection that never stood proves that nothing was sent.
    pub connect_timeout: Duration,
    /// The most calls under way at once; 64 by default. Others wait their turn.
    pub calls_at_once: usize,
    /// When calls are held back because the gateway does not answer.
    pub breaker: BreakerConfig,
}

impl GatewayConfig {
    /// A gateway at this address with these keys and the default time limits.
    pub fn new(base_url: &str, key_id: &str, key_secret: SecretString) -> Self {
        Self {
            base_url: base_url.to_owned(),
            key_id: key_id.to_owned(),
            key_secret,
            timeout: Duration::from_secs(4),
            connect_timeout: Duration::from_secs(1),
            calls_at_once: 64,
            breaker: BreakerConfig::default(),
        }
    }

    /// The checked base address.
    pub(super) fn address(&self) -> Result<Url, GatewayError> {
        let fault = |what: &str| GatewayError::misconfigured(format!("gateway address: {what}"));
        let url = Url::parse(&self.base_url).map_err(|e| fault(&e.to_string()))?;
        let Some(host) = url.host_str() else {
            return Err(fault("it has no host"));
        };
        let is_local = host == "localhost"
            || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if is_local || !self.key_id.starts_with("rzp_live_") => {}
            "http" => return Err(fault("live keys need https")),
            _ => return Err(fault("it must begin with https:// or http://")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault("keys do not belong into it"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(fault("it must end with the host or a path"));
        }
        if url.path().trim_end_matches('/').ends_with("/v1") {
            return Err(fault("leave out the /v1"));
        }
        if self.key_id.is_empty() || self.key_secret.expose_secret().is_empty() {
            return Err(GatewayError::misconfigured("gateway keys: id or secret is empty"));
        }
        Ok(url)
    }

    /// The HTTP client for `address`: no redirects, which would repeat a call elsewhere, and no
    /// retries, which are the engine's.
    pub(super) fn http_client(&self, address: &Url) -> Result<reqwest::Client, GatewayError> {
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .timeout(self.timeout)
            .connect_timeout(self.connect_timeout);
        let builder = if address.scheme() == "https" {
            if CryptoProvider::get_default().is_none() {
                return Err(GatewayError::misconfigured("no TLS provider: call install_tls first"));
            }
            builder.https_only(true)
        } else {
            builder.no_proxy().tls_backend_preconfigured(trusting_nobody()?)
        };
        builder.build().map_err(|_| {
            GatewayError::misconfigured("no HTTP client: are the system's CA certificates there?")
        })
    }
}

/// Makes ring the process's TLS provider unless it has one. A process that speaks https to the
/// gateway calls this once, at its start; plain http needs nothing.
pub fn install_tls() {
    // An error says that another thread was first, which serves as well.
    ring::default_provider().install_default().ok();
}

/// TLS settings for a client that only speaks plain http: building them reads no certificate
/// from the system and needs no provider in the process.
fn trusting_nobody() -> Result<ClientConfig, GatewayError> {
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|_| GatewayError::misconfigured("the TLS provider has no protocol version"))?;
    Ok(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(base_url: &str, key_id: &str) -> GatewayConfig {
        GatewayConfig::new(base_url, key_id, SecretString::from("hush-hush"))
    }

    #[test]
    fn a_printed_configuration_does_not_show_the_secret() {
        let printed = format!("{:?}", config("https://api.razorpay.com", "rzp_test_1"));
        assert!(printed.contains("rzp_test_1"), "the rest is shown: {printed}");
        assert!(!printed.contains("hush"), "the secret is masked: {printed}");
    }

    #[test]
    fn live_keys_never_travel_in_clear_text() {
        for url in ["https://api.razorpay.com", "http://127.0.0.1:80", "http://[::1]:80"] {
            assert!(config(url, "rzp_live_1").address().is_ok(), "{url} is safe");
        }
        assert!(config("http://api.razorpay.com", "rzp_live_1").address().is_err());
        assert!(config("http://sandbox:8080", "rzp_test_1").address().is_ok());
    }

    #[test]
    fn a_wrong_address_is_refused_at_the_start() {
        for url in
            ["", "api.razorpay.com", "ftp://a", "https://a/v1/", "https://u:p@a", "https://a?b"]
        {
            assert!(config(url, "rzp_test_1").address().is_err(), "{url} is refused");
        }
        assert!(config("https://api.razorpay.com", "").address().is_err());
    }
}
