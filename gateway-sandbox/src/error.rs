//! Why a sandbox could not start. What it answers to a bad call is a `Refusal`, not one of these.

use std::{io, net::SocketAddr};

/// What keeps a sandbox from starting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The webhook address cannot be used.
    #[error("webhook address {url:?} cannot be used: {reason}")]
    WebhookUrl {
        /// The address given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client that sends webhooks could not be built.
    #[error("cannot build the webhook client")]
    Client(#[from] reqwest::Error),
    /// The client's TLS set-up failed.
    #[error("cannot set up the webhook client's tls")]
    Tls(#[from] rustls::Error),
}
