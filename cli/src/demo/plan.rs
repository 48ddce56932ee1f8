//! How the processes are set up: their keys, addresses and settings.
//! They get all of it from here; nothing of the caller's own settings reaches them.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use tokio::process::Command;

use super::{
    child::{Child, Settings},
    parts::Store,
};

/// Keys made up for one run.
#[derive(Clone)]
pub(crate) struct Keys {
    key_id: String,
    key_secret: String,
    webhook_secret: String,
    jwt_secret: String,
}

impl Keys {
    /// Keys that nobody can guess.
    pub(crate) fn random() -> Self {
        let key_id = format!("rzp_test_{}", &random_hex().chars().take(14).collect::<String>());
        let (key_secret, webhook_secret) = (random_hex(), random_hex());
        Self { key_id, key_secret, webhook_secret, jwt_secret: random_hex() }
    }

    /// Those of the gateway's API.
    pub(crate) fn of_gateway(&self) -> (String, SecretString) {
        (self.key_id.clone(), self.key_secret.clone().into())
    }
}

/// How the parts are set up.
#[derive(Clone)]
pub(crate) struct Plan {
    /// Made up for one run.
    pub(crate) keys: Keys,
    /// The API's address, and those of the gateway sandbox and of a worker's health port.
    pub(crate) binds: Binds,
    /// How long a silent worker keeps its runs.
    pub(crate) lease_secs: u32,
    /// How long a call of the gateway may take.
    pub(crate) gateway_timeout_ms: u32,
    /// Decides what the sandbox draws.
    pub(crate) seed: u64,
    /// How likely the sandbox's faults are.
    pub(crate) odds: &'static str,
    /// `test` or `development`.
    pub(crate) profile: &'static str,
    /// Further settings of the workers.
    pub(crate) workers: &'static [(&'static str, &'static str)],
    /// What the API and the workers run; this very program if it does not say.
    pub(crate) program: Option<PathBuf>,
}

/// Where each part listens.
#[derive(Clone)]
pub(crate) struct Binds {
    /// The API.
    pub(crate) api: String,
    /// The gateway sandbox.
    pub(crate) sandbox: String,
    /// A worker's health and metrics.
    pub(crate) worker: String,
}

impl Binds {
    /// Free ports, whichever they are.
    pub(crate) fn any() -> Self {
        let any = || "127.0.0.1:0".to_owned();
        Self { api: any(), sandbox: any(), worker: any() }
    }
}

impl Plan {
    /// Starts the API.
    pub(crate) async fn start_api(
        &self,
        store: &Store,
        name: &str,
        logs: &Path,
    ) -> anyhow::Result<Child> {
        let mut settings = self.shared(store);
        settings.extend([
            ("MAKEGOOD_API_BIND", self.binds.api.clone()),
            ("MAKEGOOD_JWT_SECRET", self.keys.jwt_secret.clone()),
            ("MAKEGOOD_TOKEN_TTL_SECS", "86400".to_owned()),
            ("MAKEGOOD_WEBHOOK_SECRET", self.keys.webhook_secret.clone()),
        ]);
        self.start("api", name, &settings, logs).await
    }

    async fn start(
        &self,
        role: &str,
        name: &str,
        settings: &Settings,
        logs: &Path,
    ) -> anyhow::Result<Child> {
        let Some(program) = &self.program else {
            return Child::start(role, name, settings, logs).await;
        };
        let command = Command::new(program);
        Child::start_program(command, &[role], (name, settings), logs).await
    }

    /// Starts the gateway sandbox, whose webhooks go to the API at `api_url`.
    pub(crate) async fn start_sandbox(&self, api_url: &str, logs: &Path) -> anyhow::Result<Child> {
        let webhooks = format!("{api_url}/api/v1/webhooks/razorpay");
        let mut settings = self.gateway_keys();
        settings.extend([
            ("MAKEGOOD_SANDBOX_BIND", self.binds.sandbox.clone()),
            ("MAKEGOOD_WEBHOOK_SECRET", self.keys.webhook_secret.clone()),
            ("MAKEGOOD_SANDBOX_WEBHOOK_URL", webhooks),
            ("MAKEGOOD_SANDBOX_SEED", self.seed.to_string()),
            ("MAKEGOOD_SANDBOX_ODDS", self.odds.to_owned()),
        ]);
        Child::start("gateway-sandbox", "gateway-sandbox", &settings, logs).await
    }

    /// Starts one worker, which finds the gateway at `gateway_url`.
    pub(crate) async fn start_worker(
        &self,
        store: &Store,
        gateway_url: &str,
        name: &str,
        logs: &Path,
    ) -> anyhow::Result<Child> {
        let mut settings = self.shared(store);
        settings.extend([
            ("MAKEGOOD_WORKER_BIND", self.binds.worker.clone()),
            ("MAKEGOOD_WORKER_NAME", name.to_owned()),
            ("MAKEGOOD_LEASE_SECS", self.lease_secs.to_string()),
            ("MAKEGOOD_DRAIN_SECS", "5".to_owned()),
            ("MAKEGOOD_GATEWAY_URL", gateway_url.to_owned()),
            ("MAKEGOOD_GATEWAY_TIMEOUT_MS", self.gateway_timeout_ms.to_string()),
            // The crowd's runs are counted: unless asked for, no others begin by the clock.
            ("MAKEGOOD_RECONCILE_CRON", "never".to_owned()),
            ("MAKEGOOD_PAYOUT_CRON", "never".to_owned()),
        ]);
        settings.extend(self.workers.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.start("worker", name, &settings, logs).await
    }

    fn shared(&self, store: &Store) -> Settings {
        let mut settings = self.gateway_keys();
        settings.extend([
            ("MAKEGOOD_DATABASE_URL", store.url.clone()),
            ("MAKEGOOD_CELL", store.cell().to_owned()),
        ]);
        settings
    }

    fn gateway_keys(&self) -> Settings {
        vec![
            ("MAKEGOOD_PROFILE", self.profile.to_owned()),
            ("MAKEGOOD_LOG_FORMAT", "text".to_owned()),
            ("MAKEGOOD_GATEWAY_KEY_ID", self.keys.key_id.clone()),
            ("MAKEGOOD_GATEWAY_KEY_SECRET", self.keys.key_secret.clone()),
        ]
    }
}

fn random_hex() -> String {
    let (high, low): (u128, u128) = (rand::random(), rand::random());
    format!("{high:032x}{low:032x}")
}
