//! The settings of the servers: `api`, `worker` and `gateway-sandbox`.

use std::net::SocketAddr;
use std::time::Duration;

use activities::gateway::{BreakerConfig, GatewayConfig};
use api::Network;
use makegood::{Retention, Schedule, WorkerConfig};
use secrecy::{ExposeSecret, SecretString};
use worker::Reconciling;

use super::faults::Wanted;
use super::gateway::{GatewayKeys, gateway};
use super::{DatabaseSettings, Faults, Profile, SERVER_LOG, Surroundings, odds};
use crate::args::{ApiArgs, SandboxArgs, WorkerArgs};
use crate::exit::Problem;

const JWT_SECRET: Wanted = Wanted {
    variable: "MAKEGOOD_JWT_SECRET",
    bytes: 32,
    next: "generate one, for instance with `openssl rand -hex 32`",
};

/// Too short a webhook secret can be guessed from one delivery.
const WEBHOOK_SECRET: Wanted = Wanted {
    variable: "MAKEGOOD_WEBHOOK_SECRET",
    bytes: 8,
    next: "generate one, such as with `openssl rand -hex 32`, and give it to the gateway's webhook",
};

const WEBHOOK_SECRET_PREVIOUS: Wanted = Wanted {
    variable: "MAKEGOOD_WEBHOOK_SECRET_PREVIOUS",
    next: "give the secret that was used before, or leave it out",
    ..WEBHOOK_SECRET
};

/// What `makegood api` is started with.
#[derive(Debug)]
pub(crate) struct ApiSettings {
    pub(crate) surroundings: Surroundings,
    pub(crate) database: DatabaseSettings,
    pub(crate) bind: SocketAddr,
    pub(crate) jwt_secret: SecretString,
    pub(crate) token_ttl: Duration,
    pub(crate) gateway: GatewayKeys,
    pub(crate) webhook_secret: SecretString,
    pub(crate) webhook_secret_previous: Option<SecretString>,
    pub(crate) connections: u32,
    /// Whether the console's cookie is for https alone.
    pub(crate) secure_cookies: bool,
    pub(crate) trusted_proxies: Vec<Network>,
}

impl ApiSettings {
    pub(crate) fn read(args: &ApiArgs) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let settings = Self::collect(args, &mut faults);
        faults.settle(settings)
    }

    fn collect(args: &ApiArgs, faults: &mut Faults) -> Option<Self> {
        let surroundings = Surroundings::read(&args.database.surroundings, SERVER_LOG, faults);
        let profile = surroundings.profile;
        let database = DatabaseSettings::read(&args.database, faults);
        let bind = bind("MAKEGOOD_API_BIND", &args.api_bind, faults);
        let jwt_secret = faults.secret(&JWT_SECRET, args.jwt_secret.as_ref(), profile);
        let ttl = &args.token_ttl_secs;
        let ttl = faults.number("MAKEGOOD_TOKEN_TTL_SECS", ttl, 60..=86_400, "seconds");
        let gateway = GatewayKeys::read(&args.gateway, profile, faults);
        let webhook_secret = faults.secret(&WEBHOOK_SECRET, args.webhook_secret.as_ref(), profile);
        let previous = args.webhook_secret_previous.as_ref();
        let previous = previous.filter(|secret| !secret.expose_secret().trim().is_empty());
        let webhook_secret_previous = previous
            .and_then(|secret| faults.secret(&WEBHOOK_SECRET_PREVIOUS, Some(secret), profile));
        let connections = &args.api_connections;
        let connections =
            faults.number("MAKEGOOD_API_CONNECTIONS", connections, 1..=100, "connections");
        let trusted_proxies = networks("MAKEGOOD_TRUSTED_PROXIES", &args.trusted_proxies, faults);
        Some(Self {
            surroundings,
            database: database?,
            bind: bind?,
            jwt_secret: jwt_secret?,
            token_ttl: Duration::from_secs(ttl?),
            gateway: gateway?,
            webhook_secret: webhook_secret?,
            webhook_secret_previous,
            connections: connections?,
            // On this machine alone there may be no proxy that speaks https.
            secure_cookies: profile == Profile::Production || !bind?.ip().is_loopback(),
            trusted_proxies: trusted_proxies?,
        })
    }
}

