//! A worker: the parts that drive runs, started, drained and ended in order.

use std::sync::Arc;
use std::time::Duration;

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{Monitor, WorkerBuilder};
use apalis_core::monitor::context::MonitorContext;
use apalis_core::worker::ext::parallelize::ParallelizeExt;
use futures::FutureExt;
use parking_lot::Mutex;
use sqlx::PgPool;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::action::Call;
use crate::activity::ActivityError;
use crate::batch::Batches;
use crate::children::{self, CancelChild};
use crate::claim::Claimer;
use crate::clock::Clock;
use crate::commit::Committer;
use crate::config::{Database, WorkerConfig};
use crate::error::Error;
use crate::lease::Lease;
use crate::parts::Parts;
use crate::queue::RunQueue;
use crate::registry::Registry;
use crate::retention::Janitor;
use crate::run::Run;
use crate::schedule::Ticker;
use crate::store::migrated;
use crate::turn::drive;
use crate::wake::{self, Bells};

/// What every run's handler needs.
pub(crate) struct Engine {
    pub(crate) registry: Registry,
    pub(crate) config: WorkerConfig,
    /// The committer's connections.
    pub(crate) hot: PgPool,
    /// Connections for activities in transactions.
    pub(crate) transactions: PgPool,
    pub(crate) lease: Arc<Lease>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) batches: Batches,
    pub(crate) bells: Bells,
    draining: watch::Receiver<bool>,
}

/// A pause that a drain cut short.
pub(crate) struct Interrupted;

impl Engine {
    pub(crate) fn clock(&self) -> &Clock {
        self.lease.clock()
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Waits in memory, unless the worker is asked to drain.
    pub(crate) async fn pause(&self, pause: Duration) -> Result<(), Interrupted> {
        let mut draining = self.draining.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            _ = draining.wait_for(|draining| *draining) => Err(Interrupted),
        }
    }

    pub(crate) fn count_step(call: &Call, error: Option<&ActivityError>) {
        let outcome = match error {
            None => "done",
            Some(ActivityError::Rejected { .. }) => "rejected",
            Some(ActivityError::Retryable { .. }) => "retryable",
            Some(ActivityError::NotTried { .. }) => "not_tried",
            Some(ActivityError::Unknown { .. }) => "unknown",
            Some(ActivityError::Review { .. }) => "review",
            Some(ActivityError::Unclassified(_)) => "error",
        };
        let activity = call.activity.clone();
        metrics::counter!("makegood_step_attempts_total", "activity" => activity, "outcome" => outcome)
            .increment(1);
    }
}

/// A worker that drives runs until it is drained.
///
/// ```no_run
/// # async fn example() -> Result<(), makegood::Error> {
/// use makegood::{Database, Registry, Worker, WorkerConfig};
///
/// let database = Database::new("postgres://localhost/shop", "makegood")?;
/// let worker = Worker::start(&database, Registry::new(), WorkerConfig::default()).await?;
/// tokio::signal::ctrl_c().await.ok();
/// worker.drain().await?;
/// # Ok(())
/// # }
/// ```
pub struct Worker {
    engine: Arc<Engine>,
    drain: watch::Sender<bool>,
    over: watch::Sender<bool>,
    monitor: MonitorContext,
    running: Parts,
    parts: Parts,
    guard: JoinSet<()>,
}

