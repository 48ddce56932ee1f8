//! A shop with an API and a cell of its own, customers in it, and what they see.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use api::{Api, Config, Keys};
use domain::{Currency, Money, Role, TenantId, UserId};
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use makegood::Database;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use migrations::Cell;
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Transaction};
use store::products::{self, Product};
use store::stock;
use store::users::{self, NewUser, PasswordHash};
use uuid::Uuid;

pub(crate) const JWT_SECRET: &str = "a-secret-for-tokens-of-32-bytes-and-more";
pub(crate) const KEY_ID: &str = "rzp_test_shop0000000001";
pub(crate) const KEY_SECRET: &str = "key-secret-of-the-shop";
pub(crate) const WEBHOOK_SECRET: &str = "webhook-secret-of-the-shop";
pub(crate) const WEBHOOK_SECRET_BEFORE: &str = "webhook-secret-of-last-year";

/// A shop that nobody else uses.
pub(crate) struct Shop {
    pub(crate) api: Api,
    pub(crate) http: Client,
    pub(crate) pool: PgPool,
    pub(crate) database: Database,
    /// Last, so that it goes when everything else is gone.
    _cell: DroppedCell,
}

impl Shop {
    /// A shop whose saga-waits are short, since most tests have no worker.
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::open_at(&server(), change).await
    }

    /// The same with an API that finds the database at `way`; everybody else goes there directly.
    pub(crate) async fn open_at(way: &str, change: impl FnOnce(&mut Config)) -> Self {
        let url = server();
        let cell = Cell::new(&format!("t_{}", Uuid::now_v7().simple())).unwrap();
        let mut conn = PgConnection::connect(&url).await.unwrap();
        migrations::run(&mut conn, &cell).await.unwrap();
        let database = Database::new(&url, cell.name()).unwrap();
        let mut config = Config::new(tenant(), keys(), metrics());
        config.bind = ([127, 0, 0, 1], 0).into();
        config.connections = 8;
        config.settle_wait = Duration::from_millis(200);
        config.retry_every = Duration::from_millis(50);
        config.migrations = migrations::FILES.iter().map(|file| file.name).collect();
        change(&mut config);
        let way = Database::new(way, cell.name()).unwrap();
        let api = Api::start(config, &way).await.unwrap();
        let pool = database.pool("test", 4).await.unwrap();
        let cell = DroppedCell { url, cell };
        Self { api, http: client(), pool, database, _cell: cell }
    }

    /// Stops the API; the cell goes with the shop.
    pub(crate) async fn stop(self) {
        self.api.stop().await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.api.addr())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        read(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        read(self.request(Method::POST, path).json(body)).await
    }

    /// A customer who is signed in.
    pub(crate) async fn customer(&self) -> Customer<'_> {
        let id = UserId::from(Uuid::now_v7());
        let user = NewUser {
            user_id: id,
            tenant_id: tenant(),
            email: format!("{id}@example.test"),
            password_hash: PasswordHash("none".to_owned()),
            role: Role::Customer,
        };
        users::insert(&mut self.pool.acquire().await.unwrap(), &user).await.unwrap();
        Customer { shop: self, id, token: token(id) }
    }

    /// Puts a product on sale at `price_minor` paise.
    pub(crate) async fn product(&self, sku: &str, price_minor: i64, units: i64) {
        let mut conn = self.pool.acquire().await.unwrap();
        let sku = sku.parse().unwrap();
        let product = Product {
            tenant_id: tenant(),
            sku,
            name: "A product".to_owned(),
            unit_price: Money::from_minor(price_minor, Currency::Inr),
            is_active: true,
        };
        products::upsert(&mut conn, &product).await.unwrap();
        if units > 0 {
            let units = units.try_into().unwrap();
            stock::receive(&mut conn, &tenant(), &product.sku, units).await.unwrap();
        }
    }

    /// One number out of the tables.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {sql}")))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Keeps everybody else from a table until the transaction ends.
    pub(crate) async fn lock(&self, table: &str) -> Transaction<'static, Postgres> {
        let mut tx = self.pool.begin().await.unwrap();
        let sql = AssertSqlSafe(format!("lock table {table} in access exclusive mode"));
        sqlx::raw_sql(sql).execute(&mut *tx).await.unwrap();
        tx
    }

    /// Waits until somebody waits for a lock on the table.
    pub(crate) async fn until_blocked(&self, table: &str) {
        let waiting = format!("pg_locks where not granted and relation = '{table}'::regclass");
        until("somebody waits for the table", async || self.count(&waiting).await > 0).await;
    }

    /// Statements of the test's own making.
    pub(crate) async fn run(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }
}

