//! The world of one run as a scenario sees it: its tables, the engine's client, and its time.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use uuid::Uuid;

use super::place::Place;
use super::scenario::Result;
use crate::client::{Client, Delivery};
use crate::config::Database;
use crate::ctx::Signal;
use crate::store::testkit as sql;
use crate::workflow::Workflow;

/// How long a scenario waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

const PAUSE: Duration = Duration::from_millis(5);

/// The world of one run: what a [`Scenario`](super::Scenario) prepares, drives and looks at.
///
/// ```no_run
/// # use makegood::testkit::{Result, Stage};
/// # async fn part(stage: &Stage) -> Result<()> {
/// let notes: i64 = sqlx::query_scalar("select count(*) from notes").fetch_one(stage.pool()).await?;
/// println!("{}: {notes} notes", stage.workflow_id());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stage {
    pool: PgPool,
    client: Client,
    database: Database,
    workflow_id: String,
    run_id: Option<Uuid>,
    place: Place,
}

impl Stage {
    pub(crate) async fn open(place: Place) -> Result<Self> {
        let database = place.database()?;
        let pool = database.pool("makegood-testkit", 4).await?;
        let client = Client::connect(&database).await?;
        let workflow_id = Uuid::now_v7().to_string();
        Ok(Self { pool, client, database, workflow_id, run_id: None, place })
    }

    /// Connections to the cell.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Result, Stage};
    /// # async fn part(stage: &Stage) -> Result<()> {
    /// sqlx::query("insert into seats (seat) values (17)").execute(stage.pool()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The engine's client for the cell.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Result, Stage};
    /// # async fn part(stage: &Stage) -> Result<()> {
    /// stage.client().wake();
    /// # Ok(())
    /// # }
    /// ```
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The cell as the engine sees it.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Result, Stage};
    /// # async fn part(stage: &Stage) -> Result<()> {
    /// println!("in the cell {}", stage.database().cell());
    /// # Ok(())
    /// # }
    /// ```
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Where the world is, and what it keeps.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Result, Stage};
    /// # async fn part(stage: &Stage) -> Result<()> {
    /// let printer = stage.place().setting("printer")?;
    /// println!("the printer is at {printer}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The id under which the run is, or will be, started. No other run has it.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Result, Stage};
    /// # async fn part(stage: &Stage) -> Result<()> {
    /// println!("the run is known as {}", stage.workflow_id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn workflow_id(&self) -> &str {
        &self.workflow_id
    }

    /// Sends a signal to the run, in a transaction of its own.
    ///
    /// ```no_run
    /// # use makegood::{Ctx, Signal, Workflow, WorkflowResult, testkit::{Result, Stage}};
    /// # use serde::{Deserialize, Serialize};
    /// # struct Parcel;
    /// # impl Workflow for Parcel {
    /// #     const NAME: &'static str = "parcel";
    /// #     type Input = ();
    /// #     type Output = ();
    /// #     async fn run(_: Ctx, (): ()) -> WorkflowResult<()> { Ok(()) }
    /// # }
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Signed { by: String }
    /// # impl Signal for Signed { const KIND: &'static str = "signed"; }
    /// async fn drive(stage: &Stage) -> Result<()> {
    ///     stage.until_recorded("load_van").await?;
    ///     stage.signal::<Parcel, _>("s1", &Signed { by: "Ada".to_owned() }).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`Client::signal`].
    pub async fn signal<W: Workflow, S: Signal>(&self, id: &str, signal: &S) -> Result<Delivery> {
        let mut tx = self.pool.begin().await?;
        let delivery = self.client.signal::<W, S>(&mut tx, &self.workflow_id, id, signal).await?;
        tx.commit().await?;
        self.client.wake();
        Ok(delivery)
    }

    /// Waits until the run has recorded the result of a step; of one that is refused, there is none.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Result, Stage};
    /// # async fn part(stage: &Stage) -> Result<()> {
    /// stage.until_recorded("hold_seat").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When that takes longer than a minute.
    pub async fn until_recorded(&self, step: &str) -> Result<()> {
        let run_id = self.run_id.ok_or("the run is not started yet")?;
        self.until(&format!("{step} is recorded"), async || {
            let mut conn = self.pool.acquire().await?;
            Ok(sql::has_done(&mut conn, run_id, step).await?)
        })
        .await
    }

    /// Waits until `look` says true, asking again and again.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Result, Stage};
    /// # async fn part(stage: &Stage) -> Result<()> {
    /// stage.until("the seat is sold", async || {
    ///     let sold = "select exists (select from seats where sold)";
    ///     Ok(sqlx::query_scalar(sold).fetch_one(stage.pool()).await?)
    /// }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When that takes longer than a minute; names `what` it waited for.
    pub async fn until(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<()> {
        let begun = Instant::now();
        while !look().await? {
            if begun.elapsed() > PATIENCE {
                return Err(format!("waited {PATIENCE:?} in vain until {what}").into());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Moves every timer and every wait of the cell nearer by this much; how many there were.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use makegood::testkit::{Result, Stage};
    /// async fn drive(stage: &Stage) -> Result<()> {
    ///     stage.until_recorded("print_slip").await?;
    ///     stage.advance(Duration::from_secs(6 * 86_400)).await?; // one day is left
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn advance(&self, by: Duration) -> Result<u64> {
        let mut conn = self.pool.acquire().await?;
        let moved = sql::advance(&mut conn, by).await?;
        self.client.wake();
        Ok(moved)
    }

    /// Waits until no run of the cell can go on by itself, then moves time on to the next timer or
    /// wait; by how much, or `None` when there is none left.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Result, Stage};
    /// # async fn part(stage: &Stage) -> Result<()> {
    /// while let Some(by) = stage.skip_to_next_timer().await? {
    ///     println!("skipped {by:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the runs do not come to rest within a minute.
    pub async fn skip_to_next_timer(&self) -> Result<Option<Duration>> {
        let mut next = None;
        self.until("the runs rest", async || {
            let rest = self.rest().await?;
            next = rest.next_ms;
            Ok(rest.moving == 0)
        })
        .await?;
        let Some(ms) = next else { return Ok(None) };
        let by = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
        self.advance(by).await?;
        Ok(Some(by))
    }

    pub(crate) async fn rest(&self) -> Result<sql::Rest> {
        let mut conn = self.pool.acquire().await?;
        Ok(sql::rest(&mut conn).await?)
    }

    pub(crate) fn run_id(&self) -> Uuid {
        self.run_id.unwrap_or_default()
    }

    /// Starts the run; no worker of this cell has been started yet.
    pub(crate) async fn start<W: Workflow>(&mut self, input: &W::Input) -> Result<()> {
        let mut tx = self.pool.begin().await?;
        let started = self.client.start::<W>(&mut tx, &self.workflow_id, input).await?;
        tx.commit().await?;
        self.run_id = Some(started.run_id);
        Ok(())
    }
}