impl Worker {
    /// Registers the worker and starts to claim.
    ///
    /// ```no_run
    /// # async fn example(database: makegood::Database) -> Result<(), makegood::Error> {
    /// use makegood::{Registry, Worker, WorkerConfig};
    ///
    /// let registry = Registry::new(); // with its workflows and activities
    /// let worker = Worker::start(&database, registry, WorkerConfig::default()).await?;
    /// # worker.drain().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unfit`] when a setting is out of its range, two types were registered by one name, or the
    /// connection does not keep the settings that it needs;
    /// [`Error::NotMigrated`] when the cell has not the engine's tables;
    /// [`Error::Database`] when the database does not answer.
    pub async fn start(
        database: &Database,
        registry: Registry,
        config: WorkerConfig,
    ) -> Result<Self, Error> {
        config.check()?;
        if let Some(name) = registry.ambiguous() {
            return Err(Error::Unfit(format!(
                "two types are registered as {name}; give one another name"
            )));
        }
        let committers = u32::try_from(config.committers).unwrap_or(1);
        // A frozen worker must not keep the locks of its transactions beyond its lease.
        let database = database.bounded_by(config.lease);
        let hot = database.hot_pool("makegood-commits", committers.saturating_add(1)).await?;
        let transactions = database.step_pool("makegood-steps", config.transactions).await?;
        let claims = database.claim_pool().await?;
        let keeper = database.keeper_pool(config.lease).await?;
        let ears = database.lazy_pool("makegood-ears", 2).await?;
        let post = database.pool("makegood-post", 2).await?;
        let upkeep = database.hot_pool("makegood-upkeep", 3).await?;
        check_pins(&hot).await?;
        migrated::check(&hot, database.cell()).await?;
        let lease = Arc::new(Lease::register(keeper, &config).await?);
        let bells = Bells::default();
        let registry = registry.activity(CancelChild::new(post, bells.clone()));
        let batch = config.flush_batch;
        let committer = Committer::new(hot.clone(), Arc::clone(&lease), bells.clone(), batch);
        let committer = Arc::new(committer);
        let (drain, draining) = watch::channel(false);
        let (over, is_over) = watch::channel(false);
        let slots = Arc::new(Semaphore::new(config.in_flight));
        let engine = Arc::new(Engine {
            registry,
            config,
            hot: hot.clone(),
            transactions,
            lease: Arc::clone(&lease),
            committer: Arc::clone(&committer),
            batches: Batches::default(),
            bells: bells.clone(),
            draining: draining.clone(),
        });
        let (runs, claimed) = mpsc::unbounded_channel();
        let mut parts = Parts::new(Arc::clone(lease.watchdog()), draining.clone());
        for place in 0..engine.config.committers {
            parts.spawn("a committer", Arc::clone(&committer).work(place, is_over.clone()));
        }
        let (keeper, until) = (Arc::clone(&lease), is_over.clone());
        parts.spawn("the keeper of the lease", async move { keeper.keep(until).await });
        let (reaper, until) = (Arc::clone(&lease), is_over.clone());
        parts.spawn("the reaper", async move { reaper.reap(until).await });
        let channel = wake::channel(database.cell());
        let listen = wake::listen(ears.clone(), channel, bells.clone(), is_over.clone());
        parts.spawn("the ears", listen);
        let (channel, ends) = (wake::ends_channel(database.cell()), Arc::clone(&bells.ends));
        let announce = wake::announce_ends(ears, channel, ends, is_over.clone());
        parts.spawn("the crier", announce);
        let (postman, clock) = (upkeep.clone(), engine.clock().clone());
        let postman = children::deliver(postman, bells.clone(), clock, is_over.clone());
        parts.spawn("the postman", postman);
        let ticker = Ticker {
            pool: upkeep.clone(),
            lease: Arc::clone(&lease),
            lanes: engine.committer.lanes().clone(),
            workflows: engine.registry.workflow_names(),
            due: Arc::clone(&bells.due),
        };
        if !ticker.workflows.is_empty() {
            parts.spawn("the ticker", ticker.work(is_over.clone()));
        }
        let retention = engine.config.retention.clone();
        let janitor = Janitor { pool: upkeep, lease: Arc::clone(&lease), retention };
        parts.spawn("the janitor", janitor.work(is_over));
        let claimer = Claimer::new(Arc::clone(&engine), claims, slots, bells.due, runs);
        parts.spawn("the claimer", claimer.work(draining.clone()));
        let mut guard = JoinSet::new();
        guard.spawn(async move { lease.stand_by().await });

        let monitor = monitor(Arc::clone(&engine), RunQueue::new(claimed));
        let context = monitor.context();
        let mut running = Parts::new(Arc::clone(engine.lease.watchdog()), draining);
        running.spawn("the runtime", async move {
            if let Err(error) = monitor.run().await {
                tracing::error!(%error, "the runtime ended with an error");
            }
        });
        Ok(Self { engine, drain, over, monitor: context, running, parts, guard })
    }

