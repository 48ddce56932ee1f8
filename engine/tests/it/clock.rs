//! Time: no timer fires early, and waiting costs next to nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use makegood::{
    Activity, ActivityResult, Ctx, InTransaction, WorkerConfig, Workflow, WorkflowResult,
};
use sqlx::PgConnection;

use crate::support::TestCell;
use crate::trades::{Plan, Steps4, registry};

/// Takes its time inside a transaction; answers when it was done.
struct Simmer;

impl Activity for Simmer {
    const NAME: &'static str = "simmer";
    type Kind = InTransaction;
    type Input = ();
    type Output = DateTime<Utc>;

    async fn run(&self, tx: &mut PgConnection, (): ()) -> ActivityResult<DateTime<Utc>> {
        let done = "select clock_timestamp() from pg_sleep(0.8)";
        Ok(sqlx::query_scalar(done).fetch_one(tx).await?)
    }
}

/// Lets something simmer, and then rest for a second.
struct Stew;

impl Workflow for Stew {
    const NAME: &'static str = "stew";
    type Input = ();
    type Output = DateTime<Utc>;

    async fn run(ctx: Ctx, (): ()) -> WorkflowResult<DateTime<Utc>> {
        let done = ctx.step::<Simmer>(&()).await?;
        ctx.sleep(Duration::from_secs(1)).await?;
        Ok(done)
    }
}

#[tokio::test]
async fn a_sleep_counts_from_the_end_of_the_transaction_before_it() {
    let cell = TestCell::new().await;
    let registry = registry().workflow::<Stew>().activity(Simmer);
    let worker = cell.worker_with(registry, WorkerConfig::default()).await;
    let run = cell.start::<Stew>("s1", &()).await;
    let simmered = cell.ended::<Stew>(run).await.output.unwrap();
    let ended: DateTime<Utc> = cell.scalar("select ended_at from runs").await;
    let rested = ended - simmered;
    assert!(rested >= chrono::TimeDelta::seconds(1), "it rested for {rested}, not for 1 s");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_due_run_that_somebody_else_has_locked_is_looked_at_now_and_then() {
    let cell = TestCell::new().await;
    let run = cell.start::<Steps4>("s1", &Plan::new()).await;
    let mut hold = cell.pool.begin().await.unwrap();
    sqlx::query("select 1 from tasks for update").execute(&mut *hold).await.unwrap();
    let worker = cell.worker().await;
    let scans = "select coalesce(sum(idx_scan), 0)::bigint from pg_stat_user_indexes
        where indexrelname = 'tasks_due' and schemaname = current_schema()";
    cell.until("the claimer looks", &format!("select ({scans}) > 0")).await;
    let before: i64 = cell.scalar(scans).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let looked = cell.scalar::<i64>(scans).await - before;
    assert!(looked > 0, "it keeps looking");
    assert!(looked < 250, "a claimer that looks {looked} times in 3 s is spinning");
    hold.commit().await.unwrap();
    assert_eq!(cell.ended::<Steps4>(run).await.output, Some(4), "it is driven once it is free");
    worker.drain().await.unwrap();
}
