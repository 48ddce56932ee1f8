//! An open shop: its processes, its gateway, its tables, and the questions a test asks of them.

use std::path::Path;
use std::thread;

use gateway_sandbox::{Config, Sandbox};
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::customer::Customer;
use crate::database::Place;
use crate::http::{Answer, Web};
use crate::plan::Plan;
use crate::process::{Env, Process};

/// An open shop. Fields are dropped in this order: processes, gateway, cell.
pub struct Shop {
    /// The API's process.
    pub api: Process,
    /// The workers' processes.
    pub workers: Vec<Process>,
    /// The test's own connections to the cell.
    pub pool: PgPool,
    pub(crate) web: Web,
    sandbox: Sandbox,
    pub(crate) config: Config,
    place: Place,
    plan: Plan,
    logs: TempDir,
    started: usize,
}

const PASSWORD: &str = "correct horse battery staple";

impl Shop {
    /// What a shop is opened from.
    pub fn plan() -> Plan {
        Plan::default()
    }

    pub(crate) async fn open(plan: Plan) -> Self {
        let place = match plan.server.clone() {
            Some(options) => Place::private(options).await,
            None => Place::shared().await,
        };
        let pool = place.pool().await;
        let presets = "update tenants
            set hold_secs = $1, tax_basis_points = $2, late_money = $3, capture = $4";
        sqlx::query(presets)
            .bind(plan.hold_secs)
            .bind(plan.tax_basis_points)
            .bind(plan.late_money)
            .bind(plan.capture)
            .execute(&pool)
            .await
            .unwrap();
        let config = plan.sandbox.clone();
        let sandbox = Sandbox::start(config.clone()).await.unwrap();
        let logs = tempfile::Builder::new().prefix("makegood-acceptance-").tempdir().unwrap();
        let env = api_env(&place, &config, &plan);
        let api = Process::start("api", "api", &env, logs.path()).await;
        let (web, workers) = (Web::new(), Vec::new());
        let mut shop =
            Self { api, workers, pool, web, sandbox, config, place, plan, logs, started: 0 };
        shop.aim_webhooks().await;
        for _ in 0..shop.plan.workers {
            shop.start_worker().await;
        }
        shop
    }

    /// Starts one more worker and waits until it is ready.
    pub async fn start_worker(&mut self) -> &mut Process {
        self.start_worker_with(Env::new()).await
    }

    /// The same with settings of its own.
    pub async fn start_worker_with(&mut self, own: Env) -> &mut Process {
        let (name, mut env) = self.next_worker();
        env.extend(own);
        let worker = Process::start("worker", &name, &env, self.logs.path()).await;
        self.workers.push(worker);
        self.workers.last_mut().unwrap()
    }

    /// Starts one more worker with a fault planted in it, which may end it before it is ready.
    pub fn spawn_worker(&mut self, variable: &str, value: &str) -> Process {
        let (name, mut env) = self.next_worker();
        env.push((variable.to_owned(), value.to_owned()));
        Process::spawn("worker", &name, &env, self.logs.path())
    }

    /// Name and settings of one more worker.
    pub fn next_worker(&mut self) -> (String, Env) {
        self.started += 1;
        let name = format!("worker-{}", self.started);
        let mut env = shared_env(&self.place, &self.config, &self.plan);
        let mut set = |variable: &str, value: String| env.push((variable.to_owned(), value));
        set("MAKEGOOD_WORKER_BIND", "127.0.0.1:0".to_owned());
        set("MAKEGOOD_WORKER_NAME", name.clone());
        set("MAKEGOOD_LEASE_SECS", self.plan.lease_secs.to_string());
        set("MAKEGOOD_TRANSACTIONS", "4".to_owned());
        set("MAKEGOOD_GATEWAY_URL", self.sandbox.url());
        // Comparisons are made when a test asks for one, or sets another rule.
        set("MAKEGOOD_RECONCILE_CRON", "never".to_owned());
        set("MAKEGOOD_PAYOUT_CRON", "never".to_owned());
        env.extend(self.plan.worker_env.iter().cloned());
        (name, env)
    }

    /// Starts the API again, on another port, in place of one that has ended.
    pub async fn restart_api(&mut self) {
        let env = api_env(&self.place, &self.config, &self.plan);
        self.started += 1;
        let name = format!("api-{}", self.started);
        self.api = Process::start("api", &name, &env, self.logs.path()).await;
        self.aim_webhooks().await;
    }

    /// Starts the API again without the webhook secret before the present one.
    pub async fn forget_previous_secret(&mut self) {
        self.plan = self.plan.clone().api_env("MAKEGOOD_WEBHOOK_SECRET_PREVIOUS", "");
        self.restart_api().await;
    }

    /// The folder of the logs.
    pub fn logs(&self) -> &Path {
        self.logs.path()
    }

    async fn aim_webhooks(&self) {
        let url = self.api.url("/api/v1/webhooks/razorpay");
        let url = self.plan.has_webhooks.then_some(url);
        let target = self.web.put(&self.gateway("/sandbox/webhook-url")).json(&json!({"url": url}));
        Answer::of(target).await.unwrap().expect(204);
    }

