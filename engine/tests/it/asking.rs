//! Questions to a run: a signal, and the answer that it publishes.

use std::time::Duration;

use makegood::{Ctx, Delivery, Registry, Signal, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::support::TestCell;

const WAIT: Duration = Duration::from_secs(30);

/// Collects what is put into it, and answers each time with how much there is.
struct Basket;

#[derive(Debug, Serialize, Deserialize)]
struct Put {
    what: String,
    answer: String,
}

impl Signal for Put {
    const KIND: &'static str = "put";
}

impl Workflow for Basket {
    const NAME: &'static str = "basket";
    type Input = String;
    type Output = Vec<String>;

    async fn run(ctx: Ctx, owner: String) -> WorkflowResult<Vec<String>> {
        let mut all = vec![owner];
        while let Some(put) = ctx.signal::<Put>().within(WAIT * 20).await? {
            if put.what == "done" {
                break;
            }
            all.push(put.what);
            ctx.publish(&put.answer, &all.len());
        }
        Ok(all)
    }
}

fn registry() -> Registry {
    crate::trades::registry().workflow::<Basket>()
}

async fn put(cell: &TestCell, id: &str, owner: &str, what: &str) -> Delivery {
    let mut tx = cell.pool.begin().await.unwrap();
    let put = Put { what: what.to_owned(), answer: format!("answer to {what}") };
    let owner = owner.to_owned();
    let sent = cell.client.signal_or_start::<Basket, _>(&mut tx, id, &owner, what, &put).await;
    tx.commit().await.unwrap();
    cell.client.wake();
    sent.unwrap()
}

async fn run_of(cell: &TestCell, id: &str) -> Uuid {
    cell.scalar(&format!("select run_id from runs where workflow_id = '{id}'")).await
}

#[tokio::test]
async fn a_question_to_a_run_is_answered_by_what_it_publishes() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), makegood::WorkerConfig::default()).await;
    for (what, size) in [("milk", 2), ("bread", 3)] {
        assert_eq!(put(&cell, "b", "ada", what).await, Delivery::Queued);
        let (run, key) = (run_of(&cell, "b").await, format!("answer to {what}"));
        let answer = cell.client.published_within::<usize>(run, &key, WAIT).await.unwrap();
        assert_eq!(answer, Some(size), "the answer to {what}");
    }
    let run = run_of(&cell, "b").await;
    let soon = Duration::from_millis(20);
    let unasked = cell.client.published_within::<usize>(run, "answer to tea", soon).await.unwrap();
    assert_eq!(unasked, None, "what nobody asked has no answer");
    put(&cell, "b", "ada", "done").await;
    assert_eq!(cell.ended::<Basket>(run).await.output.unwrap(), ["ada", "milk", "bread"]);
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_signal_that_starts_its_run_is_taken_and_later_ones_find_that_run() {
    let cell = TestCell::new().await;
    assert_eq!(put(&cell, "b", "ada", "milk").await, Delivery::Queued, "it starts the run");
    assert_eq!(put(&cell, "b", "eve", "bread").await, Delivery::Queued, "which keeps its input");
    assert_eq!(put(&cell, "b", "eve", "bread").await, Delivery::Repeated);
    assert_eq!(put(&cell, "b", "eve", "done").await, Delivery::Queued);
    let worker = cell.worker_with(registry(), makegood::WorkerConfig::default()).await;
    let run = run_of(&cell, "b").await;
    assert_eq!(cell.ended::<Basket>(run).await.output.unwrap(), ["ada", "milk", "bread"]);
    assert_eq!(
        put(&cell, "b", "ada", "tea").await,
        Delivery::Late,
        "an ended run is not begun anew"
    );
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 1);
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn of_many_signals_at_once_that_would_start_a_run_each_reaches_the_one_run() {
    let cell = TestCell::new().await;
    let names: Vec<String> = (0..12).map(|n| format!("thing {n}")).collect();
    let puts = names.iter().map(|name| put(&cell, "b", name, name));
    for delivery in futures::future::join_all(puts).await {
        assert_eq!(delivery, Delivery::Queued, "with another input each");
    }
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 1, "one of them started it");
    assert_eq!(cell.scalar::<i64>("select count(*) from signals").await, 12, "none is lost");
    put(&cell, "b", "", "done").await;
    let worker = cell.worker_with(registry(), makegood::WorkerConfig::default()).await;
    let all = cell.ended::<Basket>(run_of(&cell, "b").await).await.output.unwrap();
    assert_eq!(all.len(), 13, "its owner and every thing: {all:?}");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn who_asks_without_a_limit_waits_for_the_answer() {
    let cell = TestCell::new().await;
    assert_eq!(put(&cell, "b", "ada", "milk").await, Delivery::Queued);
    let run = run_of(&cell, "b").await;
    let asked = cell.client.published_within::<usize>(run, "answer to milk", Duration::MAX);
    // The question is put, and finds nothing, before there is anybody to answer it.
    let answered = async { cell.worker_with(registry(), makegood::WorkerConfig::default()).await };
    let (answer, worker) = tokio::join!(asked, answered);
    assert_eq!(answer.unwrap(), Some(2));
    put(&cell, "b", "ada", "done").await;
    cell.ended::<Basket>(run).await;
    worker.drain().await.unwrap();
}
