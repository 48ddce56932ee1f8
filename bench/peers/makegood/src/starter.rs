//! The starter: an application that starts, signals and awaits runs through the public client.
//! Callers at one moment share a transaction, which is what `Client::start` is made for.

use std::sync::Arc;

use makegood::{Client, Database};
use protocol::{Ends, Input, PAID, Peer, Work};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use crate::grouped::Grouped;
use crate::workflows::{Checkout, Paid, Steps4};

/// Transactions of the starter under way at once, for starts and for signals.
const LANES: usize = 2;
/// Callers in one of them.
const GROUP: usize = 64;

pub(crate) struct Starter {
    starts: Grouped<(Work, String), Uuid>,
    signals: Grouped<(Uuid, String), ()>,
    ends: Arc<Ends<Uuid>>,
}

impl Starter {
    pub(crate) async fn connect(database: &Database) -> anyhow::Result<Self> {
        let client = Client::connect(database).await?;
        let pool = database.pool("peer-starter", u32::try_from(LANES.saturating_mul(2))?).await?;
        let (starter, connections) = (client.clone(), pool.clone());
        let starts = Grouped::new(LANES, GROUP, move |asks| {
            start(starter.clone(), connections.clone(), asks)
        });
        let signals =
            Grouped::new(LANES, GROUP, move |asks| signal(client.clone(), pool.clone(), asks));
        Ok(Self { starts, signals, ends: Arc::default() })
    }

    pub(crate) fn ends(&self) -> &Arc<Ends<Uuid>> {
        &self.ends
    }
}

impl Peer for Starter {
    async fn one(&self, work: Work, id: &str) -> anyhow::Result<String> {
        let run_id = self.starts.ask((work, id.to_owned())).await?;
        let ended = self.ends.of(run_id);
        if work == Work::Checkout {
            self.signals.ask((run_id, id.to_owned())).await?;
        }
        ended.await
    }
}

async fn start(
    client: Client,
    pool: PgPool,
    asks: Vec<(Work, String)>,
) -> anyhow::Result<Vec<Uuid>> {
    let mut run_ids = Vec::with_capacity(asks.len());
    let mut tx = pool.begin().await?;
    for (work, id) in asks {
        let input = Input::of(&id);
        let started = match work {
            Work::Steps4 => client.start::<Steps4>(&mut tx, &id, &input).await?,
            Work::Checkout => client.start::<Checkout>(&mut tx, &id, &input).await?,
        };
        run_ids.push(started.run_id);
    }
    tx.commit().await?;
    client.wake();
    Ok(run_ids)
}

/// In the order of the runs' ids, as the workers lock them.
async fn signal(
    client: Client,
    pool: PgPool,
    mut asks: Vec<(Uuid, String)>,
) -> anyhow::Result<Vec<()>> {
    asks.sort_unstable();
    let mut tx = pool.begin().await?;
    for (_, id) in &asks {
        client.signal::<Checkout, _>(&mut tx, id, "payment", &Paid(PAID.to_owned())).await?;
    }
    tx.commit().await?;
    client.wake();
    Ok(vec![(); asks.len()])
}

/// A connection that looks for ends. A plan made while the table is empty would read all of it for
/// ever.
pub(crate) async fn looker(url: &str, cell: &str) -> anyhow::Result<PgPool> {
    let options: PgConnectOptions = url.parse()?;
    let options = options.options([("search_path", cell), ("enable_seqscan", "off")]);
    Ok(PgPoolOptions::new().max_connections(1).connect_with(options).await?)
}

/// Which of the awaited runs have ended; one that was made good shows that in the place of its
/// output.
pub(crate) async fn ended(pool: PgPool, awaited: Vec<Uuid>) -> anyhow::Result<Vec<(Uuid, String)>> {
    let ended = sqlx::query_as(
        "select run_id, coalesce(output #>> '{}', ended_state)
         from runs
         where run_id = any($1) and ended_state is not null",
    );
    Ok(ended.bind(awaited).fetch_all(&pool).await?)
}
