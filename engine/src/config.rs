//! The engine's settings, with units and ranges. It reads no environment.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool, Row};

use crate::error::Error;
use crate::retention::Retention;

/// Where the tables are: a database, and the cell (schema) in it.
///
/// ```
/// use makegood::Database;
///
/// let database = Database::new("postgres://ada:secret@localhost/shop", "makegood").unwrap();
/// assert_eq!(format!("{database:?}"), "Database { cell: \"makegood\", .. }"); // no password
/// ```
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
    cell: String,
}

impl fmt::Debug for Database {
    /// Without the options: they hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("cell", &self.cell).finish_non_exhaustive()
    }
}

/// How long a connection may take to show that it is clean.
const CLEAN_LIMIT: Duration = Duration::from_secs(5);

/// Planner settings of the engine's own connections. Its statements are written for them: an
/// ANALYZE of a queue that happens to be empty must not turn a plan into a scan of everything.
const PLANNER_PINS: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_nestloop", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];

impl Database {
    /// A cell in the database at `url`.
    ///
    /// ```
    /// assert!(makegood::Database::new("postgres://localhost/shop", "makegood").is_ok());
    /// assert!(makegood::Database::new("a file", "makegood").is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::Database`] when `url` is no address of a PostgreSQL database.
    pub fn new(url: &str, cell: &str) -> Result<Self, Error> {
        let options: PgConnectOptions = url.parse()?;
        let bounds = [("idle_in_transaction_session_timeout", "60000"), ("search_path", cell)];
        // Whatever is read of a cell takes milliseconds; compiling its plan takes hundreds.
        let options = options.options(bounds).options([("jit", "off")]);
        Ok(Self { options, cell: cell.to_owned() })
    }

    /// The cell's name.
    ///
    /// ```
    /// let database = makegood::Database::new("postgres://localhost/shop", "makegood").unwrap();
    /// assert_eq!(database.cell(), "makegood");
    /// ```
    pub fn cell(&self) -> &str {
        &self.cell
    }

    /// The same database, with connections that the server ends when they stay silent inside a
    /// transaction, or unreachable, for as long as `limit`.
    pub(crate) fn bounded_by(&self, limit: Duration) -> Self {
        let ms = limit.as_millis().to_string();
        let bounds = [("idle_in_transaction_session_timeout", &ms), ("tcp_user_timeout", &ms)];
        Self { options: self.options.clone().options(bounds), cell: self.cell.clone() }
    }

    /// The same database, with statements that wait for a lock no longer than `lock` and take no
    /// longer than `statement`: for a caller whose own callers will not wait either.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let database = makegood::Database::new("postgres://localhost/shop", "makegood").unwrap();
    /// let database = database.within(Duration::from_secs(5), Duration::from_secs(10));
    /// ```
    #[must_use]
    pub fn within(&self, lock: Duration, statement: Duration) -> Self {
        let bounds = [
            ("lock_timeout", lock.as_millis().to_string()),
            ("statement_timeout", statement.as_millis().to_string()),
        ];
        Self { options: self.options.clone().options(bounds), cell: self.cell.clone() }
    }

    /// A pool for the caller's own statements.
    ///
    /// A caller may be cancelled at any await, and a cancelled `begin` leaves its connection inside
    /// a transaction in which the next borrower's write would vanish. So each connection is looked
    /// at when it is returned, and closed if it is not clean.
    ///
    /// ```no_run
    /// # async fn example(database: makegood::Database) -> Result<(), makegood::Error> {
    /// let pool = database.pool("shop", 10).await?; // PostgreSQL shows its connections as `shop`
    /// let mut tx = pool.begin().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Database`] when it does not answer.
    pub async fn pool(&self, name: &str, connections: u32) -> Result<PgPool, Error> {
        let pool = pool_of(connections)
            .after_release(|connection, _| Box::pin(is_clean(connection)))
            .connect_with(self.options.clone().application_name(name))
            .await?;
        Ok(pool)
    }

    /// A pool for the engine's own statements, planned as they are meant to be. Only for tasks
    /// that nobody cancels.
    pub(crate) async fn hot_pool(&self, name: &str, connections: u32) -> Result<PgPool, Error> {
        let options = self.options.clone().application_name(name).options(PLANNER_PINS);
        // A caller's open transaction may hold a task's row; it must not hold up a committer.
        let options = options.options([("lock_timeout", "1000")]);
        Ok(pool_of(connections).connect_with(options).await?)
    }

    /// A pool for activities in transactions: the caller's SQL, planned as PostgreSQL sees fit.
    /// Only for tasks that nobody cancels.
    pub(crate) async fn step_pool(&self, name: &str, connections: u32) -> Result<PgPool, Error> {
        let options = self.options.clone().application_name(name);
        let bounds = [("lock_timeout", "5000"), ("statement_timeout", "30000")];
        Ok(pool_of(connections).connect_with(options.options(bounds)).await?)
    }

