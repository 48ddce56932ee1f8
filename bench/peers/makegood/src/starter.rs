//! The starter: an application that starts, signals and awaits runs through the public client.
//! Callers at one moment share a transaction there, and a look for ends.

use std::time::Duration;

use anyhow::Context;
use makegood::{Client, Database};
use protocol::{Input, PAID, Peer, Work};
use uuid::Uuid;

use crate::workflows::{Checkout, Paid, Steps4};

/// Longer than any stretch.
const LIMIT: Duration = Duration::from_mins(5);

pub(crate) struct Starter(Client);

impl Starter {
    pub(crate) async fn connect(database: &Database) -> anyhow::Result<Self> {
        Ok(Self(Client::connect(database).await?))
    }

    async fn end<W: makegood::Workflow<Output = String>>(
        &self,
        run_id: Uuid,
    ) -> anyhow::Result<String> {
        let ended = self.0.ending::<W>(run_id, LIMIT).await?.context("it takes too long")?;
        // One that was made good shows that in the place of its output.
        Ok(ended.output.unwrap_or(ended.state))
    }
}

impl Peer for Starter {
    async fn one(&self, work: Work, id: &str) -> anyhow::Result<String> {
        let input = Input::of(id);
        match work {
            Work::Steps4 => {
                let started = self.0.start_now::<Steps4>(id, &input).await?;
                self.end::<Steps4>(started.run_id).await
            }
            Work::Checkout => {
                let started = self.0.start_now::<Checkout>(id, &input).await?;
                let paid = Paid(PAID.to_owned());
                self.0.signal_now::<Checkout, Paid>(id, "payment", &paid).await?;
                self.end::<Checkout>(started.run_id).await
            }
        }
    }
}
