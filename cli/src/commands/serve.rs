//! What the servers have in common: start, say where they listen, wait, end in order.

use std::net::SocketAddr;

use crate::args::ProcessArgs;
use crate::exit::{Exit, Problem};
use crate::output;
use crate::signals::{Lifetime, Stop};

/// A server under way.
pub(crate) trait Server {
    /// Its name in the line that says where it listens.
    const ROLE: &'static str;

    /// Where it listens.
    fn addr(&self) -> SocketAddr;

    /// Waits until it can do its work no longer.
    fn failed(&self) -> impl Future<Output = ()> {
        std::future::pending()
    }

    /// Ends it in order.
    fn stop(self) -> impl Future<Output = Result<(), Problem>>;
}

/// Runs a server until it is told to end. Ctrl-C on the way ends it at once.
pub(crate) async fn serve<S: Server>(
    start: impl Future<Output = Result<S, Problem>>,
    args: &ProcessArgs,
) -> Result<Exit, Problem> {
    let lifetime = if args.exit_with_parent { Lifetime::WithParent } else { Lifetime::Own };
    let mut stop = Stop::listen(lifetime)?;
    let server = tokio::select! {
        started = start => started?,
        why = stop.requested() => {
            tracing::info!(why, "told to end before it had started");
            return Ok(Exit::Done);
        }
    };
    output::listening(server.addr(), S::ROLE);
    let why = tokio::select! {
        why = stop.requested() => why,
        () = server.failed() => "its own failure",
    };
    tracing::info!(why, role = S::ROLE, "ending in order; Ctrl-C ends at once");
    tokio::select! {
        ended = server.stop() => ended.map(|()| Exit::Done),
        () = stop.insisted() => Ok(Exit::Interrupted),
    }
}
