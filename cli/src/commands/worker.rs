//! `makegood worker`: runs the steps of the checkouts until told to end.

use std::net::SocketAddr;

use worker::{Config, Error, WorkerProcess};

use super::serve::{Server, serve};
use crate::args::WorkerArgs;
use crate::exit::{Exit, Problem};
use crate::settings::WorkerSettings;
use crate::{connect, logging, recorder};

pub(crate) async fn run(args: &WorkerArgs) -> Result<Exit, Problem> {
    let settings = WorkerSettings::read(args)?;
    logging::start(&settings.surroundings.log);
    Box::pin(serve(start(settings), &args.process)).await
}

async fn start(settings: WorkerSettings) -> Result<WorkerProcess, Problem> {
    let database = connect::migrated(&settings.database).await?;
    let WorkerSettings { bind, gateway, engine, reconciling, .. } = settings;
    let config = Config { bind, engine, metrics: recorder::install()? };
    let started = WorkerProcess::start(gateway, reconciling, config, &database);
    started.await.map_err(|error| refused(&error))
}

impl Server for WorkerProcess {
    const ROLE: &'static str = "worker";

    fn addr(&self) -> SocketAddr {
        Self::addr(self)
    }

    async fn failed(&self) {
        Self::failed(self).await;
    }

    async fn stop(self) -> Result<(), Problem> {
        Self::stop(self).await.map_err(|error| match error {
            Error::Engine(makegood::Error::Unfit(_)) => {
                Problem::new("the worker can do its work no longer")
                    .because(error)
                    .next("start it anew: other workers have its runs, or get them soon")
            }
            error => Problem::new("the worker ended without handing all of its runs back")
                .because(error)
                .next("nothing: other workers take them over when its lease has run out"),
        })
    }
}

/// Why a worker did not start, and what to do about it.
pub(super) fn refused(error: &Error) -> Problem {
    let next = match error {
        Error::Bind { .. } => "free the address, or choose another with --worker-bind",
        Error::Gateway(_) => "correct MAKEGOOD_GATEWAY_URL and the gateway's keys",
        Error::Engine(_) | Error::DrainTimedOut(_) => "run `makegood doctor`",
    };
    Problem::new("the worker cannot start").because(error).next(next)
}
