//! Starts runs as an application does: with the public client, many in a transaction when there
//! are many, and learns of their ends by asking for them.

use std::time::{Duration, Instant};

use makegood::Client;
use sqlx::PgPool;
use uuid::Uuid;

use crate::works::{self, CheckoutShaped, Steps4, Work};
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
        let mut run_ids = Vec::with_capacity(names.len());
        let mut tx = self.pool.begin().await?;
        for name in names {
            let (client, input) = (&self.client, &self.input);
            let started = match self.work {
                Work::Steps4 => client.start::<Steps4>(&mut tx, name, input).await?,
                Work::CheckoutShaped => {
                    client.start::<CheckoutShaped>(&mut tx, name, input).await?
                }
            };
            run_ids.push(started.run_id);
        }
        tx.commit().await?;
        self.client.wake();
        if self.work.is_signalled() {
            let mut tx = self.pool.begin().await?;
            for name in names {
                works::signal(&self.client, &mut tx, name).await?;
            }
            tx.commit().await?;
            self.client.wake();
        }
        Ok(run_ids)
    }

    /// Waits for the ends of runs that were begun at `begun`, and answers how long each took;
    /// `seen` hears of each.
    pub(crate) async fn follow(
        &self,
        run_ids: &[Uuid],
        begun: Instant,
        mut seen: impl FnMut(),
    ) -> Result<Vec<Duration>, Error> {
        let mut waits = Vec::with_capacity(run_ids.len());
        for run_id in run_ids {
            let output = match self.work {
                Work::Steps4 => {
                    self.client.ending::<Steps4>(*run_id, PATIENCE).await?.map(|end| end.output)
                }
                Work::CheckoutShaped => {
                    let end = self.client.ending::<CheckoutShaped>(*run_id, PATIENCE).await?;
                    end.map(|end| end.output)
                }
            };
            waits.push(begun.elapsed());
            match output {
                Some(Some(length)) if length == self.work.answer() => seen(),
                Some(answer) => {
                    return Err(Error::Wrong(format!("run {run_id} answered {answer:?}")));
                }
                None => {
                    let what = format!("run {run_id}");
                    return Err(Error::Stalled { what, patience: PATIENCE });
                }
            }
        }
        Ok(waits)
    }
}
