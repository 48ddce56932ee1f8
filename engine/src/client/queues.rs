//! Queues as their operator handles them: limits, pauses, and what is in them.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::client::Client;
use crate::error::Error;
use crate::lane::check_queue;
use crate::store::inspect::COUNT_LIMIT;
use crate::store::queues::{self, QueueRow, StoredLimits};

/// The limits of a queue, which hold over all workers.
///
/// ```
/// use std::time::Duration;
///
/// let limits = makegood::QueueLimits::new().concurrency(20).rate(100, Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLimits {
    /// Runs in workers' memory at once, at least 1. A run that waits for a signal, a timer or a
    /// later retry has left memory and counts for nothing; woken, it needs a place again.
    pub concurrency: Option<u32>,
    /// Runs that begin in a period.
    pub rate: Option<Rate>,
}

/// How many runs may begin in a period, on the database's clock. Up to so many begin at once after
/// a pause; then they are spread evenly. Runs that go on or are undone are not counted.
///
/// ```
/// use std::time::Duration;
///
/// let ten_a_second = makegood::Rate { starts: 10, per: Duration::from_secs(1) };
/// assert_eq!(makegood::QueueLimits::new().rate(10, ten_a_second.per).rate, Some(ten_a_second));
/// let sent = serde_json::to_value(ten_a_second).unwrap();
/// assert_eq!(sent, serde_json::json!({ "starts": 10, "per_ms": 1_000 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// So many, at least 1.
    pub starts: u32,
    /// In such a period: 1 ms to 366 days. As JSON it is `per_ms`.
    #[serde(rename = "per_ms", serialize_with = "to_ms", deserialize_with = "from_ms")]
    pub per: Duration,
}

fn to_ms<S: Serializer>(per: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(per.as_millis()).unwrap_or(u64::MAX))
}

fn from_ms<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

impl QueueLimits {
    /// No limits.
    ///
    /// ```
    /// assert_eq!(makegood::QueueLimits::new().concurrency, None);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// So many runs in memory at once.
    ///
    /// ```
    /// assert_eq!(makegood::QueueLimits::new().concurrency(3).concurrency, Some(3));
    /// ```
    #[must_use]
    pub fn concurrency(mut self, runs: u32) -> Self {
        self.concurrency = Some(runs);
        self
    }

    /// So many runs begin in such a period.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let limits = makegood::QueueLimits::new().rate(10, Duration::from_secs(1));
    /// assert_eq!(limits.rate.map(|rate| rate.starts), Some(10));
    /// ```
    #[must_use]
    pub fn rate(mut self, starts: u32, per: Duration) -> Self {
        self.rate = Some(Rate { starts, per });
        self
    }

    pub(crate) fn stored(self) -> Result<StoredLimits, Error> {
        let number = |what: &str, number: u32| match i32::try_from(number) {
            Ok(number) if number > 0 => Ok(number),
            Ok(_) | Err(_) => {
                Err(Error::Queue(format!("{what} is {number}; use 1 to {}, or pause it", i32::MAX)))
            }
        };
        let concurrency =
            self.concurrency.map(|runs| number("the concurrency", runs)).transpose()?;
        let Some(rate) = self.rate else { return Ok((concurrency, None, None)) };
        let longest = Duration::from_hours(366 * 24);
        match i64::try_from(rate.per.as_millis()) {
            Ok(ms) if ms > 0 && rate.per <= longest => {
                Ok((concurrency, Some(number("the rate", rate.starts)?), Some(ms)))
            }
            Ok(_) | Err(_) => {
                let message = format!("the period is {:?}; use 1 ms to 366 days", rate.per);
                Err(Error::Queue(message))
            }
        }
    }

    /// As a queue's row says them, in JSON.
    pub(crate) fn standing(row: &Value) -> Self {
        let number = |name: &str| row.get(name).and_then(Value::as_i64);
        let small = |name: &str| number(name).and_then(|number| i32::try_from(number).ok());
        Self::read((small("concurrency"), small("rate"), number("per_ms")))
    }

    fn read((concurrency, rate, per_ms): StoredLimits) -> Self {
        let number = |number: i32| u32::try_from(number).unwrap_or_default();
        let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or_default());
        let rate = rate.zip(per_ms);
        Self {
            concurrency: concurrency.map(number),
            rate: rate.map(|(starts, per)| Rate { starts: number(starts), per: ms(per) }),
        }
    }
}

/// A queue, and how many of its runs are where. Counts stop at 100,000 for each kind of run.
///
/// ```no_run
/// # async fn example(client: &makegood::Client) -> Result<(), makegood::Error> {
/// let waiting: u64 = client.queues().await?.iter().map(|queue| queue.due).sum();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Its name.
    pub name: String,
    /// Its limits.
    pub limits: QueueLimits,
    /// Nothing is claimed from it.
    pub paused: bool,
    /// Runs that wait for a worker.
    pub due: u64,
    /// Runs that wait for a signal or a time.
    pub later: u64,
    /// Runs in a worker's memory.
    pub held: u64,
}

impl Client {
    /// Sets a queue's limits, for all workers and within a quarter of a second. Runs that are in
    /// memory stay there, even beyond a new limit.
    ///
    /// # Errors
    /// [`Error::Queue`] when the name or a limit is out of its range.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client) -> Result<(), makegood::Error> {
    /// client.set_queue("mail", makegood::QueueLimits::new().concurrency(3)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_queue(&self, name: &str, limits: QueueLimits) -> Result<(), Error> {
        check_queue(name)?;
        let limits = limits.stored()?;
        queues::set(&mut *self.0.pool.acquire().await?, name, limits).await?;
        self.wake();
        Ok(())
    }

    /// Lets no worker claim from a queue, within a quarter of a second. Runs that are in memory go
    /// on until they wait or end.
    ///
    /// # Errors
    /// [`Error::Queue`] when the name is out of its range.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client) -> Result<(), makegood::Error> {
    /// client.pause_queue("mail").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn pause_queue(&self, name: &str) -> Result<(), Error> {
        check_queue(name)?;
        Ok(queues::set_paused(&mut *self.0.pool.acquire().await?, name, true).await?)
    }

    /// Lets workers claim from a paused queue again.
    ///
    /// # Errors
    /// [`Error::Queue`] when the name is out of its range.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client) -> Result<(), makegood::Error> {
    /// client.resume_queue("mail").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn resume_queue(&self, name: &str) -> Result<(), Error> {
        check_queue(name)?;
        queues::set_paused(&mut *self.0.pool.acquire().await?, name, false).await?;
        self.wake();
        Ok(())
    }

    /// All queues that were ever used or set, by name.
    ///
    /// # Errors
    /// [`Error::Database`] when it does not answer.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client) -> Result<(), makegood::Error> {
    /// let queues = client.queues().await?;
    /// let backlog: u64 = queues.iter().filter(|queue| !queue.paused).map(|queue| queue.due).sum();
    /// # Ok(())
    /// # }
    /// ```
    pub async fn queues(&self) -> Result<Vec<QueueStatus>, Error> {
        let rows = queues::list(&self.0.pool, COUNT_LIMIT).await?;
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let status = |row: QueueRow| QueueStatus {
            name: row.name,
            limits: QueueLimits::read(row.limits),
            paused: row.paused,
            due: count(row.due),
            later: count(row.later),
            held: count(row.held),
        };
        Ok(rows.into_iter().map(status).collect())
    }
}
