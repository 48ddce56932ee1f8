//! Kills worker processes in the middle of their work, and starts others in their place.
//! It also notices when one dies that nobody killed.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::sleep;

use super::{child::Child, customer::Web, figures, parts::Store, plan::Plan, progress::Step};

const LOOK: Duration = Duration::from_millis(25);
/// How long the dead stay unreplaced: longer than a lease, so that others must take over.
const MOURNING: Duration = Duration::from_secs(4);
/// How long a killer waits for a worker that holds runs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the chaos has come to so far.
#[derive(Debug, Default)]
pub(crate) struct Toll {
    kills: AtomicU32,
    taken_over: AtomicU64,
}

impl Toll {
    /// Workers killed.
    pub(crate) fn kills(&self) -> u32 {
        self.kills.load(Relaxed)
    }

    /// Runs that the killed held, which others had to take over.
    pub(crate) fn taken_over(&self) -> u64 {
        self.taken_over.load(Relaxed)
    }
}

/// How many workers die in a crowd of this size.
pub(crate) fn kills_for(checkouts: u32) -> u32 {
    if checkouts < 1_000 { 1 } else { 3 }
}

/// Where everything is that chaos needs.
pub(crate) struct Chaos<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) store: &'a Store,
    pub(crate) web: &'a Web,
    pub(crate) gateway_url: &'a str,
    pub(crate) logs: &'a Path,
    pub(crate) checkouts: u32,
    pub(crate) toll: &'a Toll,
}

impl Chaos<'_> {
    /// Kills a worker when a third of the crowd is through (more often in a large one), and goes on
    /// watching. Returns only when something is wrong.
    pub(crate) async fn reign(&self, workers: &mut Vec<Child>, crowd: &Step) -> anyhow::Error {
        match self.strike_and_watch(workers, crowd).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn strike_and_watch(
        &self,
        workers: &mut Vec<Child>,
        crowd: &Step,
    ) -> anyhow::Result<std::convert::Infallible> {
        let planned = kills_for(self.checkouts);
        let mut next_name = workers.len().saturating_add(1);
        let mut replacement_due: Option<Instant> = None;
        loop {
            for worker in workers.iter_mut() {
                if let Some(error) = worker.is_dead() {
                    return Err(error.context("a worker died that nobody killed"));
                }
            }
            if replacement_due.is_some_and(|due| Instant::now() > due) {
                replacement_due = None;
                let name = format!("worker-{next_name}");
                next_name = next_name.saturating_add(1);
                let start = self.plan.start_worker(self.store, self.gateway_url, &name, self.logs);
                workers.push(start.await?);
                crowd.note(&format!("{name} started in its place"));
            }
            let kills = self.toll.kills();
            let share = u64::from(self.checkouts) * u64::from(kills.saturating_add(1))
                / u64::from(planned.saturating_add(2));
            if kills < planned && replacement_due.is_none() && crowd.position() >= share {
                self.strike(workers, crowd).await?;
                replacement_due = Instant::now().checked_add(MOURNING);
            }
            sleep(LOOK).await;
        }
    }

    /// Slows the gateway for a few calls, so that runs are caught in the middle of them, and kills
    /// the worker that holds most.
    async fn strike(&self, workers: &mut Vec<Child>, crowd: &Step) -> anyhow::Result<()> {
        let action = json!({"kind": "delay", "ms": 400});
        let slow = json!({"match": {"operation": "any"}, "times": 12, "action": action});
        self.web.plant(&slow).await?;
        let deadline = Instant::now() + PATIENCE;
        let victim = loop {
            let mut most: Option<(u64, usize)> = None;
            for (place, worker) in workers.iter().enumerate() {
                if let Some(pid) = worker.pid() {
                    most =
                        most.max(Some((figures::runs_held(&self.store.pool, pid).await?, place)));
                }
            }
            match most {
                Some((held, place)) if held > 1 || Instant::now() > deadline => break place,
                Some(_) => sleep(Duration::from_millis(2)).await,
                None => return Ok(()),
            }
        };
        let mut victim = workers.swap_remove(victim);
        let pid = victim.pid();
        victim.kill().await?;
        let held = match pid {
            Some(pid) => figures::runs_held(&self.store.pool, pid).await?,
            None => 0,
        };
        self.toll.kills.fetch_add(1, Relaxed);
        self.toll.taken_over.fetch_add(held, Relaxed);
        crowd.note(&format!("{} killed (SIGKILL) while it held {held} runs", victim.name()));
        Ok(())
    }
}
