//! The two streams of blows that come over a crowd: one against processes, one against wires. They
//! know nothing of each other, so that blows meet in every combination.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use makegood::inspect::{self, Holding};
use sqlx::PgPool;
use tokio::time::sleep;

use super::{
    deck::{self, Between, Blow, Dealt},
    fleet::Fleet,
    tally::Tally,
    ways::Ways,
    wire::Trouble,
};
use crate::demo::{diary::Diary, progress::Step};

const LOOK: Duration = Duration::from_millis(20);
/// So much of the crowd has the storm over it; those who wait for late refunds need not keep it up.
const THROUGH_PERCENT: u64 = 95;
/// Orphans that have not moved by then will not; in leases.
const LOST_AFTER_LEASES: u32 = 10;

/// What both streams know.
pub(crate) struct Storm<'a> {
    pub(crate) seed: u64,
    pub(crate) pool: PgPool,
    pub(crate) lease: Duration,
    pub(crate) diary: &'a Diary,
    pub(crate) tally: &'a Tally,
    pub(crate) crowd: &'a Step,
    /// How many customers come.
    pub(crate) customers: u64,
    /// What the deployment brings.
    pub(crate) next_program: Option<PathBuf>,
    /// Set when the crowd is through: the blow under way is the last.
    pub(crate) is_over: AtomicBool,
}

