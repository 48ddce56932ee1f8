//! Starts and signals in a transaction of the client's own, shared by whoever asks at that moment:
//! hundreds of callers cost one commit.

use std::collections::{BTreeSet, HashMap, HashSet};

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::gather::{Asked, Desk};
use super::{Client, Delivery, Started, deliver, start};
use crate::action::StoredSignal;
use crate::ctx::Signal;
use crate::error::{Error, outcome_unknown};
use crate::lane::{Lanes, StartOptions};
use crate::late::LateCode;
use crate::store::mail::{self, Delivered};
use crate::store::runs::NewRun;
use crate::store::together::{self, Starts};
use crate::workflow::Workflow;
use crate::write;

impl Client {
    /// Starts a run in a transaction of the client's own, and wakes a worker. What is asked at the
    /// same moment shares the commit: the way to start many runs, each by a task of its own. When it
    /// answers, the run is durable; when it is not awaited to its end, ask again with the same id.
    ///
    /// ```no_run
    /// # use makegood::{Client, Error, Workflow};
    /// # async fn example<Greet: Workflow<Input = String>>(client: &Client) -> Result<(), Error> {
    /// let started = client.start_now::<Greet>("guest-ada", &"Ada".to_owned()).await?;
    /// println!("{}", started.run_id);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Client::start`].
    pub async fn start_now<W: Workflow>(
        &self,
        workflow_id: &str,
        input: &W::Input,
    ) -> Result<Started, Error> {
        self.start_now_with::<W>(workflow_id, input, &StartOptions::default()).await
    }

    /// Starts a run like [`Client::start_now`], with the options of [`Client::start_with`].
    ///
    /// ```no_run
    /// # use makegood::{Client, Error, Priority, StartOptions, Workflow};
    /// # async fn example<W: Workflow<Input = String>>(client: &Client) -> Result<(), Error> {
    /// let options = StartOptions::new().queue("bulk").priority(Priority::Low);
    /// client.start_now_with::<W>("import-1", &"a file".to_owned(), &options).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Client::start_with`].
    pub async fn start_now_with<W: Workflow>(
        &self,
        workflow_id: &str,
        input: &W::Input,
        options: &StartOptions,
    ) -> Result<Started, Error> {
        let start = NewStart {
            run_id: Uuid::now_v7(),
            workflow: W::NAME,
            version: W::VERSION,
            workflow_id: workflow_id.to_owned(),
            input: self.encode(W::NAME, input)?.get().to_owned(),
            lane: self.lane::<W>(options).await?,
            attributes: options.attributes.json(),
        };
        let started = self.0.starts.ask(start).await?;
        self.wake();
        Ok(started)
    }

    /// Sends a signal in a transaction of the client's own, and wakes a worker; shared like that of
    /// [`Client::start_now`].
    ///
    /// ```no_run
    /// # use makegood::{Client, Error, Signal, Workflow};
    /// # async fn example<Book: Workflow, Paid: Signal>(client: &Client, paid: Paid) -> Result<(), Error> {
    /// client.signal_now::<Book, Paid>("booking-1", "payment-81", &paid).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Client::signal`].
    pub async fn signal_now<W: Workflow, S: Signal>(
        &self,
        workflow_id: &str,
        signal_id: &str,
        signal: &S,
    ) -> Result<Delivery, Error> {
        let signal = NewSignal {
            workflow: W::NAME,
            workflow_id: workflow_id.to_owned(),
            signal: self.signal_of(signal_id, signal)?,
            late: late_code::<W>,
        };
        let delivery = self.0.signals.ask(signal).await?;
        self.wake();
        Ok(delivery)
    }
}

/// The handler of a workflow's late signals.
pub(super) fn late_code<W: Workflow>() -> Option<LateCode> {
    W::late_signal().map(LateCode::of)
}

/// A run that somebody wants started.
#[derive(Debug)]
pub(super) struct NewStart {
    run_id: Uuid,
    workflow: &'static str,
    version: i32,
    workflow_id: String,
    input: String,
    lane: i64,
    attributes: Option<String>,
}

impl NewStart {
    fn run(&self) -> NewRun<'_> {
        NewRun {
            run_id: self.run_id,
            workflow: self.workflow,
            version: self.version,
            workflow_id: &self.workflow_id,
            input: &self.input,
            lane: self.lane,
            attributes: self.attributes.as_deref(),
        }
    }
}

/// A signal that somebody wants sent.
#[derive(Debug)]
pub(super) struct NewSignal {
    workflow: &'static str,
    workflow_id: String,
    signal: StoredSignal,
    late: fn() -> Option<LateCode>,
}

/// Starts runs: all of them at once, and alone those for which that was not to be.
#[derive(Clone)]
pub(super) struct StartDesk {
    /// Its own connections.
    pub(super) hot: PgPool,
    pub(super) pool: PgPool,
}

impl Desk for StartDesk {
    type Question = NewStart;
    type Answer = Started;

    async fn serve(&self, asked: Vec<Asked<NewStart, Started>>) {
        let mut starts = Starts::default();
        for Asked { question, .. } in &asked {
            starts.push(&question.run());
        }
        match start_together(&self.hot, &starts).await {
            Ok(created) => {
                let (done, rest): (Vec<_>, Vec<_>) =
                    asked.into_iter().partition(|asked| created.contains(&asked.question.run_id));
                for asked in done {
                    let run_id = asked.question.run_id;
                    asked.answer(Ok(Started { run_id, created: true }));
                }
                self.alone(rest);
            }
            Err(error) if outcome_unknown(&error) => doubt(asked, &error),
            Err(error) => {
                tracing::debug!(%error, starts = asked.len(), "starts were refused; trying each");
                self.alone(asked);
            }
        }
    }
}

