//! The processes under attack: the API's, the workers' and the database's, each in its place with
//! wires of its own. Whatever is struck here stands again when the call is over.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use devpg::Cluster;
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::ways::Ways;
use crate::demo::{child::Child, parts::Store, plan::Plan, progress::Step};

/// A process that does not listen by then is started again.
const START: Duration = Duration::from_secs(20);
/// For so long it may be started again and again: something may keep it from the database.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(200);

/// All of them.
pub(crate) struct Fleet {
    pub(crate) plan: Plan,
    pub(crate) logs: PathBuf,
    pub(crate) store: Store,
    pub(crate) ways: Arc<Ways>,
    pub(crate) workers: Vec<Option<Child>>,
    pub(crate) apis: Vec<Option<Child>>,
    pub(crate) cluster: Option<Cluster>,
    /// How many of each have been started: the names in the logs.
    started: u32,
}

impl Fleet {
    /// Nobody is there yet.
    pub(crate) fn new(plan: Plan, logs: PathBuf, store: Store, ways: Arc<Ways>) -> Self {
        let workers = ways.workers.iter().map(|_| None).collect();
        let apis = ways.apis.iter().map(|_| None).collect();
        Self { plan, logs, store, ways, workers, apis, cluster: None, started: 0 }
    }

    /// Starts whoever is missing.
    pub(crate) async fn fill(&mut self) -> anyhow::Result<()> {
        for place in 0..self.apis.len() {
            self.start_api(place).await?;
        }
        for place in 0..self.workers.len() {
            self.start_worker(place).await?;
        }
        Ok(())
    }

    /// Puts a new worker into a place, beside whoever stands there. Answers who that was.
    pub(crate) async fn start_worker(&mut self, place: usize) -> anyhow::Result<Option<Child>> {
        let ways = self.ways.workers.get(place).context("no such place")?;
        let store = self.store.by_way_of(ways.database.addr())?;
        let gateway = format!("http://{}", ways.gateway.addr());
        self.started = self.started.saturating_add(1);
        let name = format!("worker-{}-{}", place.saturating_add(1), self.started);
        let start = || self.plan.start_worker(&store, &gateway, &name, &self.logs);
        let worker = persistently(start).await?;
        let place = self.workers.get_mut(place).context("no such place")?;
        Ok(place.replace(worker))
    }

    /// The same of an API process, which everybody finds from then on.
    pub(crate) async fn start_api(&mut self, place: usize) -> anyhow::Result<Option<Child>> {
        let wire = self.ways.apis.get(place).context("no such place")?;
        let store = self.store.by_way_of(wire.addr())?;
        self.started = self.started.saturating_add(1);
        let name = format!("api-{}-{}", place.saturating_add(1), self.started);
        let start = || self.plan.start_api(&store, &name, &self.logs);
        let api = persistently(start).await?;
        let old = self.apis.get_mut(place).context("no such place")?.replace(api);
        let listening = self.apis.iter().flatten().map(Child::addr);
        let listening = listening.collect::<anyhow::Result<Vec<_>>>()?;
        self.ways.customers.lead_to(listening.clone());
        self.ways.webhooks.lead_to(listening);
        Ok(old)
    }

    /// Notices who ended by itself: a worker that cannot do its work any more asks for that, and
    /// is started anew. Anything else is a fault. Answers how many gave up.
    pub(crate) async fn look_after(&mut self) -> anyhow::Result<u64> {
        let mut gave_up = 0_u64;
        for api in self.apis.iter_mut().flatten() {
            if let Some(error) = api.is_dead() {
                return Err(error.context("an API process died that nobody killed"));
            }
        }
        for place in 0..self.workers.len() {
            let worker = self.workers.get_mut(place).and_then(Option::as_mut);
            let Some(error) = worker.and_then(Child::is_dead) else { continue };
            if !self.ways.may_give_up(place) {
                return Err(error.context("a worker died that nobody killed"));
            }
            self.start_worker(place).await?;
            gave_up = gave_up.saturating_add(1);
        }
        Ok(gave_up)
    }

    /// Kills the database server, and starts it again after a while.
    pub(crate) async fn crash_database(&mut self, down: Duration) -> anyhow::Result<()> {
        let mut cluster = self.cluster.take().context("there is no database to kill")?;
        // Nothing can stop this half-way; whoever drops the handle ends the server.
        let again = spawn_blocking(move || {
            cluster.kill()?;
            std::thread::sleep(down);
            cluster.restart()?;
            Ok::<_, devpg::Error>(cluster)
        });
        self.cluster = Some(again.await??);
        Ok(())
    }

    /// Replaces every process, one after the other, by one that runs `program`: the new one first,
    /// then the old one is told to end. Answers how many there were, and how many could not hand
    /// their work over: the wires are being troubled meanwhile.
    pub(crate) async fn deploy(
        &mut self,
        program: Option<PathBuf>,
        crowd: &Step,
    ) -> anyhow::Result<(u64, u64)> {
        self.plan.program = program;
        let (mut replaced, mut in_haste) = (0_u64, 0_u64);
        let mut retired = Vec::new();
        for place in 0..self.apis.len() {
            if let Some(old) = self.start_api(place).await? {
                retired.push(old.stop().await);
            }
        }
        for place in 0..self.workers.len() {
            if let Some(old) = self.start_worker(place).await? {
                retired.push(old.stop().await);
            }
        }
        for ended in retired {
            replaced = replaced.saturating_add(1);
            in_haste = in_haste.saturating_add(u64::from(ended.is_err()));
        }
        crowd.note(&format!("{replaced} processes were replaced by new ones, one by one"));
        Ok((replaced, in_haste))
    }

    /// Tells every process to end, the workers first. Answers what went wrong.
    pub(crate) async fn stop(&mut self) -> Vec<anyhow::Error> {
        let workers = self.workers.iter_mut().map(Option::take).enumerate();
        let workers = workers.filter_map(|(place, worker)| Some((place, worker?)));
        let workers = workers.map(async |(place, worker)| (place, worker.stop().await));
        let ended = futures::future::join_all(workers).await;
        // Whoever waits for answers that never come cannot hand its runs back.
        let held = ended.into_iter().filter(|(place, _)| !self.ways.may_give_up(*place));
        let mut faults: Vec<_> = held.filter_map(|(_, ended)| ended.err()).collect();
        for api in self.apis.iter_mut().filter_map(Option::take) {
            faults.extend(api.stop().await.err());
        }
        faults
    }
}

/// Starts a process, and again if it does not come up: like whoever runs such a process would.
async fn persistently<S>(start: impl Fn() -> S) -> anyhow::Result<Child>
where
    S: Future<Output = anyhow::Result<Child>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        let failed = match timeout(START, start()).await {
            Ok(Ok(child)) => return Ok(child),
            Ok(Err(error)) => error,
            Err(_) => anyhow!("it does not listen after {} s", START.as_secs()),
        };
        if Instant::now() > deadline {
            return Err(failed);
        }
        sleep(PAUSE).await;
    }
}
