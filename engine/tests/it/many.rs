//! Many runs in one call: what holds for one holds for each of them.

use std::time::Duration;

use makegood::{
    Ctx, Delivery, Error, Registry, Signal, StartOptions, WorkerConfig, Workflow, WorkflowResult,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::support::TestCell;

const WAIT: Duration = Duration::from_secs(30);

/// Ends with its input and the word that it is sent.
struct Listener;

#[derive(Debug, Serialize, Deserialize)]
struct Word(String);

impl Signal for Word {
    const KIND: &'static str = "word";
}

impl Workflow for Listener {
    const NAME: &'static str = "listener";
    type Input = u32;
    type Output = String;

    async fn run(ctx: Ctx, number: u32) -> WorkflowResult<String> {
        let word = ctx.signal::<Word>().within(WAIT * 20).await?;
        Ok(format!("{number} {}", word.map_or_else(String::new, |word| word.0)))
    }
}

/// Starts runs by number, and commits.
async fn start(cell: &TestCell, numbers: &[u32]) -> Result<Vec<(Uuid, bool)>, Error> {
    let names: Vec<String> = numbers.iter().map(|n| format!("n-{n}")).collect();
    let runs: Vec<_> = names.iter().map(String::as_str).zip(numbers).collect();
    let mut tx = cell.pool.begin().await.unwrap();
    let started = cell.client.start_many::<Listener>(&mut tx, &runs, &StartOptions::new()).await?;
    tx.commit().await.unwrap();
    cell.client.wake();
    Ok(started.into_iter().map(|run| (run.run_id, run.created)).collect())
}

/// Sends a word to runs, by number and id, and commits.
async fn say(cell: &TestCell, words: &[(u32, &str)]) -> Result<Vec<Delivery>, Error> {
    let sent: Vec<_> =
        words.iter().map(|(n, id)| (format!("n-{n}"), *id, Word((*id).to_owned()))).collect();
    let sent: Vec<_> = sent.iter().map(|(name, id, word)| (name.as_str(), *id, word)).collect();
    let mut tx = cell.pool.begin().await.unwrap();
    let said = cell.client.signal_many::<Listener, Word>(&mut tx, &sent).await?;
    tx.commit().await.unwrap();
    cell.client.wake();
    Ok(said)
}

#[tokio::test]
async fn many_runs_are_started_signalled_and_seen_to_end_in_a_few_calls() {
    let cell = TestCell::new().await;
    let registry = Registry::new().workflow::<Listener>();
    let worker = cell.worker_with(registry, WorkerConfig::default()).await;
    let numbers: Vec<u32> = (0..300).collect();
    let started = start(&cell, &numbers).await.unwrap();
    assert!(started.iter().all(|(_, created)| *created), "none was there before");
    let words: Vec<_> = numbers.iter().map(|n| (*n, "go")).collect();
    let said = say(&cell, &words).await.unwrap();
    assert!(said.iter().all(|word| *word == Delivery::Queued), "each is told of its own");
    let mut open: Vec<Uuid> = started.iter().map(|(run_id, _)| *run_id).collect();
    while !open.is_empty() {
        let ends = cell.client.endings::<Listener>(&open, WAIT).await.unwrap();
        assert!(!ends.is_empty(), "all of them end");
        for (run_id, ending) in ends {
            let number = started.iter().position(|(id, _)| *id == run_id).unwrap();
            assert_eq!(ending.output, Some(format!("{number} go")), "each by its own word");
            open.retain(|id| *id != run_id);
        }
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_start_among_many_that_is_there_already_is_the_same_run_and_another_input_an_error() {
    let cell = TestCell::new().await;
    let first = start(&cell, &[1, 2]).await.unwrap();
    let again = start(&cell, &[2, 3, 3, 1]).await.unwrap();
    assert_eq!(again[0], (first[1].0, false), "2 is the run that it was");
    assert_eq!(again[3], (first[0].0, false), "and so is 1");
    assert_eq!((again[1].1, again[2]), (true, (again[1].0, false)), "3 is one run, named twice");
    assert_eq!(cell.scalar::<i64>("select count(*) from tasks").await, 3, "each is queued once");
    let mut tx = cell.pool.begin().await.unwrap();
    let runs = [("n-4", &4), ("n-1", &5)];
    let refused = cell.client.start_many::<Listener>(&mut tx, &runs, &StartOptions::new()).await;
    assert!(matches!(refused, Err(Error::InputConflict { .. })), "{refused:?}");
    tx.rollback().await.unwrap();
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 3, "none of them is there");
    cell.audited().await;
}

#[tokio::test]
async fn signals_sent_together_are_deduplicated_counted_and_late_each_for_itself() {
    let cell = TestCell::new().await;
    start(&cell, &[1, 2, 3]).await.unwrap();
    let said = say(&cell, &[(1, "a"), (2, "a"), (1, "b"), (1, "a")]).await.unwrap();
    let queued = Delivery::Queued;
    assert_eq!(said, [queued, queued, queued, Delivery::Repeated], "in the order of the call");
    let mailbox =
        "select mailbox from tasks k join runs r using (run_id) where workflow_id = 'n-1'";
    assert_eq!(cell.scalar::<i32>(mailbox).await, 2, "each is counted once");
    let unknown = say(&cell, &[(3, "a"), (9, "a")]).await;
    assert!(matches!(unknown, Err(Error::RunNotFound(_))), "{unknown:?}");
    let kept =
        "select count(*) from signals g join runs r using (run_id) where workflow_id = 'n-3'";
    assert_eq!(cell.scalar::<i64>(kept).await, 0, "a call that fails sends none");
    let registry = Registry::new().workflow::<Listener>();
    let worker = cell.worker_with(registry, WorkerConfig::default()).await;
    let run = cell.scalar::<Uuid>("select run_id from runs where workflow_id = 'n-2'").await;
    assert_eq!(cell.ended::<Listener>(run).await.output.unwrap(), "2 a");
    let said = say(&cell, &[(2, "c"), (3, "c")]).await.unwrap();
    assert_eq!(said, [Delivery::Late, Delivery::Queued], "one had ended, the other had not");
    worker.drain().await.unwrap();
    cell.audited().await;
}
