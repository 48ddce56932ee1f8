//! Worker processes: this very test, executed again and told to be a worker.
//! None outlives the test: its standard input is a pipe that only the test holds open.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::place::Place;
use super::plan::{Plan, Target};
use super::scenario::{Result, Scenario};
use crate::config::WorkerConfig;
use crate::runtime::Worker;

/// Tells a process of this test that it is a worker, and where.
const WORKER: &str = "MAKEGOOD_TESTKIT_WORKER";

/// How long a process may take to end in order.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a worker process is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Orders<P> {
    pub(crate) scenario: String,
    pub(crate) place: P,
    pub(crate) name: String,
    pub(crate) lease_ms: u64,
    /// What goes wrong there besides its death.
    pub(crate) targets: Vec<Target>,
}

/// The settings of every worker of the kit: small, and quick to look again. Whatever is tried again
/// leaves memory first, so that its program is replayed.
pub(crate) fn config(name: &str, lease: Duration) -> WorkerConfig {
    WorkerConfig {
        name: name.to_owned(),
        lease,
        in_flight: 64,
        claim_batch: 16,
        committers: 1,
        transactions: 2,
        poll_cap: Duration::from_millis(20),
        short_wait: Duration::ZERO,
        ..WorkerConfig::default()
    }
}

/// If this process is told to be a worker, it is one until its test is gone or lets it go.
pub(crate) async fn serve_if_told<S: Scenario>(scenario: &S) {
    let Ok(orders) = std::env::var(WORKER) else { return };
    let served = serve(scenario, &orders).await;
    if let Err(error) = &served {
        tell(&format!("the worker could not work: {error}"));
    }
    std::process::exit(i32::from(served.is_err()));
}

async fn serve<S: Scenario>(scenario: &S, orders: &str) -> Result<()> {
    let orders: Orders<Place> = serde_json::from_str(orders)?;
    if orders.scenario != scenario.name() {
        let (wanted, found) = (orders.scenario, scenario.name());
        return Err(format!("the test comes to {found} first: {wanted} needs its own test").into());
    }
    let gone = parent_gone();
    let registry = Plan::new(orders.targets).apply(scenario.registry(&orders.place)?);
    let config = config(&orders.name, Duration::from_millis(orders.lease_ms));
    let worker = Worker::start(&orders.place.database()?, registry, config).await?;
    let _ = gone.await;
    Ok(worker.drain().await?)
}

#[expect(clippy::print_stderr, reason = "the test shows what its workers had to say")]
fn tell(words: &str) {
    eprintln!("{words}");
}

/// Resolves when standard input reaches its end. A plain thread: the runtime would wait for its own
/// reader before it ends.
fn parent_gone() -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut scrap = [0_u8; 64];
        while std::io::stdin().read(&mut scrap).is_ok_and(|count| count > 0) {}
        let _ = tell.send(());
    });
    told
}

/// A folder for the words of the processes of one world, and for the points that they reach.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        let path =
            std::env::temp_dir().join(format!("makegood-testkit-{}", Uuid::now_v7().simple()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// What happens at a fault point of a process; see `fault`.
pub(crate) enum Fate<'a> {
    /// Nothing.
    Lives,
    /// Points are written down here.
    Logs(&'a Path),
    /// `point#n`: it dies there.
    Dies(&'a str),
    /// `point#n`: it stands still there.
    Stops(&'a str),
}

/// A worker process.
pub(crate) struct Process {
    child: Child,
    lifeline: Option<ChildStdin>,
    words: PathBuf,
}

impl Process {
    /// Executes the test again, as a worker.
    pub(crate) fn spawn(
        test: &str,
        orders: &Orders<&Place>,
        fate: &Fate<'_>,
        folder: &Arc<Folder>,
    ) -> Result<Self> {
        let words = folder.file(&orders.name);
        let file = File::create(&words)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([test, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"]);
        command.env(WORKER, serde_json::to_string(orders)?);
        command.env_remove("MAKEGOOD_FAULT").env_remove("MAKEGOOD_FAULT_LOG");
        match fate {
            Fate::Lives => {}
            Fate::Logs(path) => drop(command.env("MAKEGOOD_FAULT_LOG", path)),
            Fate::Dies(point) => drop(command.env("MAKEGOOD_FAULT", point)),
            Fate::Stops(point) => drop(command.env("MAKEGOOD_FAULT", format!("stop:{point}"))),
        }
        // In a group of its own: if the test is killed, the system ends even one that stands still.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(file.try_clone()?).stderr(file);
        let mut child = command.spawn()?;
        let lifeline = child.stdin.take();
        Ok(Self { child, lifeline, words })
    }

    /// How it ended, if it has.
    pub(crate) fn status(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// It must not have ended by itself.
    pub(crate) fn still_there(&mut self) -> Result<()> {
        match self.status()? {
            Some(status) => Err(self.fault(&format!("a worker ended with {status}"))),
            None => Ok(()),
        }
    }

    /// Lets it drain and end; how it ended, or `None` when it has come to stand still.
    pub(crate) async fn dismiss(&mut self) -> Result<Option<ExitStatus>> {
        self.lifeline = None;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.status()? {
                return Ok(Some(status));
            }
            if self.stands_still()? {
                return Ok(None);
            }
            if begun.elapsed() > PATIENCE {
                return Err(self.fault("a worker does not end"));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Lets it drain and end, which nothing may keep it from.
    pub(crate) async fn retire(&mut self) -> Result<()> {
        match self.dismiss().await? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.fault(&format!("a worker ended with {status}"))),
            None => Err(self.fault("a worker stands still")),
        }
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) -> Result<()> {
        Ok(kill_process(self.pid()?, Signal::CONT)?)
    }

    /// Whether it has come to stand still since it was last asked.
    pub(crate) fn stands_still(&self) -> Result<bool> {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        match waitid(WaitId::Pid(self.pid()?), options) {
            Ok(status) => Ok(status.is_some_and(|status| status.stopped())),
            // It has ended since.
            Err(Errno::CHILD) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn pid(&self) -> Result<Pid> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        id.ok_or_else(|| self.fault("a worker has ended"))
    }

    /// What is wrong with it, and what it had to say.
    pub(crate) fn fault(&self, what: &str) -> Box<dyn std::error::Error + Send + Sync> {
        let words = fs::read_to_string(&self.words).unwrap_or_default();
        format!("{what}; it said:\n{}", words.trim_end()).into()
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
