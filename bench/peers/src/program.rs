//! A peer's program as a process: built, started, asked, and ended with its starter.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use protocol::{Order, READY, Report};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::peers::Peer;
use crate::progress;

/// Over the time of an order, or for a start, which makes tables.
const PATIENCE: Duration = Duration::from_secs(90);

/// Builds the programs, where and as this one was built.
pub(crate) async fn build() -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut build = Command::new(cargo);
    build.args(["build", "--workspace", "--locked", "--manifest-path", manifest]);
    build.arg("--target-dir").arg(folder()?.parent().context("no target folder")?);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    // What `cargo run` said about this package makes build scripts believe that they must run again.
    for (name, _) in std::env::vars_os() {
        let about_this = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        if name.to_str().is_some_and(|name| about_this.iter().any(|start| name.starts_with(start)))
        {
            build.env_remove(name);
        }
    }
    progress("building what is missing of the programs");
    ensure!(build.status().await?.success(), "a program cannot be built");
    Ok(())
}

/// Where the programs are: beside this one.
fn folder() -> anyhow::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    Ok(exe.parent().context("this program is in no folder")?.to_owned())
}

/// A program that takes orders.
pub(crate) struct Program {
    name: &'static str,
    process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts a peer's program on the database at `url`, and returns once it is ready.
    pub(crate) async fn start(peer: &Peer, url: &str) -> anyhow::Result<Self> {
        let mut process = Command::new(folder()?.join(peer.binary))
            .args(peer.arguments)
            .envs(peer.environment.iter().copied())
            .env("DATABASE_URL", url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", peer.binary))?;
        let orders = process.stdin.take().context("no standard input")?;
        let answers = process.stdout.take().context("no standard output")?;
        let answers = BufReader::new(answers).lines();
        let mut program = Self { name: peer.name, process, orders, answers };
        let said = program.answer(PATIENCE).await?;
        ensure!(said == READY, "{} says {said:?} instead of {READY}", peer.name);
        Ok(program)
    }

    /// Has an order run.
    pub(crate) async fn run(&mut self, order: Order) -> anyhow::Result<Report> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await?;
        let answer = self.answer(order.time.saturating_add(PATIENCE)).await?;
        let report: Report = serde_json::from_str(&answer)?;
        if let Some(error) = &report.first_error {
            bail!("{} workflows of {} failed in {order:?}: {error}", report.errors, self.name);
        }
        ensure!(report.ended > 0, "nothing ended in {order:?} of {}", self.name);
        Ok(report)
    }

    /// The process's id; `None` once it has ended.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Ends it with its input, or by force.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        drop(self.orders);
        if tokio::time::timeout(Duration::from_secs(15), self.process.wait()).await.is_err() {
            self.process.kill().await?;
        }
        Ok(())
    }

    async fn answer(&mut self, patience: Duration) -> anyhow::Result<String> {
        let line = tokio::time::timeout(patience, self.answers.next_line()).await;
        let line = line.with_context(|| format!("{} says nothing", self.name))??;
        line.with_context(|| format!("{} has ended", self.name))
    }
}
