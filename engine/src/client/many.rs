//! Many runs in one call: their starts, signals and ends, in a few statements however many they
//! are. What is out of the ordinary goes the way of a single call.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::answers::{Looks, ending};
use super::{Client, Delivery, Ending, Started};
use crate::action::StoredSignal;
use crate::ctx::Signal;
use crate::error::Error;
use crate::lane::StartOptions;
use crate::store::many;
use crate::workflow::Workflow;

impl Client {
    /// Starts runs like [`Client::start_with`], each by its workflow id and input, all with the same
    /// options, and answers in their order. Some thousands are a good number: each call is a few
    /// statements, and its parameters travel as a whole.
    ///
    /// # Errors
    /// Those of [`Client::start_with`]: one input that conflicts fails the whole call, which the
    /// caller then rolls back.
    ///
    /// ```no_run
    /// # use makegood::{Client, Error, StartOptions, Workflow};
    /// # async fn example<Ship: Workflow<Input = String>>(
    /// #     client: &Client,
    /// #     pool: &sqlx::PgPool,
    /// # ) -> Result<(), Error> {
    /// let parcels = ["parcel-1", "parcel-2"];
    /// let input = "to Ada".to_owned();
    /// let runs: Vec<_> = parcels.iter().map(|id| (*id, &input)).collect();
    /// let mut tx = pool.begin().await?;
    /// client.start_many::<Ship>(&mut tx, &runs, &StartOptions::new()).await?;
    /// tx.commit().await?;
    /// client.wake();
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start_many<W: Workflow>(
        &self,
        conn: &mut PgConnection,
        runs: &[(&str, &W::Input)],
        options: &StartOptions,
    ) -> Result<Vec<Started>, Error> {
        options.check()?;
        let lane = self.lanes().of(W::NAME, W::VERSION, options).await?;
        let mut starts = BTreeMap::new();
        for (workflow_id, input) in runs {
            // Of two with one id the first is started here, the second meets it below.
            if !starts.contains_key(workflow_id) {
                starts.insert(*workflow_id, (Uuid::now_v7(), self.encode(W::NAME, input)?));
            }
        }
        let attributes = options.attributes.json();
        // In the order of their ids, so that two callers with the same ids cannot lock each other out.
        let new =
            starts.iter().map(|(workflow_id, (run_id, input))| (*run_id, *workflow_id, input));
        let queued = many::start(&mut *conn, lane, attributes.as_deref(), new).await?;
        let mut answers = Vec::with_capacity(runs.len());
        for (workflow_id, input) in runs {
            match starts.remove(workflow_id) {
                Some((run_id, _)) if queued.contains(&run_id) => {
                    answers.push(Started { run_id, created: true });
                }
                _ => {
                    let met = self.start_with::<W>(&mut *conn, workflow_id, input, options);
                    answers.push(met.await?);
                }
            }
        }
        Ok(answers)
    }

    /// Sends signals like [`Client::signal`], each by its run's workflow id, its own id and its
    /// payload, and answers in their order.
    ///
    /// # Errors
    /// Those of [`Client::signal`]: one id that was never started fails the whole call, which the
    /// caller then rolls back.
    ///
    /// ```no_run
    /// # use makegood::{Client, Error, Signal, Workflow};
    /// # async fn example<Book: Workflow, Paid: Signal>(
    /// #     client: &Client,
    /// #     tx: &mut sqlx::PgConnection,
    /// #     (first, second): (&Paid, &Paid),
    /// # ) -> Result<(), Error> {
    /// let paid = [("booking-1", "payment-81", first), ("booking-2", "payment-82", second)];
    /// client.signal_many::<Book, Paid>(tx, &paid).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn signal_many<W: Workflow, S: Signal>(
        &self,
        conn: &mut PgConnection,
        signals: &[(&str, &str, &S)],
    ) -> Result<Vec<Delivery>, Error> {
        let names: Vec<&str> = signals.iter().map(|(workflow_id, ..)| *workflow_id).collect();
        let mut live = many::live(&mut *conn, W::NAME, &names).await?;
        let mut first = BTreeMap::new();
        for (at, (workflow_id, signal_id, signal)) in signals.iter().enumerate() {
            if signal_id.starts_with('$') {
                return Err(Error::ReservedSignal((*signal_id).to_owned()));
            }
            // The second for one run goes the way of a single one, as those for ended runs do.
            if let Some(run_id) = live.remove(*workflow_id) {
                let (id, kind) = ((*signal_id).to_owned(), S::KIND.to_owned());
                let payload = self.encode(S::KIND, signal)?;
                first.insert(run_id, (at, StoredSignal { id, kind, payload }));
            }
        }
        let stored = many::store(&mut *conn, first.iter().map(|(id, (_, sent))| (*id, sent)));
        let stored = stored.await?;
        let rung = many::ring(&mut *conn, &stored).await?;
        let mut answers: BTreeMap<usize, Delivery> = BTreeMap::new();
        for (run_id, (at, signal)) in first {
            let answer = if rung.contains(&run_id) {
                Delivery::Queued
            } else if stored.contains(&run_id) {
                let workflow_id = signals.get(at).map_or("", |(workflow_id, ..)| *workflow_id);
                self.late::<W>(&mut *conn, workflow_id, run_id, &signal).await?
            } else {
                Delivery::Repeated
            };
            answers.insert(at, answer);
        }
        for (at, (workflow_id, signal_id, signal)) in signals.iter().enumerate() {
            if let Entry::Vacant(answer) = answers.entry(at) {
                let sent = self.signal::<W, S>(&mut *conn, workflow_id, signal_id, signal);
                answer.insert(sent.await?);
            }
        }
        Ok(answers.into_values().collect())
    }

    /// How those of many runs ended that have ended, waiting up to `limit` until one has; none when
    /// all of them still live then. Each look reads all of them: ask for some hundreds at once.
    ///
    /// # Errors
    /// [`Error::Json`] when an output is not that of `W`; [`Error::Database`] when the database does
    /// not answer.
    ///
    /// ```no_run
    /// # use makegood::{Client, Error, Workflow};
    /// # async fn example<Ship: Workflow<Output = String>>(
    /// #     client: &Client,
    /// #     mut parcels: std::collections::BTreeSet<uuid::Uuid>,
    /// # ) -> Result<(), Error> {
    /// while !parcels.is_empty() {
    ///     let asked: Vec<_> = parcels.iter().take(500).copied().collect();
    ///     let wait = std::time::Duration::from_secs(60);
    ///     for (run_id, ending) in client.endings::<Ship>(&asked, wait).await? {
    ///         parcels.remove(&run_id);
    ///         println!("{run_id}: {}", ending.state);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn endings<W: Workflow>(
        &self,
        run_ids: &[Uuid],
        limit: Duration,
    ) -> Result<Vec<(Uuid, Ending<W::Output>)>, Error> {
        let mut looks = Looks::within(limit);
        loop {
            let found = many::endings(self.connections(), run_ids).await?;
            if found.is_empty() && looks.again().await {
                continue;
            }
            let decoded =
                found.into_iter().map(|(run_id, ended)| Ok((run_id, ending::<W>(ended)?)));
            return decoded.collect();
        }
    }
}
