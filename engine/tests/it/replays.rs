//! The check of a new binary: every live record is replayed against it, and nothing is touched.

use std::time::Duration;

use makegood::{Ctx, Registry, WorkerConfig, Workflow, WorkflowResult, replay_check};

use crate::support::{TestCell, forgetful};
use crate::trades::{Book, Note, Parcel, Plan, Signed, Waiting, line, registry, world};

/// The parcel as somebody rewrote it, without its van.
struct Rewritten;

impl Workflow for Rewritten {
    const NAME: &'static str = Parcel::NAME;
    type Input = Waiting;
    type Output = ();

    async fn run(ctx: Ctx, waiting: Waiting) -> WorkflowResult<()> {
        ctx.step::<Note>(&line(&waiting.plan, "posted")).await?;
        ctx.signal::<Signed>().within(Duration::from_secs(1)).await?;
        Ok(())
    }
}

async fn waiting_parcel(cell: &TestCell, id: &str) -> Plan {
    let worker = cell.worker_with(registry(), forgetful()).await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 600_000 };
    let run = cell.start::<Parcel>(id, &waiting).await;
    let waits =
        format!("select exists (select 1 from tasks where run_id = '{run}' and state = 'WAITING')");
    cell.until("it waits", &waits).await;
    worker.drain().await.unwrap();
    waiting.plan
}

#[tokio::test]
async fn live_records_fit_the_code_that_wrote_them() {
    let cell = TestCell::new().await;
    let plan = waiting_parcel(&cell, "p1").await;
    let before = world().events(&plan);
    let mut seen = 0;
    let found =
        replay_check(&cell.database, &registry(), &WorkerConfig::default(), |so_far| seen = so_far)
            .await
            .unwrap();
    assert_eq!((found.fit, found.misfits.len(), seen), (1, 0, 1));
    assert_eq!(world().events(&plan), before, "nothing was called");
    let owners: i64 = cell.scalar("select count(*) from tasks where owner is not null").await;
    assert_eq!(owners, 0, "nothing was claimed");
}

#[tokio::test]
async fn a_record_that_new_code_cannot_carry_on_is_named_with_its_first_difference() {
    let cell = TestCell::new().await;
    waiting_parcel(&cell, "p1").await;
    let new = registry().workflow::<Rewritten>();
    let found = replay_check(&cell.database, &new, &WorkerConfig::default(), |_| {}).await.unwrap();
    let misfit = found.misfits.first().expect("it does not fit");
    assert_eq!(misfit.workflow_id, "p1");
    assert_eq!(
        misfit.difference,
        "the record goes on with done book#0, which the program does not ask for; \
         it asks for note#0"
    );
}

#[tokio::test]
async fn a_record_whose_workflow_is_gone_is_named() {
    let cell = TestCell::new().await;
    waiting_parcel(&cell, "p1").await;
    let found = replay_check(&cell.database, &Registry::new(), &WorkerConfig::default(), |_| {})
        .await
        .unwrap();
    let difference = &found.misfits.first().expect("nobody can run it").difference;
    assert_eq!(difference, "no workflow parcel version 1 is registered");
}

#[tokio::test]
async fn a_record_that_new_code_could_not_undo_is_named() {
    let cell = TestCell::new().await;
    waiting_parcel(&cell, "p1").await;
    let config = WorkerConfig::default();
    let forward = Registry::new().workflow::<Parcel>().activity(Note).activity(Book);
    let found = replay_check(&cell.database, &forward, &config, |_| {}).await.unwrap();
    let difference = &found.misfits.first().expect("its van cannot be given back").difference;
    assert_eq!(difference, "no activity unbook is registered to undo book");
    let run = cell.scalar("select run_id from runs").await;
    cell.client.operator("ada", "no more").unwrap().compensate(run).await.unwrap();
    let found = replay_check(&cell.database, &forward, &config, |_| {}).await.unwrap();
    assert_eq!((found.unwinding, found.misfits.len()), (0, 1), "nor when it is being made good");
    let whole = registry();
    let found = replay_check(&cell.database, &whole, &config, |_| {}).await.unwrap();
    assert_eq!((found.unwinding, found.misfits.len()), (1, 0));
}

#[tokio::test]
async fn a_long_record_fits_where_the_workers_take_it() {
    let cell = TestCell::new().await;
    waiting_parcel(&cell, "p1").await;
    for (steps_limit, fit) in [(10_000, 1), (0, 0)] {
        let config = WorkerConfig { steps_limit, ..WorkerConfig::default() };
        let found = replay_check(&cell.database, &registry(), &config, |_| {}).await.unwrap();
        assert_eq!(found.fit, fit, "with a limit of {steps_limit}");
    }
}
