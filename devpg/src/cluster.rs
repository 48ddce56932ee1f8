//! One private server and the handle that owns it.
//! The handle's end, planned or not, is the server's end.

use std::{
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    Binaries, Error, Options, Version,
    account::Account,
    guard::{Guard, Lifeline},
    home::Home,
    random,
};

/// How long a start may take, waiting for a dead predecessor to let go of the data included.
const START_LIMIT: Duration = Duration::from_mins(1);

/// A running private PostgreSQL; dropping it stops the server.
///
/// If this process dies instead, the server shuts down by itself within seconds, and an ephemeral
/// data folder is removed.
#[derive(Debug)]
pub struct Cluster {
    home: Home,
    binaries: Binaries,
    options: Options,
    port: u16,
    guard: Option<Guard>,
}

impl Cluster {
    /// Finds binaries, prepares the data folder, and returns once connections are accepted.
    ///
    /// Blocks for about 0.6 s with a new data folder and 0.1 s with an existing one.
    ///
    /// # Errors
    /// Every [`Error`] names the cause and the next step.
    pub fn start(options: &Options) -> Result<Self, Error> {
        Self::start_with(options, Lifeline::Starter)
    }

    pub(crate) fn start_with(options: &Options, lifeline: Lifeline) -> Result<Self, Error> {
        let binaries = Binaries::find_for(Account::choose(None)?)?;
        let home = Home::prepare(options, &binaries)?;
        let options = options.clone();
        let mut cluster = Self { home, binaries, options, port: random::port()?, guard: None };
        cluster.launch(lifeline, Port::Any)?;
        Ok(cluster)
    }

    /// The address of `database` for the superuser `postgres`, with its password.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}", self.password(), self.port)
    }

    /// The TCP port on 127.0.0.1; the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn password(&self) -> &str {
        self.home.password()
    }

    /// The server's data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.home.data()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// The folder of the server's programs; client programs such as `psql` may be missing.
    pub fn bin_dir(&self) -> &Path {
        self.binaries.folder()
    }

    /// The server's version.
    pub fn version(&self) -> Version {
        self.binaries.version()
    }

    /// The process id of the server; `None` between a kill and a restart.
    pub fn pid(&self) -> Option<u32> {
        self.guard.as_ref().map(Guard::pid)
    }

    /// Ends the server as a crash would (SIGKILL) and keeps the data, for crash tests.
    ///
    /// # Errors
    /// [`Error::WillNotEnd`] if the process is still there after 10 s.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.guard.take().map_or(Ok(()), Guard::kill)
    }

    /// Starts the server again on the same data and port, after a fast shutdown if it runs.
    ///
    /// # Errors
    /// [`Error::Start`] if it does not accept connections within a minute.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.guard.take().map_or(Ok(()), Guard::shut_down)?;
        self.launch(Lifeline::Starter, Port::Same)
    }

    /// Fast shutdown; returns once the server has ended and an ephemeral folder is gone.
    ///
    /// # Errors
    /// [`Error::WillNotEnd`] if the process is still there after half a minute.
    pub fn stop(mut self) -> Result<(), Error> {
        self.halt()
    }

    /// Leaves the server to the users of its named pipe and returns this process's hold on it.
    pub(crate) fn release(mut self) -> Option<std::fs::File> {
        self.home.keep();
        self.guard.take().and_then(Guard::release)
    }

    fn halt(&mut self) -> Result<(), Error> {
        let ended = self.guard.take().map_or(Ok(()), Guard::shut_down);
        self.home.remove_if_ephemeral();
        ended
    }

    /// Tries until the server is ready: the port may be taken, and a dead predecessor may still
    /// hold the data for a moment.
    fn launch(&mut self, lifeline: Lifeline, port: Port) -> Result<(), Error> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let obstacle = match self.try_launch(lifeline, deadline)? {
                Attempt::Ready => return Ok(()),
                Attempt::Obstacle(obstacle) => obstacle,
            };
            tracing::debug!(?obstacle, port = self.port, "trying again");
            match (obstacle, port) {
                (Obstacle::PortTaken, Port::Any) => self.port = random::port()?,
                (Obstacle::PortTaken, Port::Same) | (Obstacle::DataHeld, _) => {
                    sleep(Duration::from_millis(100));
                }
            }
        }
    }

    fn try_launch(&mut self, lifeline: Lifeline, deadline: Instant) -> Result<Attempt, Error> {
        let begun = Instant::now();
        let (_, skipped) = self.home.open_log()?;
        let postgres = self.binaries.folder().join("postgres");
        let settings = self.options.server_settings(self.port, &self.binaries);
        let mut guard = Guard::spawn(&self.home, &postgres, &settings, lifeline)?;
        loop {
            let late = Instant::now() > deadline;
            if let Some(status) = guard.ended() {
                let tail = self.home.log_tail(skipped);
                return match Obstacle::read(&tail) {
                    Some(obstacle) if !late => Ok(Attempt::Obstacle(obstacle)),
                    _ => Err(self.start_error(format!("it ended with {status}"), tail)),
                };
            }
            if self.home.is_ready(guard.pid()) {
                tracing::info!(port = self.port, pid = guard.pid(), version = %self.version(),
                    duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                    "the private PostgreSQL accepts connections");
                self.guard = Some(guard);
                return Ok(Attempt::Ready);
            }
            if late {
                guard.kill()?;
                let tail = self.home.log_tail(skipped);
                return Err(self.start_error("it was not ready in time".to_owned(), tail));
            }
            sleep(Duration::from_millis(5));
        }
    }

    fn start_error(&self, reason: String, tail: String) -> Error {
        Error::Start { reason, log: self.home.log(), tail }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.halt() {
            tracing::error!(%error, "the private PostgreSQL did not stop");
        }
    }
}

/// Which port a launch may use.
#[derive(Debug, Clone, Copy)]
enum Port {
    Any,
    Same,
}

#[derive(Debug)]
enum Attempt {
    Ready,
    Obstacle(Obstacle),
}

/// What stands in a server's way for a moment only.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    PortTaken,
    DataHeld,
}

impl Obstacle {
    /// Reads the server's English log.
    fn read(log: &str) -> Option<Self> {
        if log.contains("Address already in use") {
            Some(Self::PortTaken)
        } else if log.contains("lock file \"postmaster.pid\" already exists")
            || log.contains("shared memory block")
        {
            Some(Self::DataHeld)
        } else {
            None
        }
    }
}