    /// A lazy pool for claims: an index that is in the order of due times is read in it, never
    /// gathered and sorted, however few rows the planner expects.
    pub(crate) async fn claim_pool(&self) -> Result<PgPool, Error> {
        let options = self.options.clone().options([("enable_bitmapscan", "off")]);
        Self { options, cell: self.cell.clone() }.lazy_pool("makegood-claims", 1).await
    }

    /// A lazy pool for the lease: one connection to renew it, one to take over from others. Nothing
    /// there waits for a lock longer than a lease.
    pub(crate) async fn keeper_pool(&self, lease: Duration) -> Result<PgPool, Error> {
        let options = self.options.clone().options([("lock_timeout", lease.as_millis())]);
        Self { options, cell: self.cell.clone() }.lazy_pool("makegood-keeper", 2).await
    }

    /// A hot pool for statements that need not wait for the disk: every later commit that rests on
    /// them comes after them in the log.
    pub(crate) async fn lazy_pool(&self, name: &str, connections: u32) -> Result<PgPool, Error> {
        let options = self.options.clone().application_name(name).options(PLANNER_PINS);
        let options = options.options([("synchronous_commit", "off")]);
        Ok(pool_of(connections).connect_with(options).await?)
    }
}

/// Outside a transaction, a statement's time is its transaction's. A connection that does not say
/// so soon leads nowhere, and is closed.
async fn is_clean(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let asked = sqlx::raw_sql("select now() = statement_timestamp()").fetch_one(connection);
    let answered = tokio::time::timeout(CLEAN_LIMIT, asked).await;
    let row = answered.map_err(|late| sqlx::Error::Io(late.into()))??;
    Ok(row.try_get(0)? || planted::has("a connection goes back inside a transaction"))
}

fn pool_of(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        // A ping before each use would double the round trips; a dead connection shows at once.
        .test_before_acquire(false)
}

/// A worker's settings.
///
/// ```
/// use std::time::Duration;
///
/// let config = makegood::WorkerConfig {
///     name: "worker-3".to_owned(),
///     queues: vec!["mail".to_owned()],
///     lease: Duration::from_secs(10),
///     ..makegood::WorkerConfig::default()
/// };
/// ```
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// How a person recognizes the worker.
    pub name: String,
    /// The queues that it serves; all when there is none.
    pub queues: Vec<String>,
    /// How long a silent worker keeps its runs; 0.1 s to 300 s.
    pub lease: Duration,
    /// Runs in memory at once; 1 to 65,536.
    pub in_flight: usize,
    /// Runs claimed at once, as far as there is room; 1 to 1,024.
    pub claim_batch: usize,
    /// Commits under way at once; 1 to 8.
    pub committers: usize,
    /// Turns in one commit; 1 to 1,024.
    pub flush_batch: usize,
    /// Connections for activities in transactions; 1 to 64.
    pub transactions: u32,
    /// The longest pause between two looks at the queue; 2 ms to 60 s.
    pub poll_cap: Duration,
    /// Retries sooner than this wait in memory, later ones leave it.
    pub short_wait: Duration,
    /// How long a drain waits for calls that are under way.
    pub drain: Duration,
    /// Bytes of one recorded value.
    pub payload_limit: usize,
    /// Records of one run.
    pub steps_limit: i32,
    /// Bytes of all recorded values of one run and of its signals, which one claim reads at once.
    pub record_limit: usize,
    /// Workers that a run may outlive before it is parked as poison.
    pub crash_limit: i32,
    /// How long what has ended is kept, and where.
    pub retention: Retention,
}

impl WorkerConfig {
    /// Refuses what is out of its range: a worker without a committer, say, would claim runs and
    /// never write one.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let within = |setting: &str, value: usize, range: RangeInclusive<usize>, unit: &str| {
            if range.contains(&value) {
                return Ok(());
            }
            let (first, last) = range.into_inner();
            let told =
                format!("the worker's {setting} is {value}{unit}: {first} to {last} is fine");
            Err(Error::Unfit(told))
        };
        let millis = |time: Duration| usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
        let transactions = usize::try_from(self.transactions).unwrap_or(usize::MAX);
        within("lease", millis(self.lease), 100..=300_000, " ms")?;
        within("in_flight", self.in_flight, 1..=65_536, "")?;
        within("claim_batch", self.claim_batch, 1..=1_024, "")?;
        within("committers", self.committers, 1..=8, "")?;
        within("flush_batch", self.flush_batch, 1..=1_024, "")?;
        within("transactions", transactions, 1..=64, "")?;
        within("poll_cap", millis(self.poll_cap), 2..=60_000, " ms")
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            name: "worker".to_owned(),
            queues: Vec::new(),
            lease: Duration::from_secs(15),
            in_flight: 2_048,
            claim_batch: 256,
            committers: 3,
            flush_batch: 256,
            transactions: 6,
            poll_cap: Duration::from_millis(250),
            short_wait: Duration::from_secs(1),
            drain: Duration::from_secs(10),
            payload_limit: 256 * 1024,
            steps_limit: 10_000,
            record_limit: 64 * 1024 * 1024,
            crash_limit: 5,
            retention: Retention::default(),
        }
    }
}