/// What `makegood worker` is started with.
#[derive(Debug)]
pub(crate) struct WorkerSettings {
    pub(crate) surroundings: Surroundings,
    pub(crate) database: DatabaseSettings,
    pub(crate) bind: SocketAddr,
    pub(crate) gateway: GatewayConfig,
    pub(crate) engine: WorkerConfig,
    pub(crate) reconciling: Reconciling,
}

impl WorkerSettings {
    pub(crate) fn read(args: &WorkerArgs) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let settings = Self::collect(args, &mut faults);
        faults.settle(settings)
    }

    fn collect(args: &WorkerArgs, faults: &mut Faults) -> Option<Self> {
        let surroundings = Surroundings::read(&args.database.surroundings, SERVER_LOG, faults);
        let database = DatabaseSettings::read(&args.database, faults);
        let bind = bind("MAKEGOOD_WORKER_BIND", &args.worker_bind, faults);
        let engine = engine(args, faults);
        let ms = &args.gateway_timeout_ms;
        let range = 100..=60_000;
        let timeout = faults.number("MAKEGOOD_GATEWAY_TIMEOUT_MS", ms, range, "milliseconds");
        let timeout = timeout.map(Duration::from_millis);
        let calls = &args.gateway_calls;
        let calls = faults.number("MAKEGOOD_GATEWAY_CALLS", calls, 1..=1_000, "calls");
        let breaker = breaker(args, faults);
        let url = args.gateway_url.as_deref();
        let gateway = gateway(url, &args.gateway, surroundings.profile, timeout, faults);
        let reconciling = reconciling(args, faults);
        let gateway = GatewayConfig { calls_at_once: calls?, breaker: breaker?, ..gateway? };
        Some(Self {
            surroundings,
            database: database?,
            bind: bind?,
            gateway,
            engine: engine?,
            reconciling: reconciling?,
        })
    }
}

fn breaker(args: &WorkerArgs, faults: &mut Faults) -> Option<BreakerConfig> {
    let failures = &args.gateway_breaker_failures;
    let failures = faults.number("MAKEGOOD_GATEWAY_BREAKER_FAILURES", failures, 1..=1_000, "calls");
    let pause = &args.gateway_breaker_pause_ms;
    let range = 30..=600_000;
    let pause = faults.number("MAKEGOOD_GATEWAY_BREAKER_PAUSE_MS", pause, range, "milliseconds");
    Some(BreakerConfig { failures: failures?, longest_pause: Duration::from_millis(pause?) })
}

fn reconciling(args: &WorkerArgs, faults: &mut Faults) -> Option<Reconciling> {
    let books = cron("MAKEGOOD_RECONCILE_CRON", &args.reconcile_cron, faults);
    let payouts = cron("MAKEGOOD_PAYOUT_CRON", &args.payout_cron, faults);
    let age = &args.reconcile_age_secs;
    let age_secs = faults.number("MAKEGOOD_RECONCILE_AGE_SECS", age, 0..=86_400, "seconds");
    Some(Reconciling {
        books: books?.expression(),
        payouts: payouts?.expression(),
        age_secs: age_secs?,
    })
}

/// When something is done by the clock.
enum Times {
    At(String),
    Never,
}

impl Times {
    fn expression(self) -> Option<String> {
        match self {
            Self::At(cron) => Some(cron),
            Self::Never => None,
        }
    }
}

/// A cron expression, or `never`.
fn cron(variable: &'static str, text: &str, faults: &mut Faults) -> Option<Times> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("never") {
        return Some(Times::Never);
    }
    if let Err(error) = Schedule::new(variable, text) {
        let next = "give five fields, such as */5 * * * *, or never";
        faults.add(variable, format!("cannot be used: {error}"), next);
        return None;
    }
    Some(Times::At(text.to_owned()))
}

