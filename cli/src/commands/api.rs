//! `makegood api`: serves the HTTP API until told to end.

use std::net::SocketAddr;

use api::{Api, Config, Keys, StartError};
use migrations::FILES;

use super::serve::{Server, serve};
use crate::args::ApiArgs;
use crate::exit::{Exit, Problem};
use crate::settings::ApiSettings;
use crate::{connect, logging, recorder};

/// The shop that is served.
const TENANT: &str = "retail";

pub(crate) async fn run(args: &ApiArgs) -> Result<Exit, Problem> {
    let settings = ApiSettings::read(args)?;
    logging::start(&settings.surroundings.log);
    serve(start(settings), &args.process).await
}

async fn start(settings: ApiSettings) -> Result<Api, Problem> {
    let database = connect::migrated(&settings.database).await?;
    let tenant = TENANT.parse().map_err(|e| Problem::new("no such shop").because(e))?;
    let keys = Keys {
        jwt_secret: settings.jwt_secret,
        gateway_key_id: settings.gateway.id,
        gateway_key_secret: settings.gateway.secret,
        webhook_secret: settings.webhook_secret,
        webhook_secret_previous: settings.webhook_secret_previous,
    };
    let config = Config {
        bind: settings.bind,
        token_ttl: settings.token_ttl,
        connections: settings.connections,
        secure_cookies: settings.secure_cookies,
        trusted_proxies: settings.trusted_proxies,
        migrations: FILES.iter().map(|file| file.name).collect(),
        ..Config::new(tenant, keys, recorder::install()?)
    };
    Api::start(config, &database).await.map_err(|error| refused(&error))
}

impl Server for Api {
    const ROLE: &'static str = "api";

    fn addr(&self) -> SocketAddr {
        Self::addr(self)
    }

    async fn stop(self) -> Result<(), Problem> {
        Self::stop(self).await;
        Ok(())
    }
}

fn refused(error: &StartError) -> Problem {
    let problem = Problem::new("the API cannot start").because(error);
    match error {
        StartError::Bind { .. } => {
            problem.next("free the address, or choose another with --api-bind")
        }
        StartError::Config(_) => problem.next("correct the settings").exit(Exit::Usage),
        StartError::Engine(_) | StartError::Passwords(_) => problem.next("run `makegood doctor`"),
    }
}