impl StartDesk {
    /// Beside the next batch, which must not wait for whom these may have to wait.
    fn alone(&self, asked: Vec<Asked<NewStart, Started>>) {
        for asked in asked {
            let desk = self.clone();
            tokio::spawn(async move {
                let started = desk.start(&asked.question).await;
                asked.answer(started);
            });
        }
    }

    async fn start(&self, new: &NewStart) -> Result<Started, Error> {
        let mut tx = self.pool.begin().await?;
        let started = start(&mut tx, &new.run()).await?;
        write::commit(tx).await?;
        Ok(started)
    }
}

async fn start_together(pool: &PgPool, starts: &Starts) -> Result<Vec<Uuid>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let now = together::time(&mut tx).await?;
    let created = together::start(&mut tx, starts, now).await?;
    write::commit(tx).await?;
    Ok(created)
}

/// Sends signals: those for live runs that nobody holds locked at once, the others alone.
#[derive(Clone)]
pub(super) struct SignalDesk {
    /// Its own connections.
    pub(super) hot: PgPool,
    pub(super) pool: PgPool,
    pub(super) lanes: Lanes,
}

impl Desk for SignalDesk {
    type Question = NewSignal;
    type Answer = Delivery;

    async fn serve(&self, asked: Vec<Asked<NewSignal, Delivery>>) {
        match self.deliver(&asked).await {
            Ok(queued) => {
                let mut rest = Vec::new();
                for (asked, queued) in asked.into_iter().zip(queued) {
                    if queued {
                        asked.answer(Ok(Delivery::Queued));
                    } else {
                        rest.push(asked);
                    }
                }
                self.alone(rest);
            }
            Err(error) if outcome_unknown(&error) => doubt(asked, &error),
            Err(error) => {
                tracing::debug!(%error, signals = asked.len(), "signals were refused; trying each");
                self.alone(asked);
            }
        }
    }
}

impl SignalDesk {
    /// Which of them were put among the signals of a live run.
    async fn deliver(
        &self,
        asked: &[Asked<NewSignal, Delivery>],
    ) -> Result<Vec<bool>, sqlx::Error> {
        let questions: Vec<&NewSignal> = asked.iter().map(|asked| &asked.question).collect();
        let mut tx = self.hot.begin().await?;
        let letters = letters(&mut tx, &questions).await?;
        let sent: Vec<Delivered> = letters.iter().flatten().cloned().collect();
        let now = together::time(&mut tx).await?;
        let reached = mail::deliver(&mut tx, &sent, now).await?;
        mail::ring(&mut tx, &reached).await?;
        write::commit(tx).await?;
        let mut stored: HashSet<(Uuid, &str)> =
            reached.iter().map(|one| (one.run_id, &*one.signal_id)).collect();
        // Of two with one id, the first is the one that was stored.
        let queued = letters.iter().map(|letter| match letter {
            Some(letter) => stored.remove(&(letter.run_id, &*letter.signal_id)),
            None => false,
        });
        Ok(queued.collect())
    }

    /// Beside the next batch, which must not wait for whom these may have to wait.
    fn alone(&self, asked: Vec<Asked<NewSignal, Delivery>>) {
        for asked in asked {
            let desk = self.clone();
            tokio::spawn(async move {
                let delivered = desk.send(&asked.question).await;
                asked.answer(delivered);
            });
        }
    }

    async fn send(&self, new: &NewSignal) -> Result<Delivery, Error> {
        let mut tx = self.pool.begin().await?;
        let to = (new.workflow, new.workflow_id.as_str());
        let delivery = deliver(&mut tx, &self.lanes, to, new.late, &new.signal).await?;
        write::commit(tx).await?;
        Ok(delivery)
    }
}

/// The signals as letters to their runs; nothing for a run that is not there.
async fn letters(
    conn: &mut PgConnection,
    signals: &[&NewSignal],
) -> Result<Vec<Option<Delivered>>, sqlx::Error> {
    let workflows: BTreeSet<&str> = signals.iter().map(|signal| signal.workflow).collect();
    // Each once: the index is searched for each of them with each of the ids.
    let workflows: Vec<&str> = workflows.into_iter().collect();
    let workflow_ids: Vec<&str> = signals.iter().map(|signal| &*signal.workflow_id).collect();
    let addresses = together::addresses(conn, &workflows, &workflow_ids).await?;
    let runs: HashMap<(&str, &str), Uuid> =
        addresses.iter().map(|at| ((&*at.workflow, &*at.workflow_id), at.run_id)).collect();
    let letter = |new: &&NewSignal| {
        let run_id = *runs.get(&(new.workflow, &*new.workflow_id))?;
        let StoredSignal { id, kind, payload } = &new.signal;
        let (signal_id, kind, payload) = (id.clone(), kind.clone(), payload.get().to_owned());
        Some(Delivered { run_id, signal_id, kind, payload })
    };
    Ok(signals.iter().map(letter).collect())
}

/// Nobody knows whether they are stored: each caller asks again with the same id.
fn doubt<Q, A>(asked: Vec<Asked<Q, A>>, error: &sqlx::Error) {
    for asked in asked {
        let told = sqlx::Error::Protocol(format!("it may be stored; ask again: {error}"));
        asked.answer(Err(Error::Database(told)));
    }
}