fn engine(args: &WorkerArgs, faults: &mut Faults) -> Option<WorkerConfig> {
    let name = args.worker_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let name = name.map_or_else(|| format!("worker-{}", std::process::id()), str::to_owned);
    if name.chars().count() > 100 {
        faults.add("MAKEGOOD_WORKER_NAME", "is too long", "use 1 to 100 characters");
    }
    let queues = args.queues.split(',').map(str::trim).filter(|name| !name.is_empty());
    let queues: Vec<String> = queues.map(str::to_owned).collect();
    if queues.iter().any(|name| name.chars().count() > 100) {
        faults.add("MAKEGOOD_QUEUES", "has a name that is too long", "use 1 to 100 characters");
    }
    let lease = faults.number("MAKEGOOD_LEASE_SECS", &args.lease_secs, 1..=300, "seconds");
    let in_flight = faults.number("MAKEGOOD_IN_FLIGHT", &args.in_flight, 1..=65_536, "runs");
    let transactions = &args.transactions;
    let transactions = faults.number("MAKEGOOD_TRANSACTIONS", transactions, 1..=64, "connections");
    let drain = faults.number("MAKEGOOD_DRAIN_SECS", &args.drain_secs, 0..=300, "seconds");
    let archive = Term::read("MAKEGOOD_ARCHIVE_AFTER_DAYS", &args.archive_after_days, faults);
    let delete = Term::read("MAKEGOOD_DELETE_AFTER_DAYS", &args.delete_after_days, faults);
    let in_flight: usize = in_flight?;
    let config = WorkerConfig::default();
    Some(WorkerConfig {
        name,
        queues,
        lease: Duration::from_secs(lease?),
        claim_batch: config.claim_batch.min(in_flight),
        in_flight,
        transactions: transactions?,
        drain: Duration::from_secs(drain?),
        retention: Retention {
            archive_after: archive?.limit(),
            delete_after: delete?.limit(),
            ..Retention::default()
        },
        ..config
    })
}

/// How long something is kept.
enum Term {
    Limited(Duration),
    Unlimited,
}

impl Term {
    /// A number of days, or `never`.
    fn read(variable: &'static str, text: &str, faults: &mut Faults) -> Option<Self> {
        if text.trim().eq_ignore_ascii_case("never") {
            return Some(Self::Unlimited);
        }
        let days: u64 = faults.number(variable, text, 1..=3_650, "days (or `never`)")?;
        Some(Self::Limited(Duration::from_hours(days * 24)))
    }

    fn limit(self) -> Option<Duration> {
        match self {
            Self::Limited(limit) => Some(limit),
            Self::Unlimited => None,
        }
    }
}

/// What `makegood gateway-sandbox` is started with.
#[derive(Debug)]
pub(crate) struct SandboxSettings {
    pub(crate) surroundings: Surroundings,
    pub(crate) config: gateway_sandbox::Config,
}

impl SandboxSettings {
    pub(crate) fn read(args: &SandboxArgs) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let settings = Self::collect(args, &mut faults);
        faults.settle(settings)
    }

    fn collect(args: &SandboxArgs, faults: &mut Faults) -> Option<Self> {
        let surroundings = Surroundings::read(&args.surroundings, SERVER_LOG, faults);
        let profile = surroundings.profile;
        let bind = bind("MAKEGOOD_SANDBOX_BIND", &args.sandbox_bind, faults);
        let keys = GatewayKeys::read(&args.gateway, profile, faults);
        let webhook_secret = faults.secret(&WEBHOOK_SECRET, args.webhook_secret.as_ref(), profile);
        let url = args.sandbox_webhook_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let seed = &args.sandbox_seed;
        let seed = faults.number("MAKEGOOD_SANDBOX_SEED", seed, 0..=u64::MAX, "anything");
        let odds = odds::read(&args.sandbox_odds, faults);
        let keys = keys?;
        let config = gateway_sandbox::Config {
            bind: bind?,
            key_id: keys.id,
            key_secret: keys.secret,
            webhook_secret: webhook_secret?,
            webhook_url: url.map(str::to_owned),
            seed: seed?,
            odds: odds?,
            ..gateway_sandbox::Config::default()
        };
        Some(Self { surroundings, config })
    }
}

/// Addresses and networks with commas between; nothing is none.
fn networks(variable: &'static str, text: &str, faults: &mut Faults) -> Option<Vec<Network>> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    match names.map(str::parse).collect() {
        Ok(networks) => Some(networks),
        Err(error) => {
            let error: String = error;
            let next = "give addresses or networks, such as 10.0.0.0/8,192.0.2.7";
            faults.add(variable, format!("cannot be used: {error}"), next);
            None
        }
    }
}

fn bind(variable: &'static str, text: &str, faults: &mut Faults) -> Option<SocketAddr> {
    faults.parse(variable, text, "give an IP address and a port, such as 127.0.0.1:8080")
}
