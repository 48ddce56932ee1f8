//! The time, ids, versions and published values: the same on every replay.

use std::time::Duration;

use chrono::{DateTime, Utc};
use makegood::{Ctx, Failure, Registry, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::support::{TestCell, forgetful};
use crate::trades::{Note, Plan, Signed, line, registry, world};
use crate::world::Fault;

/// Says the time and an id before a step that fails, and again after it.
struct Diary;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Page {
    began: DateTime<Utc>,
    ids: Vec<Uuid>,
    ended: DateTime<Utc>,
}

impl Workflow for Diary {
    const NAME: &'static str = "diary";
    type Input = Plan;
    type Output = Page;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<Page> {
        let (began, first) = (ctx.now(), ctx.uuid());
        ctx.publish("page", &format!("{began} {first}"));
        ctx.step::<Note>(&line(&plan, &format!("{began} {first}"))).await?;
        Ok(Page { began, ids: vec![first, ctx.uuid()], ended: ctx.now() })
    }
}

/// A workflow as it was before a change, and as it is after it.
struct Greeting<const VERSION: i32>;

impl<const NEWEST: i32> Workflow for Greeting<NEWEST> {
    const NAME: &'static str = "greeting";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        ctx.step::<Note>(&line(&plan, "met")).await?;
        let manners = if NEWEST > 0 { ctx.version("manners", NEWEST) } else { 0 };
        ctx.step::<Note>(&line(&plan, &format!("manners {manners}"))).await?;
        let signed = ctx.signal::<Signed>().within(Duration::from_hours(1)).await?;
        let again = if NEWEST > 0 { ctx.version("manners", NEWEST) } else { 0 };
        Ok(format!("{manners} {again} {}", signed.is_some()))
    }
}

/// Waits for something that is not its context's.
struct Stranger;

impl Workflow for Stranger {
    const NAME: &'static str = "stranger";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Note>(&line(&plan, "here")).await?;
        std::future::pending::<Result<(), Failure>>().await
    }
}

fn values<const NEWEST: i32>() -> Registry {
    registry().workflow::<Diary>().workflow::<Greeting<NEWEST>>().workflow::<Stranger>()
}

async fn sign(cell: &TestCell, id: &str) {
    let mut tx = cell.pool.begin().await.unwrap();
    let signed = Signed { by: "Ada".to_owned() };
    cell.client.signal::<Greeting<0>, Signed>(&mut tx, id, "s", &signed).await.unwrap();
    tx.commit().await.unwrap();
    cell.client.wake();
}

#[tokio::test]
async fn time_and_ids_are_the_same_on_every_replay() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let worker = cell.worker_with(values::<0>(), forgetful()).await;
    let run = cell.start::<Diary>("d1", &plan).await;
    let page = cell.ended::<Diary>(run).await.output.unwrap();
    let note: String = cell.scalar("select note from notes").await;
    assert_eq!(note, format!("{} {}", page.began, page.ids[0]), "what the step saw is what ended");
    assert_ne!(page.ids[0], page.ids[1], "each id is new");
    assert!(page.ended >= page.began, "time goes on");
    let drift: f64 = cell.scalar("select abs(extract(epoch from now() - (output->>'began')::timestamptz))::float8 from runs").await;
    assert!(drift < 60.0, "it is the database's time: {drift} s away");
    let shown: Option<String> = cell.client.published(run, "page").await.unwrap();
    assert_eq!(shown, Some(note), "what it published can be read");
    let none: Option<String> = cell.client.published(run, "other").await.unwrap();
    assert_eq!(none, None, "and nothing else");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_run_goes_by_the_time_that_it_recorded_after_its_worker_died() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let worker = cell.worker_with(values::<1>(), forgetful()).await;
    let run = cell.start::<Greeting<1>>("g1", &plan).await;
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    let before: Vec<String> = cell.record(run).await;
    assert!(before.contains(&"version manners".to_owned()), "the marker is recorded: {before:?}");
    worker.drain().await.unwrap();
    // The marker is older than this code's version: the run keeps to it.
    let worker = cell.worker_with(values::<2>(), forgetful()).await;
    sign(&cell, "g1").await;
    assert_eq!(cell.ended::<Greeting<2>>(run).await.output.unwrap(), "1 1 true");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_run_from_before_a_change_keeps_to_what_it_did() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let worker = cell.worker_with(values::<0>(), forgetful()).await;
    let run = cell.start::<Greeting<0>>("g1", &plan).await;
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    worker.drain().await.unwrap();
    let worker = cell.worker_with(values::<1>(), forgetful()).await;
    sign(&cell, "g1").await;
    assert_eq!(cell.ended::<Greeting<1>>(run).await.output.unwrap(), "0 0 true", "the old way");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_marker_that_the_program_no_longer_asks_for_is_passed_over() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let worker = cell.worker_with(values::<1>(), forgetful()).await;
    let run = cell.start::<Greeting<1>>("g1", &plan).await;
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    worker.drain().await.unwrap();
    let worker = cell.worker_with(values::<0>(), forgetful()).await;
    sign(&cell, "g1").await;
    assert_eq!(cell.ended::<Greeting<0>>(run).await.output.unwrap(), "0 0 true");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_value_of_a_turn_that_was_rolled_back_is_not_recorded_twice() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    world().fail(&plan, "note met", &[Fault::Retryable; 3]);
    let worker = cell.worker_with(values::<1>(), forgetful()).await;
    let run = cell.start::<Greeting<1>>("g1", &plan).await;
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    assert_eq!(
        cell.record(run).await,
        ["done note", "version manners", "done note"],
        "one marker, after the step that it follows"
    );
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn awaiting_something_else_is_reported_and_not_hung() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(values::<0>(), forgetful()).await;
    let run = cell.start::<Stranger>("s1", &Plan::new()).await;
    assert_eq!(
        cell.incident(run).await,
        "non_determinism: the program awaits something that is not its context's"
    );
    worker.drain().await.unwrap();
}
