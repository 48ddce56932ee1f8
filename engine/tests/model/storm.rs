//! Workers, and what befalls them while they work: burials, lapsed leases, drains.

use std::time::Duration;

use makegood::{Database, Worker, WorkerConfig};
use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::dice::Dice;
use crate::drive::pause;
use crate::script::registry;

/// How the workers fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Nothing befalls them.
    Calm,
    /// Every so often one is taken for dead, or replaced.
    Storm { every_ms: u64 },
}

impl Weather {
    /// Runs two workers until it is over.
    pub async fn blow(
        self,
        database: Database,
        pool: PgPool,
        seed: u64,
        mut over: watch::Receiver<bool>,
    ) {
        let mut dice = Dice::new(seed);
        let mut workers = Vec::new();
        for _ in 0..2 {
            workers.push(worker(&database, &mut dice).await);
        }
        let every_ms = match self {
            Self::Calm => u64::MAX / 2,
            Self::Storm { every_ms } => every_ms,
        };
        while pause(&mut over, Duration::from_millis(every_ms / 2 + dice.below(every_ms))).await {
            match dice.below(3) {
                0 => lapse(&pool).await,
                1 => bury(&pool).await,
                _ => {
                    // First the next one: there is always somebody to take over.
                    workers.push(worker(&database, &mut dice).await);
                    workers.remove(0).drain().await.unwrap();
                }
            }
        }
        for worker in workers {
            worker.drain().await.unwrap();
        }
    }
}

async fn worker(database: &Database, dice: &mut Dice) -> Worker {
    let config = WorkerConfig {
        lease: Duration::from_secs(1),
        // Some forget a run at every retry, some wait for it in memory.
        short_wait: dice.one_of(&[Duration::ZERO, Duration::from_secs(1)]),
        // Each connection costs a build without optimisations a tenth of a second.
        committers: 2,
        transactions: 4,
        poll_cap: Duration::from_millis(25),
        flush_batch: dice.one_of(&[1, 16, 256]),
        // How many it outlives is no matter here.
        crash_limit: i32::MAX,
        ..WorkerConfig::default()
    };
    loop {
        match Worker::start(database, registry(), config.clone()).await {
            Ok(worker) => return worker,
            // A busy machine may have no connection for it in time.
            Err(error) => eprintln!("a worker could not start: {error}"),
        }
    }
}

/// A worker's lease runs out as if it had been silent: another takes over.
async fn lapse(pool: &PgPool) {
    sqlx::query(
        "update workers set lease_until = now() - interval '1 hour'
         where incarnation = (
           select incarnation from workers where alive order by random() limit 1)",
    )
    .execute(pool)
    .await
    .unwrap();
}

/// A worker is taken for dead at once, in the middle of whatever it does.
async fn bury(pool: &PgPool) {
    let mut tx = pool.begin().await.unwrap();
    // Its claims and flushes hold the row for key share: none of them is half-way after this.
    let dead: Option<Uuid> = sqlx::query_scalar(
        "select incarnation from workers where alive order by random() limit 1 for update",
    )
    .fetch_optional(&mut *tx)
    .await
    .unwrap();
    sqlx::query("update workers set alive = false, ended_at = now() where incarnation = $1")
        .bind(dead)
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query(
        "with locked as materialized (
           select run_id from tasks where owner = $1 order by run_id for update
         )
         update tasks
         set owner = null, due_at = now(), step_count = -1
         where run_id = any(array(select run_id from locked))",
    )
    .bind(dead)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}
