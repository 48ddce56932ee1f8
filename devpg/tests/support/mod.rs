//! What the tests look at from outside: answers, processes and a second process that holds.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use devpg::Binaries;

/// The one value that `sql` returns on the server at `url`.
pub(crate) fn ask(url: &str, sql: &str) -> Result<String, String> {
    let psql = Binaries::find().expect("binaries are found").folder().join("psql");
    let output = Command::new(psql)
        .args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, url])
        .output()
        .expect("psql runs");
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Waits until `condition` holds; fails with the broken `promise` after 30 s.
pub(crate) fn eventually(promise: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{promise}");
        sleep(Duration::from_millis(20));
    }
}

/// The command lines of the processes that name `folder`: the server and its guard.
pub(crate) fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder))
        .collect()
}

/// The words of one line of `/proc/PID/status`.
pub(crate) fn status(pid: u32, name: &str) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.split_whitespace().map(String::from).collect()
}

/// Waits until the cluster in `folder` has gone without a trace.
pub(crate) fn assert_ends(folder: &Path) {
    eventually("no process stays after the last user", || processes_of(folder).is_empty());
    eventually("no folder stays after the last user", || !folder.exists());
}

/// Whether a process with this id is there and not merely uncollected.
pub(crate) fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

/// The `hold` example as a process of its own; killed when dropped.
pub(crate) struct Hold {
    pub(crate) child: Child,
    /// The words of its first line.
    pub(crate) said: Vec<String>,
}

impl Hold {
    pub(crate) fn start(words: &[&OsStr]) -> Self {
        let mut child = Self::command()
            .args(words)
            .env_remove("MAKEGOOD_DATABASE_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example is built by `cargo test -p devpg`");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, said: line.split_whitespace().map(String::from).collect() }
    }

    pub(crate) fn shared(folder: &Path) -> Self {
        Self::start(&[OsStr::new("shared"), folder.as_os_str()])
    }

    /// The address a shared holder printed and the folder of the cluster behind it.
    pub(crate) fn address(&self) -> (String, PathBuf) {
        let [url] = self.said.as_slice() else { panic!("one word: {:?}", self.said) };
        let data = ask(url, "show data_directory").unwrap();
        (url.clone(), Path::new(&data).parent().unwrap().to_owned())
    }

    pub(crate) fn command() -> Command {
        let test: PathBuf = env::current_exe().unwrap();
        Command::new(test.parent().unwrap().parent().unwrap().join("examples/hold"))
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Closes its standard input and waits for its end.
    pub(crate) fn finish(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
