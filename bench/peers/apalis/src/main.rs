//! apalis with its own PostgreSQL queue, and apalis-workflow: each step is a job of its own.
//! No checkout: a workflow of apalis cannot wait for a signal.
//!
//! The last step tells the starter itself, one write before its end is durable; looking for the
//! ends in the database would cost statements. `peer-apalis`, with the database in `DATABASE_URL`.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use apalis::prelude::{BackendExt, BoxDynError, ParallelizeExt, WorkerBuilder, WorkerBuilderExt};
use apalis_postgres::{Config, PgPool, PostgresStorage};
use apalis_workflow::{SteppedFlow, WorkflowSink};
use protocol::{Ends, Input, Peer, RESULT, Work};
use sqlx::postgres::PgPoolOptions;

const QUEUE: &str = "steps4";
const CONNECTIONS: u32 = 20;
/// Jobs fetched at once, and under way at once.
const BATCH: usize = 100;
/// How often it looks where no NOTIFY comes.
const POLL: Duration = Duration::from_millis(100);

/// Steps have no way to be given it.
static ENDS: LazyLock<Ends<String>> = LazyLock::new(Ends::default);

struct Apalis {
    pool: PgPool,
    config: Config,
}

impl Peer for Apalis {
    async fn one(&self, work: Work, id: &str) -> anyhow::Result<String> {
        ensure!(work == Work::Steps4, "a workflow of apalis cannot wait for a signal");
        let ended = ENDS.of(id.to_owned());
        let mut queue: PostgresStorage<Input> =
            PostgresStorage::new(&self.pool).with_config(self.config.clone());
        queue.push_start(Input::of(id)).await.map_err(|error| anyhow!("{error}"))?;
        ended.await
    }
}

/// What a step hands to the next: the order's id, and its result.
type Handed = (String, String);

async fn reserve(input: Input) -> Result<Handed, BoxDynError> {
    Ok((input.order_id, RESULT.to_owned()))
}

async fn go_on((order_id, _): Handed) -> Result<Handed, BoxDynError> {
    Ok((order_id, RESULT.to_owned()))
}

async fn ship((order_id, _): Handed) -> Result<String, BoxDynError> {
    ENDS.tell(&order_id, order_id.clone());
    Ok(RESULT.to_owned())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    ensure!(std::env::args().len() == 1, "peer-apalis takes no arguments");
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&url).await?;
    PostgresStorage::setup(&pool).await?;
    let config = Config::default().queue(QUEUE).batch_size(BATCH);
    let queue = PostgresStorage::new(&pool).with_config(config.clone());
    let flow =
        SteppedFlow::new(QUEUE).and_then(reserve).and_then(go_on).and_then(go_on).and_then(ship);
    let worker = WorkerBuilder::new(QUEUE)
        .backend(queue.with_pubsub().poll_with_interval(POLL))
        .concurrency(BATCH)
        .parallelize(tokio::spawn)
        .build(flow);
    let peer = Apalis { pool, config };
    tokio::select! {
        over = protocol::serve(peer) => over,
        ended = worker.run() => ended.map_err(|error| anyhow!("{error}")),
    }
}
