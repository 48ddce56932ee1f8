//! A program's side of the lines: says that it is ready, runs each order, answers.

use std::future::Future;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::load::Bench;
use crate::work::Work;

/// What a program says when it can take orders.
pub const READY: &str = "READY";

/// An engine.
pub trait Peer: Send + Sync + 'static {
    /// Starts one workflow under this id, signals it if its work waits for that, and returns its
    /// output once it has ended.
    fn one(&self, work: Work, id: &str) -> impl Future<Output = anyhow::Result<String>> + Send;
}

/// Takes orders until the standard input ends.
///
/// # Errors
/// When a line is no order, or nobody reads the answers.
pub async fn serve<P: Peer>(peer: P) -> anyhow::Result<()> {
    let bench = Arc::new(Bench::new(peer));
    let mut answers = tokio::io::stdout();
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    say(&mut answers, READY).await?;
    while let Some(line) = orders.next_line().await? {
        let order = line.parse().map_err(anyhow::Error::msg)?;
        let report = bench.run(order).await;
        say(&mut answers, &serde_json::to_string(&report)?).await?;
    }
    Ok(())
}

async fn say(answers: &mut tokio::io::Stdout, line: &str) -> std::io::Result<()> {
    answers.write_all(format!("{line}\n").as_bytes()).await?;
    answers.flush().await
}
