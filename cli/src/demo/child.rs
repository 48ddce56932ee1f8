//! One process of ours: started, listened to, killed or stopped.
//! It never outlives this process: its standard input is a pipe that only we hold open.

use std::{
    env,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// How long a process may take until it listens.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a process may take to end after SIGTERM; a worker drains for less.
const STOP_LIMIT: Duration = Duration::from_secs(30);
const TAIL_LINES: usize = 25;

/// Settings of a process, by the names of their environment variables.
pub(crate) type Settings = Vec<(&'static str, String)>;

/// A running process that listens.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    addr: String,
    log: PathBuf,
    process: tokio::process::Child,
    _lifeline: ChildStdin,
    _output: Lines<BufReader<ChildStdout>>,
}

/// The one line that a process prints when it listens.
#[derive(Deserialize)]
struct Listening {
    listening: String,
}

impl Child {
    /// Starts `makegood <role>` and waits until it listens. Its log is `<name>.log` in `logs`.
    pub(crate) async fn start(
        role: &str,
        name: &str,
        settings: &Settings,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        Self::start_with(&[role], name, settings, logs).await
    }

    /// The same with flags after the role.
    pub(crate) async fn start_with(
        words: &[&str],
        name: &str,
        settings: &Settings,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        Self::start_program(Command::new(program()), words, (name, settings), logs).await
    }

    /// The same of another program that is a `makegood` too.
    pub(crate) async fn start_program(
        mut command: Command,
        words: &[&str],
        (name, settings): (&str, &Settings),
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        command.args(words).arg("--exit-with-parent");
        for (variable, _) in env::vars_os() {
            if variable.to_string_lossy().starts_with("MAKEGOOD_") {
                command.env_remove(variable);
            }
        }
        command.envs(settings.iter().map(|(variable, value)| (*variable, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        // A group of its own, so that Ctrl-C reaches us alone and we end the parts in order.
        command.process_group(0).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let lifeline = stdin.ok_or_else(|| anyhow!("{name} has no standard input"))?;
        let stdout = stdout.ok_or_else(|| anyhow!("{name} has no standard output"))?;
        let mut output = BufReader::new(stdout).lines();
        let line = timeout(START_LIMIT, output.next_line()).await;
        let Ok(Ok(Some(line))) = line else {
            process.start_kill().ok();
            let status = process.wait().await.ok();
            bail!(obituary(name, status, &log).context(format!("{name} did not start")));
        };
        let Listening { listening } = serde_json::from_str(&line)
            .with_context(|| format!("{name} said {line:?} instead of where it listens"))?;
        let (name, addr) = (name.to_owned(), listening);
        Ok(Self { name, addr, log, process, _lifeline: lifeline, _output: output })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its base address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.addr.parse()?)
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Resolves when it dies, with the end of its log; never while it lives.
    pub(crate) async fn died(&mut self) -> anyhow::Error {
        let status = self.process.wait().await.ok();
        obituary(&self.name, status, &self.log)
    }

    /// The same at once: `None` while it lives.
    pub(crate) fn is_dead(&mut self) -> Option<anyhow::Error> {
        let status = self.process.try_wait().ok().flatten()?;
        Some(obituary(&self.name, Some(status), &self.log))
    }

    /// SIGKILL: no time for a last word.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }

    /// SIGSTOP: it does nothing more, and knows nothing of it.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: it goes on as if nothing had been.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// An error says that it has ended already, which its status tells in full.
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
        {
            kill_process(pid, signal).ok();
        }
    }

    /// SIGTERM, then waits; an error unless it ends by itself, in time and with exit code 0.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM);
        if let Ok(status) = timeout(STOP_LIMIT, self.process.wait()).await {
            let status = status.with_context(|| format!("cannot wait for {}", self.name))?;
            if status.success() {
                return Ok(());
            }
            bail!(obituary(&self.name, Some(status), &self.log));
        }
        self.kill().await?;
        bail!("{} did not end within {} s of SIGTERM", self.name, STOP_LIMIT.as_secs())
    }
}

fn obituary(name: &str, status: Option<ExitStatus>, log: &Path) -> anyhow::Error {
    let how = status.map_or_else(|| "in an unknown way".to_owned(), |status| status.to_string());
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
    let tail = tail.join("\n    ");
    anyhow!("{name} ended ({how}); the end of {}:\n    {tail}", log.display())
}

/// This very program, even if its file has been replaced since it was started.
fn program() -> PathBuf {
    match env::current_exe() {
        Ok(path) if path.exists() => path,
        _ => PathBuf::from("/proc/self/exe"),
    }
}
