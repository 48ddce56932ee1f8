//! Why a worker process cannot start or could not end in order; the variant says what to look at.

use std::net::SocketAddr;
use std::time::Duration;

/// An error of the worker process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The health address is taken or not this machine's: choose another.
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// The system's word.
        source: std::io::Error,
    },
    /// The gateway's address or keys cannot be used.
    #[error(transparent)]
    Gateway(#[from] activities::gateway::GatewayError),
    /// The engine could not start, or could not hand its runs back.
    #[error(transparent)]
    Engine(#[from] makegood::Error),
    /// The runs could not be handed back in time: others take them over when the lease runs out.
    #[error("draining took longer than {} ms; what is left is taken over", .0.as_millis())]
    DrainTimedOut(Duration),
}