/// Somebody with an access token.
pub(crate) struct Customer<'a> {
    pub(crate) shop: &'a Shop,
    pub(crate) id: UserId,
    pub(crate) token: String,
}

impl Customer<'_> {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.shop.request(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        read(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        read(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn place_with(&self, key: &str, body: &Value) -> Reply {
        let request = self.request(Method::POST, "/api/v1/orders");
        read(request.header("idempotency-key", key).json(body)).await
    }

    /// Places an order and gives its id.
    pub(crate) async fn place(&self, sku: &str, quantity: i64) -> String {
        let key = Uuid::now_v7().to_string();
        let reply = self.place_with(&key, &cart(&[(sku, quantity)])).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.text("/data/order/order_id")
    }

    pub(crate) async fn cancel(&self, order: &str) -> Reply {
        let request = self.request(Method::POST, &format!("/api/v1/orders/{order}/cancel"));
        let request = request.header("idempotency-key", Uuid::now_v7().to_string());
        read(request.json(&json!({ "reason": "changed my mind" }))).await
    }

    pub(crate) async fn status(&self, order: &str) -> String {
        self.get(&format!("/api/v1/orders/{order}")).await.text("/data/order/status")
    }
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// The string at a JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> String {
        let found = self.body.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no text at {pointer} in {}", self.body)).to_owned()
    }

    /// The status and the code of the error.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.text("/error/code"))
    }
}

pub(crate) async fn read(request: RequestBuilder) -> Reply {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let bytes = answer.bytes().await.unwrap();
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Reply { status, headers, body }
}

/// Looks until it is so, for at most 20 s.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn cart(lines: &[(&str, i64)]) -> Value {
    let line = |(sku, quantity): &(&str, i64)| json!({ "sku": sku, "quantity": quantity });
    json!({ "lines": lines.iter().map(line).collect::<Vec<_>>() })
}

pub(crate) fn tenant() -> TenantId {
    "retail".parse().unwrap()
}

fn keys() -> Keys {
    Keys {
        jwt_secret: JWT_SECRET.into(),
        gateway_key_id: KEY_ID.to_owned(),
        gateway_key_secret: KEY_SECRET.into(),
        webhook_secret: WEBHOOK_SECRET.into(),
        webhook_secret_previous: Some(WEBHOOK_SECRET_BEFORE.into()),
    }
}

/// A token as the contract describes it, made without the API's own code.
fn token(id: UserId) -> String {
    let now = get_current_timestamp();
    let claims = json!({
        "iss": "makegood", "aud": "makegood-api", "sub": id, "tenant": "retail",
        "role": "customer", "iat": now, "nbf": now, "exp": now + 600, "jti": Uuid::now_v7(),
    });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(JWT_SECRET.as_bytes())).unwrap()
}

/// The process's recorder, installed once.
fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).unwrap();
        handle
    };
    HANDLE.get_or_init(install).clone()
}

/// A client for plain HTTP that gives up after 30 s, and goes where it is told and nowhere else.
pub(crate) fn client() -> Client {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let builder = Client::builder().tls_backend_preconfigured(tls).no_proxy();
    let builder = builder.redirect(reqwest::redirect::Policy::none());
    builder.timeout(Duration::from_secs(30)).build().unwrap()
}

/// The server for tests, alive until this process ends.
pub(crate) fn server() -> String {
    static SERVER: OnceLock<devpg::shared::Shared> = OnceLock::new();
    SERVER
        .get_or_init(|| devpg::shared::url(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap())
        .base_url()
        .to_owned()
}

/// Drops the cell at the end of the test, also when it fails.
struct DroppedCell {
    url: String,
    cell: Cell,
}

impl Drop for DroppedCell {
    /// From a thread of its own, because the test's runtime may be ending. What still uses the
    /// cell may deadlock with it: then the next try has it.
    fn drop(&mut self) {
        let sql = format!(
            "set client_min_messages = error; set lock_timeout = '2s';
             drop schema if exists {} cascade",
            self.cell
        );
        let url = self.url.clone();
        let dropped = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut conn = PgConnection::connect(&url).await.unwrap();
                for _ in 0..5 {
                    let sql = AssertSqlSafe(sql.clone());
                    if sqlx::raw_sql(sql).execute(&mut conn).await.is_ok() {
                        return;
                    }
                }
            });
        });
        dropped.join().unwrap();
    }
}