impl Storm<'_> {
    /// Nothing more comes.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Relaxed);
    }

    /// Whether the crowd is through, but for the last who take their time.
    pub(crate) fn has_ended(&self) -> bool {
        let through = self.crowd.position().saturating_mul(100);
        self.is_over.load(Relaxed) || through >= self.customers.saturating_mul(THROUGH_PERCENT)
    }

    /// Troubles one wire after the other until it is over; all of them are well then.
    pub(crate) async fn trouble_wires(&self, ways: &Ways) {
        let mut deck = deck::troubles(self.seed);
        while let Some(dealt) = deck.deal() {
            self.pause(dealt.time("pause", 100..=800)).await;
            if self.has_ended() {
                break;
            }
            self.trouble_wire(ways, dealt).await;
        }
        ways.heal();
    }

    async fn trouble_wire(&self, ways: &Ways, dealt: Dealt<(Between, Trouble)>) {
        let (between, trouble) = dealt.card;
        let fault = format!("{}: {}", word(&between), word(&trouble));
        let place = dealt.pick("whom", ways.count(between));
        let disturbs = between == Between::WorkerAndDatabase;
        let disturbance = disturbs.then(|| self.tally.disturb());
        let connections = ways.trouble(between, place, trouble);
        self.tally.strike(&fault);
        self.tally.meet(&fault, "open connections".to_owned(), connections);
        for (route, count) in self.asking(between) {
            self.tally.meet(&fault, route, count);
        }
        self.pause(match trouble {
            Trouble::Cut => dealt.time("length", 100..=2_500),
            Trouble::Slow => dealt.time("length", 500..=2_500),
            Trouble::Frozen => dealt.time("length", 300..=5_000),
            Trouble::HalfOpen => dealt.time("length", 100..=1_000),
            Trouble::AnswersLost => dealt.time("length", 50..=400),
        })
        .await;
        if let Some(wire) = ways.wire(between, place) {
            wire.heal();
        }
        if let Some(disturbance) = disturbance {
            self.tally.calm(disturbance, self.lease);
        }
    }

    /// Strikes one process after the other until it is over; all of them stand then.
    pub(crate) async fn strike_processes(&self, fleet: &mut Fleet) -> anyhow::Result<()> {
        let mut deck = deck::blows(self.seed);
        let mut is_deployed = false;
        while let Some(dealt) = deck.deal() {
            self.pause(dealt.time("pause", 200..=1_200)).await;
            let gave_up = fleet.look_after().await?;
            self.tally.note(|book| book.gave_up = book.gave_up.saturating_add(gave_up));
            if !is_deployed && self.crowd.position().saturating_mul(2) >= self.customers {
                is_deployed = true;
                let replaced = fleet.deploy(self.next_program.clone(), self.crowd).await?;
                self.tally.note(|book| (book.deployed, book.left_in_haste) = replaced);
            }
            if self.has_ended() {
                return Ok(());
            }
            self.strike(fleet, dealt).await?;
        }
        Ok(())
    }

    async fn strike(&self, fleet: &mut Fleet, dealt: Dealt<Blow>) -> anyhow::Result<()> {
        let fault = word(&dealt.card);
        self.tally.strike(&fault);
        match dealt.card {
            Blow::KillWorker | Blow::FreezeWorker => {
                let place = dealt.pick("whom", fleet.workers.len());
                self.strike_worker(fleet, place, dealt).await
            }
            Blow::KillApi | Blow::FreezeApi => {
                for (route, count) in self.diary.asking() {
                    self.tally.meet(&fault, route, count);
                }
                let place = dealt.pick("whom", fleet.apis.len());
                let Some(api) = fleet.apis.get_mut(place).and_then(Option::as_mut) else {
                    return Ok(());
                };
                if dealt.card == Blow::KillApi {
                    api.kill().await?;
                    self.pause(dealt.time("down", 0..=1_500)).await;
                    fleet.start_api(place).await?;
                } else {
                    api.freeze();
                    self.pause(dealt.time("down", 500..=4_000)).await;
                    api.thaw();
                }
                Ok(())
            }
            Blow::CrashDatabase => self.crash_database(fleet, dealt).await,
        }
    }

    /// Kills or freezes a worker, and waits until others have all of its runs.
    async fn strike_worker(
        &self,
        fleet: &mut Fleet,
        place: usize,
        dealt: Dealt<Blow>,
    ) -> anyhow::Result<()> {
        let Some(mut worker) = fleet.workers.get_mut(place).and_then(Option::take) else {
            return Ok(());
        };
        let died = Instant::now();
        let pid = worker.pid();
        if dealt.card == Blow::KillWorker {
            worker.kill().await?;
        } else {
            worker.freeze();
        }
        let held = self.held(pid).await;
        self.tally.meet_runs(&word(&dealt.card), &held);
        let left = self.follow(held, died).await;
        if dealt.card == Blow::FreezeWorker {
            // Longer than its lease, whoever had its runs meanwhile.
            self.pause(self.lease.saturating_mul(2).saturating_sub(died.elapsed())).await;
            worker.thaw();
            if let Some(place) = fleet.workers.get_mut(place) {
                *place = Some(worker);
            }
        } else {
            self.crowd.note(&format!("{} killed in the middle of its runs", worker.name()));
            fleet.start_worker(place).await?;
        }
        // Nobody else may have been there to take them.
        let left = self.follow(left, died).await;
        anyhow::ensure!(left.is_empty(), "orphans that nobody claims: {left:?}");
        Ok(())
    }

    /// Waits until the runs have moved, but not for ever, and answers which have not.
    async fn follow(&self, mut held: Vec<Holding>, died: Instant) -> Vec<Holding> {
        let begun = Instant::now();
        while !held.is_empty() && begun.elapsed() < self.lease * LOST_AFTER_LEASES {
            sleep(LOOK).await;
            let Ok(mut conn) = self.pool.acquire().await else { continue };
            let Ok(unmoved) = inspect::unmoved(&mut conn, &held).await else { continue };
            let unmoved: BTreeSet<_> = unmoved.into_iter().collect();
            let before = held.len();
            held.retain(|run| unmoved.contains(&run.run_id));
            (held.len()..before).for_each(|_| self.tally.move_orphan(died));
        }
        held
    }

    /// What a process holds, as soon as the database can tell.
    async fn held(&self, pid: Option<u32>) -> Vec<Holding> {
        let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) else { return Vec::new() };
        let begun = Instant::now();
        while begun.elapsed() < self.lease {
            if let Ok(mut conn) = self.pool.acquire().await
                && let Ok(held) = inspect::holdings(&mut conn, Some(pid)).await
            {
                return held;
            }
            sleep(LOOK).await;
        }
        Vec::new()
    }

    async fn crash_database(&self, fleet: &mut Fleet, dealt: Dealt<Blow>) -> anyhow::Result<()> {
        let fault = word(&dealt.card);
        if let Ok(mut conn) = self.pool.acquire().await
            && let Ok(held) = inspect::holdings(&mut conn, None).await
        {
            self.tally.meet_runs(&fault, &held);
        }
        let down = dealt.time("down", 0..=1_500);
        let died = Instant::now();
        let disturbance = self.tally.disturb();
        fleet.crash_database(down).await?;
        let up = Instant::now();
        self.tally.calm(disturbance, self.lease);
        let answers = self.diary.answers();
        self.crowd.note("the database server was killed and started again");
        while self.diary.answers() == answers && up.elapsed() < self.lease * 5 && !self.has_ended()
        {
            sleep(LOOK).await;
        }
        self.tally.note(|book| {
            book.restarts.push(up.duration_since(died).saturating_sub(down));
            if self.diary.answers() > answers {
                book.promises.push(up.elapsed());
            }
        });
        Ok(())
    }

    fn asking(&self, between: Between) -> std::collections::BTreeMap<String, u64> {
        match between {
            Between::CustomersAndApi | Between::ApiAndDatabase => self.diary.asking(),
            Between::WorkerAndDatabase | Between::WorkerAndGateway | Between::GatewayAndApi => {
                std::collections::BTreeMap::new()
            }
        }
    }

    /// Waits so long, or until it is over.
    async fn pause(&self, length: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < length && !self.has_ended() {
            sleep(LOOK.min(length.saturating_sub(begun.elapsed()))).await;
        }
    }
}

/// Watches over the processes after the storm, until something is wrong.
pub(crate) async fn watch_over(fleet: &mut Fleet, tally: &Tally) -> anyhow::Error {
    loop {
        match fleet.look_after().await {
            Ok(gave_up) => tally.note(|book| book.gave_up = book.gave_up.saturating_add(gave_up)),
            Err(error) => return error,
        }
        sleep(LOOK * 10).await;
    }
}

/// As it stands in the report.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}
