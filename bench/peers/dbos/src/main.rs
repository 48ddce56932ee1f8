//! DBOS Transact for Rust: starter and worker are one process, and a handle awaits the local task.
//! Not its queues: those poll once a second, and cost statements that this form does not need.
//!
//! `peer-dbos`, with the database in `DATABASE_URL`.

use std::time::Duration;

use anyhow::{Context, ensure};
use dbos::{Config, DBOS, StartOptions, WorkflowRef};
use protocol::{Input, PAID, Peer, RESULT, STEPS, Work};

/// Twice the default: 10 are too few for 64 workflows in flight, 40 are no better than 20.
const CONNECTIONS: u32 = 20;

struct Dbos {
    engine: DBOS,
    steps4: WorkflowRef<Input, String>,
    checkout: WorkflowRef<Input, String>,
}

impl Peer for Dbos {
    async fn one(&self, work: Work, id: &str) -> anyhow::Result<String> {
        let options = StartOptions { workflow_id: Some(id), ..StartOptions::default() };
        let workflow = match work {
            Work::Steps4 => &self.steps4,
            Work::Checkout => &self.checkout,
        };
        let handle = workflow.start_with(Input::of(id), options).await?;
        if work == Work::Checkout {
            self.engine.send(id, &PAID.to_owned()).await?;
        }
        Ok(handle.result().await?)
    }
}

async fn nothing() -> dbos::Result<String> {
    Ok(RESULT.to_owned())
}

async fn steps4(input: Input) -> dbos::Result<String> {
    for step in STEPS {
        dbos::step(step, nothing).await?;
    }
    Ok(input.order_id)
}

async fn checkout(input: Input) -> dbos::Result<String> {
    let [reserve, quote, charge, ship] = STEPS;
    for step in [reserve, quote, charge] {
        dbos::step(step, nothing).await?;
    }
    let paid: Option<String> = dbos::recv(None, Duration::from_mins(1)).await?;
    if paid.is_none() {
        return Ok("nobody paid".to_owned());
    }
    dbos::step(ship, nothing).await?;
    Ok(input.order_id)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    ensure!(std::env::args().len() == 1, "peer-dbos takes no arguments");
    let dbos = DBOS::new(Config {
        max_connections: CONNECTIONS,
        app_version: Some("1".to_owned()),
        ..Config::new("peer", url)
    });
    let steps4 = dbos.register_workflow("steps4", steps4)?;
    let checkout = dbos.register_workflow("checkout", checkout)?;
    dbos.launch().await?;
    protocol::serve(Dbos { engine: dbos.clone(), steps4, checkout }).await?;
    dbos.shutdown().await;
    Ok(())
}
