//! Starts runs as an application does: with the public client, many in a transaction when there
//! are many, and learns of their ends by asking for them.

use std::time::{Duration, Instant};

use makegood::{Client, Ending, StartOptions};
use sqlx::PgPool;
use uuid::Uuid;

use crate::works::{self, CheckoutShaped, Go, Steps4, Work};
use crate::{Error, Site};

/// Without an end for this long, there will be none.
const PATIENCE: Duration = Duration::from_mins(1);

/// A client, and what it starts.
pub(crate) struct Starter {
    client: Client,
    pool: PgPool,
    work: Work,
    input: String,
}

impl Starter {
    /// Connects, for so many transactions at once.
    pub(crate) async fn connect(site: &Site, work: Work, lanes: u32) -> Result<Self, Error> {
        let client = Client::connect(&site.database).await?;
        let pool = site.database.pool("makegood-bench-starter", lanes).await?;
        Ok(Self { client, pool, work, input: works::input() })
    }

    /// Starts runs in one transaction, and sends each its signal, if it wants one, in another.
    pub(crate) async fn start(&self, names: &[String]) -> Result<Vec<Uuid>, Error> {
        let runs: Vec<_> = names.iter().map(|name| (name.as_str(), &self.input)).collect();
        let options = StartOptions::new();
        let mut tx = self.pool.begin().await?;
        let started = match self.work {
            Work::Steps4 => self.client.start_many::<Steps4>(&mut tx, &runs, &options).await?,
            Work::CheckoutShaped => {
                self.client.start_many::<CheckoutShaped>(&mut tx, &runs, &options).await?
            }
        };
        tx.commit().await?;
        self.client.wake();
        if self.work.is_signalled() {
            let go = Go::default();
            let signals: Vec<_> = names.iter().map(|name| (name.as_str(), "go", &go)).collect();
            let mut tx = self.pool.begin().await?;
            self.client.signal_many::<CheckoutShaped, Go>(&mut tx, &signals).await?;
            tx.commit().await?;
            self.client.wake();
        }
        Ok(started.into_iter().map(|run| run.run_id).collect())
    }

    /// Starts one run, and sends it its signal, if it wants one, in a transaction of its own.
    pub(crate) async fn start_one(&self, name: &str) -> Result<Uuid, Error> {
        let mut tx = self.pool.begin().await?;
        let started = match self.work {
            Work::Steps4 => self.client.start::<Steps4>(&mut tx, name, &self.input).await?,
            Work::CheckoutShaped => {
                self.client.start::<CheckoutShaped>(&mut tx, name, &self.input).await?
            }
        };
        tx.commit().await?;
        self.client.wake();
        if self.work.is_signalled() {
            let mut tx = self.pool.begin().await?;
            let go = Go::default();
            self.client.signal::<CheckoutShaped, Go>(&mut tx, name, "go", &go).await?;
            tx.commit().await?;
            self.client.wake();
        }
        Ok(started.run_id)
    }

    /// Which of some runs have ended; waits until one has.
    pub(crate) async fn ended(&self, run_ids: &[Uuid]) -> Result<Vec<Uuid>, Error> {
        let ended = match self.work {
            Work::Steps4 => self.client.endings::<Steps4>(run_ids, PATIENCE).await?,
            Work::CheckoutShaped => {
                self.client.endings::<CheckoutShaped>(run_ids, PATIENCE).await?
            }
        };
        if ended.is_empty() {
            let what = format!("{} runs", run_ids.len());
            return Err(Error::Stalled { what, patience: PATIENCE });
        }
        ended.into_iter().map(|(run_id, ending)| self.checked(run_id, &ending)).collect()
    }

    /// Waits for the end of one run that was begun at `begun`, and answers how long it took.
    pub(crate) async fn follow(&self, run_id: Uuid, begun: Instant) -> Result<Duration, Error> {
        let ending = match self.work {
            Work::Steps4 => self.client.ending::<Steps4>(run_id, PATIENCE).await?,
            Work::CheckoutShaped => self.client.ending::<CheckoutShaped>(run_id, PATIENCE).await?,
        };
        let took = begun.elapsed();
        let stalled = || Error::Stalled { what: format!("run {run_id}"), patience: PATIENCE };
        self.checked(run_id, &ending.ok_or_else(stalled)?)?;
        Ok(took)
    }

    fn checked(&self, run_id: Uuid, ending: &Ending<usize>) -> Result<Uuid, Error> {
        match ending.output {
            Some(length) if length == self.work.answer() => Ok(run_id),
            _ => Err(Error::Wrong(format!("run {run_id} ended with {ending:?}"))),
        }
    }
}
