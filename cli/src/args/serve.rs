//! The arguments of the servers: `api`, `worker` and `gateway-sandbox`.

use clap::Args;
use secrecy::SecretString;

use super::{DatabaseArgs, ProcessArgs, SurroundingsArgs};

#[derive(Debug, Clone, Args)]
pub(crate) struct ApiArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Where to listen, host and port; port 0 picks a free one.
    #[arg(long, env = "MAKEGOOD_API_BIND", value_name = "ADDRESS")]
    #[arg(default_value = "127.0.0.1:8080")]
    pub(crate) api_bind: String,
    /// Signs access tokens: at least 32 bytes, random, no placeholder; required.
    #[arg(long, env = "MAKEGOOD_JWT_SECRET", hide_env_values = true)]
    #[arg(value_name = "SECRET")]
    pub(crate) jwt_secret: Option<SecretString>,
    /// How long an access token lasts, in seconds, 60 to 86400.
    #[arg(long, env = "MAKEGOOD_TOKEN_TTL_SECS", value_name = "SECONDS", default_value = "3600")]
    pub(crate) token_ttl_secs: String,
    #[command(flatten)]
    pub(crate) gateway: GatewayKeyArgs,
    /// Checks the signature of webhooks; no placeholder; required.
    #[arg(long, env = "MAKEGOOD_WEBHOOK_SECRET", hide_env_values = true)]
    #[arg(value_name = "SECRET")]
    pub(crate) webhook_secret: Option<SecretString>,
    /// The webhook secret before the last change, accepted too while the gateway rotates.
    #[arg(long, env = "MAKEGOOD_WEBHOOK_SECRET_PREVIOUS", hide_env_values = true)]
    #[arg(value_name = "SECRET")]
    pub(crate) webhook_secret_previous: Option<SecretString>,
    /// Proxies that say truly where a request comes from, as addresses or networks with commas
    /// between, such as 10.0.0.0/8.
    #[arg(long, env = "MAKEGOOD_TRUSTED_PROXIES", value_name = "NETWORKS", default_value = "")]
    pub(crate) trusted_proxies: String,
    /// Connections to the database for requests, 1 to 100.
    #[arg(long, env = "MAKEGOOD_API_CONNECTIONS", value_name = "NUMBER", default_value = "16")]
    pub(crate) api_connections: String,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Where health and metrics are served, host and port; port 0 picks a free one.
    #[arg(long, env = "MAKEGOOD_WORKER_BIND", value_name = "ADDRESS")]
    #[arg(default_value = "127.0.0.1:8081")]
    pub(crate) worker_bind: String,
    /// How a person recognizes this worker, 1 to 100 characters [default: worker- and its pid].
    #[arg(long, env = "MAKEGOOD_WORKER_NAME", value_name = "NAME")]
    pub(crate) worker_name: Option<String>,
    /// The queues that it serves, separated by commas; all of them when empty.
    #[arg(long, env = "MAKEGOOD_QUEUES", value_name = "NAMES", default_value = "")]
    pub(crate) queues: String,
    /// How long a silent worker keeps its runs, in seconds, 1 to 300: those of a crashed one move
    /// again after at most twice this.
    #[arg(long, env = "MAKEGOOD_LEASE_SECS", value_name = "SECONDS", default_value = "15")]
    pub(crate) lease_secs: String,
    /// Runs in memory at once, 1 to 65536.
    #[arg(long, env = "MAKEGOOD_IN_FLIGHT", value_name = "RUNS", default_value = "2048")]
    pub(crate) in_flight: String,
    /// Connections to the database for steps in transactions, 1 to 64.
    #[arg(long, env = "MAKEGOOD_TRANSACTIONS", value_name = "NUMBER", default_value = "6")]
    pub(crate) transactions: String,
    /// How long calls under way may still take when it is told to end, in seconds, 0 to 300.
    #[arg(long, env = "MAKEGOOD_DRAIN_SECS", value_name = "SECONDS", default_value = "10")]
    pub(crate) drain_secs: String,
    /// How long an ended run stays among the live ones before it moves into the archive, where it
    /// can still be read, in days, 1 to 3650, or `never`; the same for all workers.
    #[arg(long, env = "MAKEGOOD_ARCHIVE_AFTER_DAYS", value_name = "DAYS", default_value = "7")]
    pub(crate) archive_after_days: String,
    /// How long after its end a run is deleted, in days, 1 to 3650, or `never`; the same for all
    /// workers.
    #[arg(long, env = "MAKEGOOD_DELETE_AFTER_DAYS", value_name = "DAYS", default_value = "never")]
    pub(crate) delete_after_days: String,
    /// The payment gateway, scheme and host without /v1, such as `https://gateway.example`;
    /// required.
    #[arg(long, env = "MAKEGOOD_GATEWAY_URL", value_name = "URL")]
    pub(crate) gateway_url: Option<String>,
    #[command(flatten)]
    pub(crate) gateway: GatewayKeyArgs,
    /// The longest that one call to the gateway may take, in milliseconds, 100 to 60000.
    #[arg(long, env = "MAKEGOOD_GATEWAY_TIMEOUT_MS", value_name = "MILLISECONDS")]
    #[arg(default_value = "4000")]
    pub(crate) gateway_timeout_ms: String,
    /// The most calls to the gateway under way at once, 1 to 1000; others wait their turn.
    #[arg(long, env = "MAKEGOOD_GATEWAY_CALLS", value_name = "CALLS", default_value = "64")]
    pub(crate) gateway_calls: String,
    /// After so many calls of the gateway in a row without a usable answer, 1 to 1000, calls are
    /// held back and checkouts wait.
    #[arg(long, env = "MAKEGOOD_GATEWAY_BREAKER_FAILURES", value_name = "CALLS")]
    #[arg(default_value = "5")]
    pub(crate) gateway_breaker_failures: String,
    /// The longest pause between two trial calls meanwhile, in milliseconds, 30 to 600000; the
    /// first is a thirtieth of it.
    #[arg(long, env = "MAKEGOOD_GATEWAY_BREAKER_PAUSE_MS", value_name = "MILLISECONDS")]
    #[arg(default_value = "30000")]
    pub(crate) gateway_breaker_pause_ms: String,
    /// When the books are compared with the gateway: a cron expression in UTC, or `never`. Refunds
    /// are looked through whatever this says, every ten minutes.
    #[arg(
        long,
        env = "MAKEGOOD_RECONCILE_CRON",
        value_name = "CRON",
        default_value = "*/5 * * * *"
    )]
    pub(crate) reconcile_cron: String,
    /// How old an unpaid payment is before the gateway is asked about it, in seconds, 0 to 86400.
    #[arg(long, env = "MAKEGOOD_RECONCILE_AGE_SECS", value_name = "SECONDS", default_value = "60")]
    pub(crate) reconcile_age_secs: String,
    /// When what the gateway paid out is compared with the ledger: a cron expression in UTC, or
    /// `never`.
    #[arg(long, env = "MAKEGOOD_PAYOUT_CRON", value_name = "CRON", default_value = "30 2 * * *")]
    pub(crate) payout_cron: String,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SandboxArgs {
    /// Where to listen, host and port; port 0 picks a free one.
    #[arg(long, env = "MAKEGOOD_SANDBOX_BIND", value_name = "ADDRESS")]
    #[arg(default_value = "127.0.0.1:8090")]
    pub(crate) sandbox_bind: String,
    #[command(flatten)]
    pub(crate) gateway: GatewayKeyArgs,
    /// Signs webhooks; no placeholder; required.
    #[arg(long, env = "MAKEGOOD_WEBHOOK_SECRET", hide_env_values = true)]
    #[arg(value_name = "SECRET")]
    pub(crate) webhook_secret: Option<SecretString>,
    /// Where webhooks go, http:// only; without it they are recorded and not sent.
    #[arg(long, env = "MAKEGOOD_SANDBOX_WEBHOOK_URL", value_name = "URL")]
    pub(crate) sandbox_webhook_url: Option<String>,
    /// Decides every seeded fault and every id: the same seed and calls meet the same faults.
    #[arg(long, env = "MAKEGOOD_SANDBOX_SEED", value_name = "NUMBER", default_value = "0")]
    pub(crate) sandbox_seed: String,
    /// How likely faults are, per thousand calls: WHERE.FAULT=NUMBER, with commas between them.
    ///
    /// WHERE is calls, webhooks or one operation such as `create_order`. Faults of calls are
    /// `drop_before`, `drop_after`, `hang_after`, error and delay; of webhooks lose, duplicate, reorder and
    /// delay. `hang_ms`, `delay_min_ms` and `delay_max_ms` say how long, in milliseconds. An operation
    /// with faults of its own does not have those of calls.
    #[arg(long, env = "MAKEGOOD_SANDBOX_ODDS", value_name = "ODDS", default_value = "")]
    pub(crate) sandbox_odds: String,
    #[command(flatten)]
    pub(crate) surroundings: SurroundingsArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

/// The key pair of the payment gateway.
#[derive(Debug, Clone, Args)]
pub(crate) struct GatewayKeyArgs {
    /// The public half of the gateway's key pair, `rzp_test_...` or, in production, `rzp_live_...`;
    /// required.
    #[arg(long, env = "MAKEGOOD_GATEWAY_KEY_ID", value_name = "KEY")]
    pub(crate) gateway_key_id: Option<String>,
    /// The secret half; no placeholder; required.
    #[arg(long, env = "MAKEGOOD_GATEWAY_KEY_SECRET", hide_env_values = true)]
    #[arg(value_name = "SECRET")]
    pub(crate) gateway_key_secret: Option<SecretString>,
}
