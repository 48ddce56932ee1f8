//! One process of the binary: started, listened to, stopped, killed.
//! It never outlives the test: its standard input is a pipe that only the test holds open.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::database::built;
use crate::wait::PATIENCE;

/// Settings of a process, by the names of their environment variables.
pub type Env = Vec<(String, String)>;

/// A running process.
pub struct Process {
    name: String,
    addr: String,
    log: PathBuf,
    child: Child,
    lifeline: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// A command of the binary with these settings and none of ours.
    pub fn command(args: &[&str], env: &Env) -> Command {
        let mut command = Command::new(built().join("makegood-under-test"));
        command.args(args);
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("MAKEGOOD_") {
                command.env_remove(variable);
            }
        }
        for (variable, value) in env {
            // The later of two wins, and an empty one takes the setting away.
            match value.as_str() {
                "" => command.env_remove(variable),
                value => command.env(variable, value),
            };
        }
        command.kill_on_drop(true);
        command
    }

    /// Starts a server; its log is a file named after it in `logs`.
    pub fn spawn(role: &str, name: &str, env: &Env, logs: &Path) -> Self {
        let log = logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Self::command(&[role, "--exit-with-parent"], env);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().expect("the binary under test is built with the tests");
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let output = BufReader::new(stdout).lines();
        let (name, addr) = (name.to_owned(), String::new());
        Self { name, addr, log, child, lifeline: Some(stdin), output }
    }

    /// Starts a server and waits until it listens.
    pub async fn start(role: &str, name: &str, env: &Env, logs: &Path) -> Self {
        let mut process = Self::spawn(role, name, env, logs);
        let line = timeout(PATIENCE, process.output.next_line()).await;
        let Ok(Ok(Some(line))) = line else {
            panic!("{name} does not listen; its log:\n{}", process.log());
        };
        let said: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(said.get("role").and_then(Value::as_str), Some(role), "{line}");
        said.get("listening").and_then(Value::as_str).unwrap().clone_into(&mut process.addr);
        process
    }

    /// Its name, which no other process of the shop has.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An address under its own.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL: no time for a last word.
    pub async fn kill9(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGSTOP: it stands still.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: it goes on.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// Whether it stands still.
    pub fn is_stopped(&self) -> bool {
        let stat = self.child.id().map(|id| fs::read_to_string(format!("/proc/{id}/stat")));
        let Some(Ok(stat)) = stat else { return false };
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// Closes the pipe to its standard input, as our own death would.
    pub fn abandon(&mut self) {
        self.lifeline = None;
    }

    /// SIGTERM; how it ended, and after how long.
    pub async fn terminate(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal(Signal::TERM);
        let status = self.ended(PATIENCE).await;
        let status =
            status.unwrap_or_else(|| panic!("{} ends; its log:\n{}", self.name, self.log()));
        (status, asked.elapsed())
    }

    /// How it ended, if it ends within `limit`.
    pub async fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        timeout(limit, self.child.wait()).await.ok().map(Result::unwrap)
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("it runs"), signal).unwrap();
    }
}

impl Drop for Process {
    /// Waits for its end, so that nothing of it is left when its cell is dropped.
    fn drop(&mut self) {
        self.child.start_kill().ok();
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
