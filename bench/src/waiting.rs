//! What waiting runs cost a worker: memory and statements, with a few of them and with many.

use std::time::Duration;

use makegood::{
    Client, Ctx, Database, Registry, Signal, Worker, WorkerConfig, Workflow, WorkflowResult,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::backlog::Error;

/// Never sent.
#[derive(Serialize, Deserialize)]
struct Word;

impl Signal for Word {
    const KIND: &'static str = "word";
}

/// Waits for a day.
struct Patient;

impl Workflow for Patient {
    const NAME: &'static str = "bench_patient";
    type Input = String;
    type Output = bool;

    async fn run(ctx: Ctx, _: String) -> WorkflowResult<bool> {
        Ok(ctx.signal::<Word>().within(Duration::from_hours(24)).await?.is_some())
    }
}

/// What a worker costs while so many runs wait.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Runs that wait.
    pub waiting: i64,
    /// The resident memory of this process, in MiB; 0 where the system does not tell.
    pub memory_mib: u64,
    /// Transactions of the database in ten seconds in which nothing is due: the worker's and ours.
    pub idle_in_10_s: i64,
}

/// Lets one worker, in this process, take in more and more waiting runs, and measures after each of
/// `steps` how much memory it has and how often it asks.
pub async fn measure(database: &Database, steps: &[i64]) -> Result<Vec<Cost>, Error> {
    let pool = database.pool("bench", 2).await?;
    let registry = Registry::new().workflow::<Patient>();
    let worker = Worker::start(database, registry, WorkerConfig::default()).await?;
    let (mut started, mut costs) = (0, Vec::new());
    for waiting in steps {
        start(database, &pool, started..*waiting).await?;
        started = *waiting;
        settle(&pool).await?;
        let idle_in_10_s = idle(&pool).await?;
        costs.push(Cost { waiting: *waiting, memory_mib: memory_mib(), idle_in_10_s });
    }
    worker.drain().await?;
    Ok(costs)
}

/// Starts runs a thousand in a transaction, with a client that is gone afterwards.
async fn start(
    database: &Database,
    pool: &PgPool,
    numbers: std::ops::Range<i64>,
) -> Result<(), Error> {
    let client = Client::connect(database).await?;
    let numbers: Vec<i64> = numbers.collect();
    for thousand in numbers.chunks(1_000) {
        let mut tx = pool.begin().await?;
        for number in thousand {
            let input = "x".repeat(290);
            client.start::<Patient>(&mut tx, &format!("patient-{number}"), &input).await?;
        }
        tx.commit().await?;
        client.wake();
    }
    Ok(())
}

/// Until every run waits and is out of memory.
async fn settle(pool: &PgPool) -> Result<(), sqlx::Error> {
    let moving =
        "select exists (select 1 from tasks where state <> 'WAITING' or owner is not null)";
    while sqlx::query_scalar::<_, bool>(moving).fetch_one(pool).await? {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Transactions in ten seconds in which nothing is due.
async fn idle(pool: &PgPool) -> Result<i64, sqlx::Error> {
    let before = transactions(pool).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    Ok(transactions(pool).await?.saturating_sub(before))
}

async fn transactions(pool: &PgPool) -> Result<i64, sqlx::Error> {
    // Sessions hand their counts in with a delay of up to a second.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    sqlx::query_scalar(
        "select xact_commit + xact_rollback
         from pg_stat_database
         where datname = current_database()",
    )
    .fetch_one(pool)
    .await
}

fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1_024
}