    /// An address of the gateway.
    pub fn gateway(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.url())
    }

    /// The gateway's keys and its webhooks' secret.
    pub fn keys(&self) -> [&str; 3] {
        let Config { key_id, key_secret, webhook_secret, .. } = &self.config;
        [key_id, key_secret.expose_secret(), webhook_secret.expose_secret()]
    }

    /// A worker.
    pub fn worker(&mut self, index: usize) -> &mut Process {
        self.workers.get_mut(index).expect("there is such a worker")
    }

    /// A new customer, signed in.
    pub async fn customer(&self) -> Customer {
        self.person("customer").await
    }

    /// Somebody new with this role, signed in.
    pub async fn person(&self, role: &str) -> Customer {
        let email = format!("{}@example.test", Uuid::now_v7().simple());
        let body = json!({"email": email, "password": PASSWORD});
        let open = |path: &str| Answer::of(self.web.post(&self.api.url(path)).json(&body));
        open("/api/v1/auth/register").await.unwrap().expect(201);
        self.run(&format!("update users set role = '{role}' where email = '{email}'")).await;
        let answer = open("/api/v1/auth/login").await.unwrap().expect(200);
        self.returning(&Customer {
            web: Web::new(),
            api: String::new(),
            gateway: self.sandbox.url(),
            token: answer.text("/data/access_token").to_owned(),
        })
    }

    /// The same customer at the API's present address.
    pub fn returning(&self, customer: &Customer) -> Customer {
        Customer { api: self.api.url(""), ..customer.clone() }
    }

    /// Puts units of a product on sale at 10.00 each.
    pub async fn product(&self, sku: &str, units: i64) {
        self.run(&format!(
            "insert into products (tenant_id, sku, name, unit_price_minor, currency)
             values ('retail', '{sku}', 'Product {sku}', 1000, 'INR');
             insert into inventory (tenant_id, sku, received, available)
             values ('retail', '{sku}', {units}, {units});
             insert into stock_movements (tenant_id, sku, kind, received_delta, available_delta)
             values ('retail', '{sku}', 'RECEIVE', {units}, {units})"
        ))
        .await;
    }

    /// Reads an address of one of the processes.
    pub async fn get(&self, url: &str) -> Answer {
        Answer::of(self.web.get(url)).await.expect("it answers")
    }

    /// The address of the server, as the tests' own account.
    pub fn database_url(&self) -> &str {
        &self.place.url
    }

    /// A command of the binary on this cell.
    pub fn command(&self, args: &[&str]) -> tokio::process::Command {
        Process::command(args, &shared_env(&self.place, &self.config, &self.plan))
    }

    /// Ends PostgreSQL as a power cut would.
    pub async fn kill_database(&mut self) {
        let mut cluster = self.place.cluster.take().expect("the shop has a server of its own");
        let kill = move || cluster.kill().map(|()| cluster).unwrap();
        self.place.cluster = Some(spawn_blocking(kill).await.unwrap());
    }

    /// Starts PostgreSQL again on the same data and port.
    pub async fn restore_database(&mut self) {
        let mut cluster = self.place.cluster.take().expect("the shop has a server of its own");
        let restart = move || cluster.restart().map(|()| cluster).unwrap();
        self.place.cluster = Some(spawn_blocking(restart).await.unwrap());
        self.pool = self.place.pool().await;
    }
}

impl Drop for Shop {
    /// A failed test shows what the processes had to say.
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let Ok(logs) = std::fs::read_dir(self.logs.path()) else { return };
        for path in logs.flatten().map(|entry| entry.path()) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines.iter().skip(lines.len().saturating_sub(25));
            let tail: Vec<String> = tail.map(|line| format!("  {line}\n")).collect();
            show(&format!("{}:\n{}", path.display(), tail.concat()));
        }
    }
}

#[expect(clippy::print_stderr, reason = "for whoever reads why a test failed")]
fn show(text: &str) {
    eprintln!("{text}");
}

fn shared_env(place: &Place, config: &Config, plan: &Plan) -> Env {
    let url = plan.role.map_or(place.url.clone(), |role| {
        let and = if place.url.contains('?') { '&' } else { '?' };
        format!("{}{and}options=-c%20role%3D{role}", place.url)
    });
    let settings = [
        ("MAKEGOOD_PROFILE", "test"),
        ("MAKEGOOD_LOG", "info"),
        ("MAKEGOOD_LOG_FORMAT", "text"),
        ("MAKEGOOD_DATABASE_URL", &url),
        ("MAKEGOOD_CELL", place.cell.name()),
        ("MAKEGOOD_GATEWAY_KEY_ID", &config.key_id),
        ("MAKEGOOD_GATEWAY_KEY_SECRET", config.key_secret.expose_secret()),
    ];
    settings.map(|(variable, value)| (variable.to_owned(), value.to_owned())).into()
}

fn api_env(place: &Place, config: &Config, plan: &Plan) -> Env {
    let mut env = shared_env(place, config, plan);
    let own = [
        ("MAKEGOOD_API_BIND", "127.0.0.1:0"),
        ("MAKEGOOD_API_CONNECTIONS", "12"),
        ("MAKEGOOD_JWT_SECRET", "acceptance-0123456789-abcdefghijkl"),
        ("MAKEGOOD_WEBHOOK_SECRET", config.webhook_secret.expose_secret()),
    ];
    env.extend(own.map(|(variable, value)| (variable.to_owned(), value.to_owned())));
    env.extend(plan.api_env.iter().cloned());
    env
}
