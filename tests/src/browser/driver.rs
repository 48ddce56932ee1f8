//! The process of chromedriver: it listens on a port of its own, and ends with whoever started it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const PROGRAMS: [&str; 2] = ["chromium", "chromedriver"];

const REMEDY: &str = "apt-get install chromium chromium-driver";

/// Whether there is a browser. Without one the tests in it are left out, loudly; where `CI` is set
/// they fail instead.
pub fn is_installed(test: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let is_there =
        |program: &&str| path.split(':').any(|dir| Path::new(dir).join(program).exists());
    let missing: Vec<&str> = PROGRAMS.into_iter().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(" and ");
    assert!(std::env::var_os("CI").is_none(), "{missing} is missing: {REMEDY}");
    say(&format!("NOT RUN, because {missing} is missing: {test}. To run it: {REMEDY}\n"));
    false
}

/// Past the test runner, which hides what a passing test prints.
fn say(text: &str) {
    use std::io::Write;
    std::io::stderr().write_all(text.as_bytes()).ok();
}

/// A running chromedriver.
pub(super) struct Driver {
    child: Child,
    port: u16,
    /// It must never find its output closed.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    pub(super) async fn start() -> Self {
        // However this process ends, the driver is ended; the browser follows its driver.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "chromedriver", "--port=0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().expect("setpriv is there");
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = async {
            while let Ok(Some(line)) = output.next_line().await {
                if let Some((_, port)) = line.split_once("successfully on port ") {
                    return port.trim_end_matches('.').parse().ok();
                }
            }
            None
        };
        let port = timeout(Duration::from_mins(1), port).await.ok().flatten();
        Self { child, port: port.expect("chromedriver says its port"), _output: output }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn end(&mut self) {
        self.child.start_kill().ok();
    }
}
