//! What callers wait for: the end of a run, and what it shows while it lives. It changes nothing.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Client, Ending, decode};
use crate::error::Error;
use crate::store::published;
use crate::store::together::Ended;
use crate::workflow::Workflow;

impl Client {
    /// How a run ended, waiting for it up to `limit`; `None` when it still lives then.
    ///
    /// ```no_run
    /// # use makegood::{Client, Error, Workflow};
    /// # async fn example<Greet: Workflow<Output = String>>(
    /// #     client: &Client,
    /// #     run_id: uuid::Uuid,
    /// # ) -> Result<(), Error> {
    /// use std::time::Duration;
    ///
    /// match client.ending::<Greet>(run_id, Duration::from_secs(5)).await? {
    ///     Some(ending) => println!("{}: {:?}", ending.state, ending.output),
    ///     None => println!("it is still under way"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Json`] when the output is not that of `W`; [`Error::Database`] when the database does
    /// not answer.
    pub async fn ending<W: Workflow>(
        &self,
        run_id: Uuid,
        limit: Duration,
    ) -> Result<Option<Ending<W::Output>>, Error> {
        let Some(ended) = self.0.endings.of(run_id, limit).await? else { return Ok(None) };
        let Ended { state, output, cause, .. } = ended;
        let output = output.map(|text| decode(W::NAME, &text)).transpose()?;
        let cause = cause.map(|text| decode(W::NAME, &text)).transpose()?;
        Ok(Some(Ending { state, output, cause }))
    }

    /// What a run shows under a key; `None` when it has published nothing there yet.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// let left: Option<u32> = client.published(run_id, "parcels left").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Json`] when the value is not a `T`.
    pub async fn published<T: DeserializeOwned>(
        &self,
        run_id: Uuid,
        key: &str,
    ) -> Result<Option<T>, Error> {
        let text = published::value(&self.0.pool, run_id, key).await?;
        text.map(|text| decode(key, &text)).transpose()
    }

    /// What a run shows under a key, waiting for it up to `limit`; `None` when there is nothing
    /// then. With a signal this is a question and its answer: the program publishes it under a key
    /// that the signal names, and it is there in the commit that records what it rests on.
    ///
    /// # Errors
    /// [`Error::Json`] when the value is not a `T`.
    ///
    /// ```no_run
    /// # async fn example(client: makegood::Client, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// use std::time::Duration;
    ///
    /// // The signal `Add { item: 7, answer: "click-5" }` was sent and committed.
    /// let wait = Duration::from_secs(2);
    /// match client.published_within::<u32>(run_id, "click-5", wait).await? {
    ///     Some(items) => println!("{items} in the cart"),
    ///     None => println!("it will be there soon"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn published_within<T: DeserializeOwned>(
        &self,
        run_id: Uuid,
        key: &str,
        limit: Duration,
    ) -> Result<Option<T>, Error> {
        within(limit, async || self.published(run_id, key).await).await
    }
}

/// Looks more and more seldom until there is something, or the time is over.
async fn within<T>(
    limit: Duration,
    look: impl AsyncFn() -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    let deadline = Instant::now().checked_add(limit);
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(found) = look().await? {
            return Ok(Some(found));
        }
        if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
            return Ok(None);
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(Duration::from_millis(100));
    }
}
