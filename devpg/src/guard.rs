//! The shell guard that is the server's parent and outlives nobody; see `guard.sh`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, Signal, kill_process},
};

use crate::{Error, home::Home};

const SCRIPT: &str = include_str!("guard.sh");
/// How long a shared cluster waits for its next user.
const GRACE_SECS: &str = "2";
const FAST_SHUTDOWN: Duration = Duration::from_secs(20);
const AFTER_KILL: Duration = Duration::from_secs(10);

/// Whose end ends the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifeline {
    /// The process that started it.
    Starter,
    /// The last process that holds the named pipe in the cluster's folder.
    Users,
}

/// A running server with its guard.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    server: Pid,
    lifeline: Option<ChildStdin>,
    users: Option<File>,
}

impl Guard {
    /// Starts `postgres` with `settings` on the data of `home`.
    pub(crate) fn spawn(
        home: &Home,
        postgres: &Path,
        settings: &[String],
        lifeline: Lifeline,
    ) -> Result<Self, Error> {
        let (log, _) = home.open_log()?;
        let shell = Path::new("/bin/sh");
        let mut command = home.account().command(shell);
        command.arg("-c").arg(SCRIPT).arg("makegood-pg-guard");
        command.arg(home.doomed().unwrap_or(Path::new("")));
        let users = match lifeline {
            Lifeline::Starter => {
                command.arg("").stdin(Stdio::piped());
                None
            }
            Lifeline::Users => {
                let fifo = fifo(home.folder());
                let (read, write) = create_fifo(home, &fifo)?;
                command.arg(fifo).stdin(read);
                Some(write)
            }
        };
        command.arg(GRACE_SECS).arg(postgres).arg("-D").arg(home.data());
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        // A group of its own: Ctrl-C in the terminal must reach the user of the server first.
        command.stdout(Stdio::piped()).stderr(log).process_group(0);
        Self::read_pid(command, users).map_err(Error::program(shell))
    }

    fn read_pid(mut command: Command, users: Option<File>) -> io::Result<Self> {
        let mut shell = command.spawn()?;
        let lifeline = shell.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        let server = pid.ok_or_else(|| io::Error::other("the guard named no server process"))?;
        Ok(Self { shell, server, lifeline, users })
    }

    /// The server's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.server.as_raw_nonzero().get().unsigned_abs()
    }

    /// How the server ended, if it has. A guard that somebody else collected has ended too.
    pub(crate) fn ended(&mut self) -> Option<String> {
        match self.shell.try_wait() {
            Ok(status) => status.map(|status| status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Fast shutdown, then SIGKILL after 20 s; returns once the server is gone.
    pub(crate) fn shut_down(mut self) -> Result<(), Error> {
        self.signal(Signal::INT);
        if self.wait(FAST_SHUTDOWN) { Ok(()) } else { self.kill() }
    }

    /// SIGKILL; returns once the server is gone. Its backends notice a moment later.
    pub(crate) fn kill(mut self) -> Result<(), Error> {
        self.signal(Signal::KILL);
        let (pid, seconds) = (self.pid(), AFTER_KILL.as_secs());
        if self.wait(AFTER_KILL) { Ok(()) } else { Err(Error::WillNotEnd { pid, seconds }) }
    }

    /// Hands the server to the users of its named pipe.
    pub(crate) fn release(self) -> Option<File> {
        self.users
    }

    /// The guard collects the server and ends with it: while the guard lives, the id is ours.
    fn signal(&mut self, signal: Signal) {
        if self.ended().is_none()
            && let Err(error) = kill_process(self.server, signal)
        {
            tracing::debug!(%error, "the server was gone already");
        }
    }

    fn wait(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.ended().is_none() {
            if Instant::now() > deadline {
                return false;
            }
            sleep(Duration::from_millis(5));
        }
        drop(self.lifeline.take());
        true
    }
}

/// The named pipe in a cluster's folder; there for as long as the cluster may be joined.
pub(crate) fn fifo(folder: &Path) -> PathBuf {
    folder.join("users")
}

/// Takes part in the lifeline; fails if no guard listens at its other end.
pub(crate) fn join(fifo: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(fifo, flags, Mode::empty())?))
}

fn create_fifo(home: &Home, fifo: &Path) -> Result<(File, File), Error> {
    if fifo.exists() {
        fs::remove_file(fifo).map_err(Error::file("remove", fifo))?;
    }
    let program = Path::new("mkfifo");
    let mut mkfifo = home.account().command(program);
    let made = mkfifo.args(["-m", "600"]).arg(fifo).stderr(Stdio::null()).status();
    if !made.map_err(Error::program(program))?.success() {
        let source = io::Error::other("mkfifo failed");
        return Err(Error::File { action: "create", path: fifo.to_owned(), source });
    }
    // Opening a reader waits for a writer unless told not to; the guard's reads must wait again.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(fifo, flags, Mode::empty()).and_then(|read| {
        let write = OpenOptions::new().write(true).open(fifo);
        rustix::fs::fcntl_setfl(&read, OFlags::empty())?;
        Ok((File::from(read), write))
    });
    let (read, write) = opened.map_err(|error| Error::file("open", fifo)(error.into()))?;
    Ok((read, write.map_err(Error::file("open", fifo))?))
}
