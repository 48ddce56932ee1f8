//! Typed settings out of text from flags and variables. Every fault is kept and named at the end;
//! nothing is started with half of its settings.

mod database;
mod desk;
mod faults;
mod gateway;
mod odds;
mod serve;

use std::str::FromStr;

use tracing_subscriber::EnvFilter;

pub(crate) use self::database::DatabaseSettings;
pub(crate) use self::desk::DeskSettings;
pub(crate) use self::faults::Faults;
pub(crate) use self::gateway::gateway;
pub(crate) use self::serve::{ApiSettings, SandboxSettings, WorkerSettings};
use crate::args::SurroundingsArgs;
use crate::logging::{LogFormat, LogSettings};

/// What the deployment is for. It decides which secrets and keys are accepted, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// A developer's machine.
    Development,
    /// Tests and demos: placeholder secrets are accepted.
    Test,
    /// Real money.
    Production,
}

impl FromStr for Profile {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "development" => Ok(Self::Development),
            "test" => Ok(Self::Test),
            "production" => Ok(Self::Production),
            _ => Err("is not a profile"),
        }
    }
}

/// The usual log of a server.
const SERVER_LOG: &str = "info";

/// The usual log of a command that answers a person.
const OPERATOR_LOG: &str = "warn";

/// What every command knows.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) profile: Profile,
    pub(crate) log: LogSettings,
}

impl Surroundings {
    /// Reads them; where one is wrong the rest is checked as in development. `usual_log` is the
    /// filter of the log unless another is set.
    pub(crate) fn read(args: &SurroundingsArgs, usual_log: &str, faults: &mut Faults) -> Self {
        let next = "choose development, test or production";
        let profile = faults.parse("MAKEGOOD_PROFILE", &args.profile, next);
        let profile = profile.unwrap_or(Profile::Development);
        let log = args.log.as_deref().map(str::trim).filter(|log| !log.is_empty());
        let filter = log.unwrap_or(usual_log).to_owned();
        if EnvFilter::try_new(&filter).is_err() {
            let next = "use a level such as info, or targets such as info,makegood=debug";
            faults.add("MAKEGOOD_LOG", "is not a log filter", next);
        }
        let format = match args.log_format.as_deref().map(str::trim) {
            None | Some("") if profile == Profile::Production => LogFormat::Json,
            None | Some("" | "text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(_) => {
                faults.add("MAKEGOOD_LOG_FORMAT", "is not a log format", "choose text or json");
                LogFormat::Text
            }
        };
        Self { profile, log: LogSettings { filter, format } }
    }
}
