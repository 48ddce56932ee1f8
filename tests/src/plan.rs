//! What a test wants of its shop before it opens.

use devpg::Options;
use gateway_sandbox::{Config, Odds};

use crate::process::Env;
use crate::shop::Shop;

/// How a shop is set up; [`Plan::open`] opens it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) workers: usize,
    pub(crate) lease_secs: u32,
    pub(crate) hold_secs: i64,
    pub(crate) tax_basis_points: i64,
    pub(crate) late_money: &'static str,
    pub(crate) capture: &'static str,
    pub(crate) has_webhooks: bool,
    pub(crate) server: Option<Options>,
    pub(crate) role: Option<&'static str>,
    pub(crate) sandbox: Config,
    pub(crate) api_env: Env,
    pub(crate) worker_env: Env,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            workers: 1,
            lease_secs: 15,
            hold_secs: 600,
            tax_basis_points: 0,
            late_money: "rereserve_then_fulfil",
            capture: "automatic",
            has_webhooks: true,
            server: None,
            role: None,
            sandbox: Config::default(),
            api_env: Env::new(),
            worker_env: Env::new(),
        }
    }
}

impl Plan {
    /// Worker processes; 1 unless said.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// How long a silent worker keeps its runs, in seconds; 15 unless said.
    #[must_use]
    pub fn lease(mut self, secs: u32) -> Self {
        self.lease_secs = secs;
        self
    }

    /// How long an unpaid order holds its stock, in seconds; 600 unless said.
    #[must_use]
    pub fn hold_secs(mut self, secs: i64) -> Self {
        self.hold_secs = secs;
        self
    }

    /// The tax on the subtotal; none unless said.
    #[must_use]
    pub fn tax_basis_points(mut self, basis_points: i64) -> Self {
        self.tax_basis_points = basis_points;
        self
    }

    /// What happens to money that comes too late; it pays its order if it can unless said.
    #[must_use]
    pub fn late_money(mut self, policy: &'static str) -> Self {
        self.late_money = policy;
        self
    }

    /// We take what a customer authorizes; the gateway does unless said.
    #[must_use]
    pub fn captures_by_hand(mut self) -> Self {
        self.capture = "manual";
        self
    }

    /// The gateway's webhooks never arrive.
    #[must_use]
    pub fn without_webhooks(mut self) -> Self {
        self.has_webhooks = false;
        self
    }

    /// A durable PostgreSQL of its own, which the test may kill.
    #[must_use]
    pub fn own_server(self) -> Self {
        self.server(Options::durable())
    }

    /// A PostgreSQL of its own, set up like this.
    #[must_use]
    pub fn server(mut self, options: Options) -> Self {
        self.server = Some(options);
        self
    }

    /// The processes and commands act as this role of the database.
    #[must_use]
    pub fn as_role(mut self, role: &'static str) -> Self {
        self.role = Some(role);
        self
    }

    /// How often the gateway fails by itself.
    #[must_use]
    pub fn odds(mut self, odds: Odds) -> Self {
        self.sandbox.odds = odds;
        self
    }

    /// A setting of the API.
    #[must_use]
    pub fn api_env(mut self, variable: &str, value: &str) -> Self {
        self.api_env.push((variable.to_owned(), value.to_owned()));
        self
    }

    /// A setting of every worker that is started with the shop or later.
    #[must_use]
    pub fn worker_env(mut self, variable: &str, value: &str) -> Self {
        self.worker_env.push((variable.to_owned(), value.to_owned()));
        self
    }

    /// Opens the shop: tables, gateway, API and workers, all of them ready.
    pub async fn open(self) -> Shop {
        Shop::open(self).await
    }
}
