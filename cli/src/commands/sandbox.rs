//! `makegood gateway-sandbox`: serves a payment gateway that moves no money.

use std::net::SocketAddr;

use gateway_sandbox::{Error, Sandbox};

use super::serve::{Server, serve};
use crate::args::SandboxArgs;
use crate::exit::{Exit, Problem};
use crate::logging;
use crate::settings::{Profile, SandboxSettings};

pub(crate) async fn run(args: &SandboxArgs) -> Result<Exit, Problem> {
    let SandboxSettings { surroundings, config } = SandboxSettings::read(args)?;
    if surroundings.profile == Profile::Production {
        return Err(Problem::new("the gateway sandbox does not run in production")
            .because("orders would be settled with money that does not exist")
            .next("set MAKEGOOD_PROFILE to development or test")
            .exit(Exit::Usage));
    }
    logging::start(&surroundings.log);
    let start = async move { Sandbox::start(config).await.map_err(|error| refused(&error)) };
    serve(start, &args.process).await
}

impl Server for Sandbox {
    const ROLE: &'static str = "gateway-sandbox";

    fn addr(&self) -> SocketAddr {
        Self::addr(self)
    }

    async fn stop(self) -> Result<(), Problem> {
        Self::stop(self).await;
        Ok(())
    }
}

fn refused(error: &Error) -> Problem {
    Problem::new("the gateway sandbox cannot start")
        .because(error)
        .next("check --sandbox-bind and --sandbox-webhook-url")
}
