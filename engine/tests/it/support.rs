//! A cell of its own for each test, with workers in it, dropped at the end.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use makegood::{
    Cancellation, Client, Database, Ending, Registry, Signal, StartOptions, Worker, WorkerConfig,
    Workflow,
};
use migrations::Cell;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::trades;

/// The server for tests, alive until this process ends.
fn server() -> String {
    static SERVER: OnceLock<devpg::shared::Shared> = OnceLock::new();
    SERVER
        .get_or_init(|| devpg::shared::url(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap())
        .base_url()
        .to_owned()
}

/// How long a test waits for what must come.
fn patience() -> Duration {
    Duration::from_secs(if planted::any() { 8 } else { 60 })
}

/// Every retry leaves memory, and a dead worker is missed soon.
pub fn forgetful() -> WorkerConfig {
    WorkerConfig {
        lease: Duration::from_secs(1),
        short_wait: Duration::ZERO,
        ..WorkerConfig::default()
    }
}

/// A migrated cell that nobody else uses, with a client.
pub struct TestCell {
    pub database: Database,
    pub pool: PgPool,
    pub client: Client,
    pub url: String,
    cell: Cell,
}

impl TestCell {
    pub async fn new() -> Self {
        let url = server();
        let cell = Cell::new(&format!("e_{}", Uuid::now_v7().simple())).unwrap();
        let mut conn = PgConnection::connect(&url).await.unwrap();
        migrations::run(&mut conn, &cell).await.unwrap();
        for sql in trades::TABLES {
            sqlx::query(*sql).execute(&mut conn).await.unwrap();
        }
        let database = Database::new(&url, cell.name()).unwrap();
        let pool = database.pool("test", 8).await.unwrap();
        let client = Client::connect(&database).await.unwrap();
        Self { database, pool, client, url, cell }
    }

    /// A worker that knows the trades of these tests.
    pub async fn worker(&self) -> Worker {
        self.worker_with(trades::registry(), WorkerConfig::default()).await
    }

    pub async fn worker_with(&self, registry: Registry, config: WorkerConfig) -> Worker {
        Worker::start(&self.database, registry, config).await.unwrap()
    }

    pub async fn start<W: Workflow>(&self, id: &str, input: &W::Input) -> Uuid {
        let mut tx = self.pool.begin().await.unwrap();
        let started = self.client.start::<W>(&mut tx, id, input).await.unwrap();
        tx.commit().await.unwrap();
        self.client.wake();
        started.run_id
    }

    /// Starts runs in one transaction.
    pub async fn start_all<W: Workflow>(
        &self,
        ids: impl IntoIterator<Item = String>,
        input: &W::Input,
        options: &StartOptions,
    ) {
        let mut tx = self.pool.begin().await.unwrap();
        for id in ids {
            self.client.start_with::<W>(&mut tx, &id, input, options).await.unwrap();
        }
        tx.commit().await.unwrap();
        self.client.wake();
    }

    /// Sends the run with this id a signal.
    pub async fn signal<W: Workflow>(&self, id: &str, signal: &impl Signal) {
        let mut tx = self.pool.begin().await.unwrap();
        self.client.signal::<W, _>(&mut tx, id, "s1", signal).await.unwrap();
        tx.commit().await.unwrap();
        self.client.wake();
    }

    /// Cancels a run that is before its pivot.
    pub async fn cancel<W: Workflow>(&self, id: &str) {
        let mut tx = self.pool.begin().await.unwrap();
        let answer = self.client.cancel::<W>(&mut tx, id, &"no").await.unwrap();
        assert_eq!(answer, Cancellation::Requested);
        tx.commit().await.unwrap();
        self.client.wake();
    }

    /// Waits until a run waits.
    pub async fn waits(&self) {
        self.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    }

    /// Waits until the run has ended.
    pub async fn ended<W: Workflow>(&self, run_id: Uuid) -> Ending<W::Output> {
        let ending = self.client.ending::<W>(run_id, patience()).await.unwrap();
        match ending {
            Some(ending) => ending,
            None => panic!("run {run_id} ends: {:?}", self.record(run_id).await),
        }
    }

    /// Waits until the query says true.
    pub async fn until(&self, what: &str, sql: &str) {
        let begun = Instant::now();
        while begun.elapsed() < patience() {
            if self.scalar::<bool>(sql).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{what}: {sql}");
    }

    /// Waits until somebody waits for a lock that this connection holds.
    pub async fn until_blocked_by(&self, conn: &mut PgConnection) {
        let pid = "select pg_backend_pid()";
        let pid: i32 = sqlx::query_scalar(pid).fetch_one(conn).await.unwrap();
        let blocked = format!(
            "select exists (select from pg_stat_activity where {pid} = any(pg_blocking_pids(pid)))"
        );
        self.until("somebody waits for the lock", &blocked).await;
    }

    /// Waits until a person is needed; the incident as `class: message`.
    pub async fn incident(&self, run_id: Uuid) -> String {
        let open = format!("from incidents where run_id = '{run_id}' and resolved_at is null");
        self.until("it is stuck", &format!("select exists (select {open})")).await;
        self.scalar(&format!("select class || ': ' || message {open}")).await
    }

    pub async fn scalar<T>(&self, sql: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub async fn execute(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::query(sql).execute(&self.pool).await.unwrap().rows_affected()
    }

    /// A run's record as `kind name` lines.
    pub async fn record(&self, run_id: Uuid) -> Vec<String> {
        sqlx::query_scalar("select kind || ' ' || name from steps where run_id = $1 order by seq")
            .bind(run_id)
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    pub async fn state(&self, run_id: Uuid) -> String {
        sqlx::query_scalar("select state from run_states where run_id = $1")
            .bind(run_id)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// The engine's own audit finds nothing.
    pub async fn audited(&self) {
        let mut conn = self.pool.acquire().await.unwrap();
        let faults = makegood::inspect::faults(&mut conn).await.unwrap();
        assert_eq!(faults, [], "the invariants hold");
    }
}

impl Drop for TestCell {
    fn drop(&mut self) {
        let (url, sql) = (self.url.clone(), format!("drop schema {} cascade", self.cell));
        let dropped = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut conn = PgConnection::connect(&url).await.unwrap();
                sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
            });
        });
        dropped.join().unwrap();
    }
}
