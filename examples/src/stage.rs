//! What a saga needs around it: a database, a worker, and the world outside. It knows no saga.

use std::time::Duration;

use devpg::{Cluster, Options};
use makegood::{Client, Database, Ending, Signal, Worker, WorkerConfig, Workflow};
use migrations::Cell;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::outside::{self, NoClient, Service};
use crate::timeline;

/// The tables of the examples, beside those of the engine in the same cell.
const TABLES: &str = include_str!("../tables.sql");

/// How long a run may take to its end, here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a stage cannot be set, or a run on it not be watched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No private PostgreSQL; the message names the remedies.
    #[error(transparent)]
    Cluster(#[from] devpg::Error),
    /// The tables cannot be made.
    #[error(transparent)]
    Tables(#[from] migrations::Error),
    /// The engine's client or worker.
    #[error(transparent)]
    Engine(#[from] makegood::Error),
    /// The database.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The world outside has no port, or a task was lost.
    #[error("this machine: {0}")]
    Machine(#[from] std::io::Error),
    /// The world outside cannot be spoken to.
    #[error(transparent)]
    Outside(#[from] NoClient),
    /// A run did not end: its record says where it is.
    #[error("the run has not ended:\n{0}")]
    Unended(String),
}

/// Makes the examples' own tables in the cell that the connection is in.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), Box<dyn std::error::Error>> {
/// migrations::engine(conn, &migrations::Cell::default()).await?; // leaves the connection in the cell
/// makegood_examples::stage::create_tables(conn).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When they are there already.
pub async fn create_tables(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    for table in migrations::statements(TABLES) {
        sqlx::query(AssertSqlSafe(table)).execute(&mut *conn).await?;
    }
    Ok(())
}

/// A worker that knows all three sagas, with everything that it needs.
///
/// ```no_run
/// # async fn example() -> Result<(), makegood_examples::stage::Error> {
/// use makegood_examples::stage::Stage;
/// use makegood_examples::fan_out::{FanOut, SplitOrder};
///
/// let stage = Stage::private().await?;
/// let order = SplitOrder::new("order-1", "kettle", &[("north", 2)]);
/// let run = stage.start::<FanOut>("order-1", &order).await?;
/// let timeline = stage.timeline(run).await?;
/// stage.close().await?;
/// # Ok(())
/// # }
/// ```
pub struct Stage {
    pool: PgPool,
    client: Client,
    outside: Service,
    worker: Worker,
    cluster: Option<Cluster>,
}

impl Stage {
    /// On a private PostgreSQL that ends with this process.
    ///
    /// # Errors
    /// The first thing that cannot be had.
    pub async fn private() -> Result<Self, Error> {
        let start = tokio::task::spawn_blocking(|| Cluster::start(&Options::fast()));
        let cluster = start.await.map_err(std::io::Error::other)??;
        let stage = Self::at(&cluster.url("postgres"), &Cell::default()).await?;
        Ok(Self { cluster: Some(cluster), ..stage })
    }

    /// In a cell, empty until now, of the database at `url`.
    ///
    /// # Errors
    /// The first thing that cannot be had.
    pub async fn at(url: &str, cell: &Cell) -> Result<Self, Error> {
        let mut conn = PgConnection::connect(url).await?;
        migrations::engine(&mut conn, cell).await?; // leaves the connection in the cell
        create_tables(&mut conn).await?;
        conn.close().await?;
        let database = Database::new(url, cell.name())?;
        let outside = Service::start().await?;
        let registry = crate::registry(&outside::Client::new(&outside.url())?);
        Ok(Self {
            pool: database.pool("stage", 4).await?,
            client: Client::connect(&database).await?,
            worker: Worker::start(&database, registry, WorkerConfig::default()).await?,
            outside,
            cluster: None,
        })
    }

    /// For statements of one's own.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The engine's client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The world outside.
    pub fn outside(&self) -> &Service {
        &self.outside
    }

    /// Starts a run, in a transaction of its own.
    ///
    /// # Errors
    /// As [`Client::start`].
    pub async fn start<W: Workflow>(&self, id: &str, input: &W::Input) -> Result<Uuid, Error> {
        let mut tx = self.pool.begin().await?;
        let started = self.client.start::<W>(&mut tx, id, input).await?;
        tx.commit().await?;
        self.client.wake();
        Ok(started.run_id)
    }

    /// Sends a signal, in a transaction of its own. There is one of its kind for each run here, so
    /// the kind is its id.
    ///
    /// # Errors
    /// As [`Client::signal`].
    pub async fn signal<W: Workflow, S: Signal>(&self, id: &str, signal: &S) -> Result<(), Error> {
        let mut tx = self.pool.begin().await?;
        self.client.signal::<W, S>(&mut tx, id, S::KIND, signal).await?;
        tx.commit().await?;
        self.client.wake();
        Ok(())
    }

    /// Waits for the end of a run, half a minute at most.
    ///
    /// # Errors
    /// [`Error::Unended`] when it still lives then.
    pub async fn ended<W: Workflow>(&self, run_id: Uuid) -> Result<Ending<W::Output>, Error> {
        match self.client.ending::<W>(run_id, PATIENCE).await? {
            Some(ending) => Ok(ending),
            None => Err(Error::Unended(self.timeline(run_id).await?)),
        }
    }

    /// What a run and its children have recorded.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn timeline(&self, run_id: Uuid) -> Result<String, Error> {
        let mut conn = self.pool.acquire().await?;
        Ok(timeline::of(&mut conn, run_id).await?)
    }

    /// Lets the worker finish, and ends a private PostgreSQL.
    ///
    /// # Errors
    /// When the worker cannot hand its runs back, or the server does not end.
    pub async fn close(self) -> Result<(), Error> {
        self.worker.drain().await?;
        self.pool.close().await;
        let Some(cluster) = self.cluster else { return Ok(()) };
        let stop = tokio::task::spawn_blocking(|| cluster.stop());
        Ok(stop.await.map_err(std::io::Error::other)??)
    }
}
