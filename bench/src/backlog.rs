//! How fast one worker works off runs of four outside steps that are already queued.
//! Leaves out the starter: what it measures is claim, turn, commit and end.

use std::time::{Duration, Instant};

use makegood::{
    Activity, ActivityResult, Attempt, Ctx, Database, Outside, Registry, Worker, WorkerConfig,
    Workflow, WorkflowResult,
};
use sqlx::PgPool;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine did not start or did not end.
    #[error(transparent)]
    Engine(#[from] makegood::Error),
    /// The database did not answer.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The shop's tables did not take what was to be measured.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What was to be measured makes no sense.
    #[error("{0} is not usable")]
    Setting(&'static str),
}

/// Does nothing outside, durably.
struct Nothing;

impl Activity for Nothing {
    const NAME: &'static str = "nothing";
    type Kind = Outside;
    type Input = ();
    type Output = String;

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<String> {
        Ok("r".repeat(98))
    }
}

/// Four outside steps, each with its intent recorded before it is called.
struct Steps4;

impl Workflow for Steps4 {
    const NAME: &'static str = "bench_steps4";
    type Input = String;
    type Output = u32;

    async fn run(ctx: Ctx, _: String) -> WorkflowResult<u32> {
        for _ in 0..4 {
            ctx.step::<Nothing>(&()).await?;
        }
        Ok(4)
    }
}

/// Queues `runs` runs with inputs of about 300 bytes, then times one worker until all have ended.
pub async fn work_off(database: &Database, runs: i64, round: u32) -> Result<Duration, Error> {
    let pool = database.pool("bench", 2).await?;
    queue(&pool, runs, round).await?;
    let registry = Registry::new().workflow::<Steps4>().activity(Nothing);
    let begun = Instant::now();
    let worker = Worker::start(database, registry, WorkerConfig::default()).await?;
    // Asks only whether there is any left: counting them all would be the larger load.
    let left = "select exists (select 1 from tasks)";
    while sqlx::query_scalar::<_, bool>(left).fetch_one(&pool).await? {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let elapsed = begun.elapsed();
    worker.drain().await?;
    Ok(elapsed)
}

async fn queue(pool: &PgPool, runs: i64, round: u32) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into runs (run_id, workflow, workflow_id, input)
         select (lpad(to_hex($2::int), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid,
           'bench_steps4', $2::text || '-' || i, to_jsonb(repeat('x', 290))
         from generate_series(1, $1) i",
    )
    .bind(runs)
    .bind(i32::try_from(round).unwrap_or(i32::MAX))
    .execute(pool)
    .await?;
    sqlx::query(
        "insert into lanes (queue, workflow, version, priority, share)
         values ('default', 'bench_steps4', 1, 1, '')
         on conflict (queue, workflow, version, priority, share) do nothing",
    )
    .execute(pool)
    .await?;
    sqlx::query(
        "insert into tasks (run_id, lane)
         select r.run_id, l.lane
         from runs r
         join lanes l on l.workflow = r.workflow
         where r.ended_state is null",
    )
    .execute(pool)
    .await?;
    sqlx::query("analyze").execute(pool).await?;
    sqlx::query("checkpoint").execute(pool).await.map(|_| ())
}
