//! Makegood itself, in two forms: starter and worker in two processes, as it is meant to be run, or
//! in one, as the others are. In both, all that passes between them passes through the database.
//!
//! `peer-makegood two-processes | one-process`, with the database in `DATABASE_URL`; the first
//! starts itself again as `peer-makegood worker`, which ends with its standard input.

mod starter;
mod workflows;

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use makegood::{Database, Worker, WorkerConfig};
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::starter::Starter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let cell = migrations::Cell::default();
    let database = Database::new(&url, cell.name())?;
    let form = std::env::args().nth(1).unwrap_or_default();
    match form.as_str() {
        "one-process" => {
            migrations::run(&mut PgConnection::connect(&url).await?, &cell).await?;
            let worker = worker(&database).await?;
            serve(&database).await?;
            worker.drain().await?;
        }
        "two-processes" => {
            migrations::run(&mut PgConnection::connect(&url).await?, &cell).await?;
            let mut worker = other_process().await?;
            serve(&database).await?;
            drop(worker.stdin.take());
            worker.wait().await?;
        }
        "worker" => {
            let worker = worker(&database).await?;
            let mut out = tokio::io::stdout();
            out.write_all(b"READY\n").await?;
            out.flush().await?;
            tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
            worker.drain().await?;
        }
        form => bail!("{form:?} is not a form: it is two-processes or one-process"),
    }
    Ok(())
}

/// With its default settings.
async fn worker(database: &Database) -> anyhow::Result<Worker> {
    let config = WorkerConfig { drain: Duration::from_secs(2), ..WorkerConfig::default() };
    Ok(Worker::start(database, workflows::registry(), config).await?)
}

/// This program again, once it is ready.
async fn other_process() -> anyhow::Result<Child> {
    let mut worker = Command::new(std::env::current_exe()?)
        .arg("worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut said = BufReader::new(worker.stdout.take().context("it has no output")?).lines();
    said.next_line().await?.context("the worker ended before it was ready")?;
    Ok(worker)
}

async fn serve(database: &Database) -> anyhow::Result<()> {
    protocol::serve(Starter::connect(database).await?).await
}