    /// Whether the worker holds a valid lease, so that it may claim.
    ///
    /// ```
    /// # use makegood::Worker;
    /// /// What `/readyz` answers.
    /// fn readyz(worker: &Worker) -> u16 {
    ///     if worker.is_ready() { 200 } else { 503 }
    /// }
    /// ```
    pub fn is_ready(&self) -> bool {
        !self.engine.is_draining() && self.engine.lease.current().is_some()
    }

    /// Waits until the worker can do its work no longer, and says why: the database does not answer
    /// a statement, though it answers others, or a part of the worker has ended by itself. It is
    /// not ready any more, claims nothing, and has given its runs back as far as it could. Drop it
    /// and start another: best a process, since nobody knows what else it waits for.
    ///
    /// A database that is away, and back, is no such case. Resolves never while all is well.
    ///
    /// ```no_run
    /// # async fn example(worker: makegood::Worker) -> Result<(), makegood::Error> {
    /// tokio::select! {
    ///     why = worker.failed() => Err(why), // ends the process; its supervisor starts the next
    ///     _ = tokio::signal::ctrl_c() => worker.drain().await,
    /// }
    /// # }
    /// ```
    pub fn failed(&self) -> impl Future<Output = Error> + Send + use<> {
        self.engine.lease.watchdog().failed().map(Error::Unfit)
    }

    /// Stops claiming, lets calls under way finish, hands every other run back, and ends.
    ///
    /// ```no_run
    /// # async fn example(worker: makegood::Worker) -> Result<(), makegood::Error> {
    /// tokio::signal::ctrl_c().await.ok();
    /// worker.drain().await?; // within `WorkerConfig::drain`, and a little
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Database`] when its runs could not be handed back: others take them over when the
    /// lease has run out. [`Error::Unfit`] when the worker has [failed](Worker::failed).
    pub async fn drain(mut self) -> Result<(), Error> {
        let failed = self.failed();
        tokio::select! {
            biased;
            why = failed => {
                // Its runs are being given back.
                while self.guard.join_next().await.is_some() {}
                Err(why)
            }
            drained = self.wind_up() => drained,
        }
    }

    async fn wind_up(&mut self) -> Result<(), Error> {
        let _ = self.drain.send(true);
        self.engine.lease.tell_that_it_drains();
        if let Err(error) = self.monitor.shutdown() {
            tracing::debug!(%error, "the runtime was already ending");
        }
        let grace = self.engine.config.drain;
        if tokio::time::timeout(grace, self.running.all_ended()).await.is_err() {
            tracing::warn!(grace_ms = grace.as_millis(), "calls are still under way; leaving them");
        }
        // The keeper first: it must not renew, or replace, what is about to be given back.
        let _ = self.over.send(true);
        self.parts.all_ended().await;
        self.engine.committer.close();
        let freed = self.engine.lease.resign().await?;
        tracing::info!(runs.handed_back = freed, "drained");
        Ok(())
    }
}

/// The apalis runtime with its layers around the handler of a run.
fn monitor(engine: Arc<Engine>, queue: RunQueue) -> Monitor {
    let queue = Mutex::new(Some(queue));
    let grace = engine.config.drain;
    Monitor::new()
        .register(move |_| {
            let none = || RunQueue::new(mpsc::unbounded_channel().1);
            let engine = Arc::clone(&engine);
            WorkerBuilder::new("makegood")
                .backend(queue.lock().take().unwrap_or_else(none))
                .concurrency(engine.config.in_flight)
                .catch_panic()
                .parallelize(tokio::spawn)
                .build(move |run: Run| drive(Arc::clone(&engine), run))
        })
        .shutdown_timeout(grace)
}

/// The engine's statements are written for these settings; a proxy may have dropped them.
async fn check_pins(pool: &PgPool) -> Result<(), Error> {
    let nested_loops: String =
        sqlx::query_scalar("select current_setting('enable_nestloop')").fetch_one(pool).await?;
    if nested_loops == "off" {
        return Ok(());
    }
    Err(Error::Unfit(
        "the connection does not keep its planner settings (enable_nestloop is on): connect to \
         PostgreSQL directly, or set them for the role"
            .to_owned(),
    ))
}
