//! Starts runs as an application does: with the public client, from as many tasks as there are
//! runs in flight, and awaits their ends.

use std::time::Duration;

use makegood::{Client, Workflow};
use uuid::Uuid;

use crate::works::{self, CheckoutShaped, Go, Steps4, Work};
use crate::{Error, Site};

/// Without an end for this long, there will be none.
const PATIENCE: Duration = Duration::from_mins(1);

/// A client, and what it starts.
pub(crate) struct Starter {
    client: Client,
    work: Work,
    input: String,
}

impl Starter {
    /// Connects.
    pub(crate) async fn connect(site: &Site, work: Work) -> Result<Self, Error> {
        let client = Client::connect(&site.database).await?;
        Ok(Self { client, work, input: works::input() })
    }

    /// Starts one run, sends it its signal, if it wants one, and waits until it has ended.
    pub(crate) async fn carry_through(&self, name: &str) -> Result<(), Error> {
        match self.work {
            Work::Steps4 => {
                let run = self.client.start_now::<Steps4>(name, &self.input).await?;
                self.follow::<Steps4>(run.run_id).await
            }
            Work::CheckoutShaped => {
                let run = self.client.start_now::<CheckoutShaped>(name, &self.input).await?;
                let go = Go::default();
                self.client.signal_now::<CheckoutShaped, Go>(name, "go", &go).await?;
                self.follow::<CheckoutShaped>(run.run_id).await
            }
        }
    }

    async fn follow<W: Workflow<Output = usize>>(&self, run_id: Uuid) -> Result<(), Error> {
        let ending = self.client.ending::<W>(run_id, PATIENCE).await?;
        let stalled = || Error::Stalled { what: format!("run {run_id}"), patience: PATIENCE };
        let ending = ending.ok_or_else(stalled)?;
        match ending.output {
            Some(length) if length == self.work.answer() => Ok(()),
            _ => Err(Error::Wrong(format!("run {run_id} ended with {ending:?}"))),
        }
    }
}
