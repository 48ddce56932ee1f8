//! Bulk actions: what was shown is what is acted on, once for each run, whoever dies on the way.

use std::collections::BTreeMap;
use std::time::Instant;

use makegood::bulk::{Bulk, Progress, Selection};
use makegood::{Error, RunState, Verb, inspect};
use uuid::Uuid;

use crate::support::TestCell;
use crate::trades::{Fault, Plan, Steps4, Trip, registry, world};

/// A cell with so many stuck trips, and three that just wait for a worker.
async fn stuck_trips(count: usize) -> TestCell {
    let cell = TestCell::new().await;
    for index in 0..count {
        let plan = Plan::new();
        world().fail_early(&plan, "book hotel", &[Fault::Retryable; 4]);
        cell.start::<Trip>(&format!("stuck {index}"), &plan).await;
    }
    let worker = cell.worker().await;
    let all = format!("select count(*) = {count} from tasks where state = 'STUCK'");
    cell.until("all are stuck", &all).await;
    worker.drain().await.unwrap();
    for index in 0..3 {
        cell.start::<Steps4>(&format!("other {index}"), &Plan::new()).await;
    }
    cell
}

fn bulk(cell: &TestCell, verb: Verb, selection: Selection) -> Bulk {
    let ada = cell.client.operator("ada", "the hotel answers again").unwrap();
    ada.bulk(verb, selection).per_second(1_000)
}

async fn twice(cell: &TestCell) -> i64 {
    cell.scalar(
        "select count(*) from (
           select run_id from operator_actions group by run_id having count(*) > 1
         ) x",
    )
    .await
}

#[tokio::test]
async fn a_preview_keeps_nothing_and_what_is_frozen_is_what_is_acted_on() {
    let cell = stuck_trips(12).await;
    let stuck = Selection::new().workflow("trip").state(RunState::Stuck).class("retries_used_up");
    let bulk = bulk(&cell, Verb::Retry, stuck);
    let preview = bulk.preview().await.unwrap();
    assert_eq!((preview.total, preview.sample.len()), (12, 10), "a number and a sample");
    assert_eq!(preview.states, [("STUCK".to_owned(), 12)]);
    assert_eq!(cell.scalar::<i64>("select count(*) from bulk_actions").await, 0);
    let (bulk_id, frozen) = bulk.freeze().await.unwrap();
    assert_eq!(frozen.total, 12);
    // One more gets stuck afterwards, and one is closed by somebody else.
    let first = frozen.sample[0].run_id;
    cell.client.operator("eve", "lost").unwrap().close(first).await.unwrap();
    let plan = Plan::new();
    world().fail_early(&plan, "book hotel", &[Fault::Retryable; 4]);
    let late = cell.start::<Trip>("late", &plan).await;
    let worker = cell.worker().await;
    cell.incident(late).await;
    let mut seen = Vec::new();
    let progress = cell.client.bulk_run(bulk_id, |now| seen.push(*now)).await.unwrap();
    let wanted = Progress { total: 12, done: 11, refused: 1, ..Progress::default() };
    assert_eq!(progress, wanted);
    assert_eq!((seen.len(), seen[0].left(), seen[12].left()), (13, 12, 0), "told after each");
    assert_eq!(cell.state(late).await, "STUCK", "what came later is not acted on");
    let mut conn = cell.pool.acquire().await.unwrap();
    let refused = inspect::bulk_items(&mut conn, bulk_id, Some("refused"), 10).await.unwrap();
    assert_eq!(refused[0].run_id, first);
    let why = "it has ended as CLOSED; fork it, or start it anew under another id";
    assert_eq!(refused[0].why.as_deref(), Some(why), "each refusal says why");
    let helped =
        "select count(*) = 11 from run_states where state = 'COMPLETED' and workflow = 'trip'";
    cell.until("it helped", helped).await;
    let states = inspect::bulk_states(&mut conn, bulk_id).await.unwrap();
    assert_eq!(states, [("CLOSED".to_owned(), 1), ("COMPLETED".to_owned(), 11)]);
    let view = inspect::bulk(&mut conn, bulk_id).await.unwrap().unwrap();
    assert_eq!((view.state.as_str(), view.done, view.actor.as_str()), ("DONE", 11, "ada"));
    let over = cell.client.bulk_run(bulk_id, |_| ()).await;
    assert!(matches!(over, Err(Error::BulkNotFound(_))), "it is done once");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_bulk_action_whose_process_dies_half_way_is_gone_on_with_and_acts_on_each_run_once() {
    let cell = stuck_trips(40).await;
    let stuck = Selection::new().state(RunState::Stuck);
    let (bulk_id, _) = bulk(&cell, Verb::Close, stuck).freeze().await.unwrap();
    for death in 0..4 {
        let mut steps = 0;
        let (died, mut dead) = tokio::sync::oneshot::channel();
        let mut died = Some(died);
        let client = cell.client.clone();
        let progress = move |_: &Progress| {
            steps += 1;
            if steps > 8 + death {
                died.take().map(|died| died.send(()));
            }
        };
        let running = tokio::spawn(async move { client.bulk_run(bulk_id, progress).await });
        tokio::select! {
            _ = &mut dead => running.abort(),
            () = tokio::time::sleep(std::time::Duration::from_secs(30)) => panic!("it goes on"),
        }
        assert!(running.await.is_err(), "it dies half-way");
    }
    let done = "select count(*) from bulk_items where outcome is not null";
    assert!(cell.scalar::<i64>(done).await < 40, "something is left to do");
    // Two that go on at once do not hinder each other.
    let other = cell.client.clone();
    let other = tokio::spawn(async move { other.bulk_run(bulk_id, |_| ()).await });
    let ours = cell.client.bulk_run(bulk_id, |_| ()).await;
    let theirs = other.await.unwrap();
    assert!(ours.is_ok() || theirs.is_ok(), "{ours:?} {theirs:?}");
    let closed = "select count(*) from run_states where state = 'CLOSED'";
    assert_eq!(cell.scalar::<i64>(closed).await, 40, "each is closed");
    assert_eq!(twice(&cell).await, 0, "and once");
    let view = inspect::bulk(&mut cell.pool.acquire().await.unwrap(), bulk_id).await.unwrap();
    assert_eq!(view.unwrap().state, "DONE");
    cell.audited().await;
}

#[tokio::test]
async fn a_cancelled_bulk_action_leaves_the_rest_as_it_is() {
    let cell = stuck_trips(10).await;
    let (bulk_id, _) = bulk(&cell, Verb::Retry, Selection::new().state(RunState::Stuck))
        .per_second(20)
        .freeze()
        .await
        .unwrap();
    let (client, mut steps) = (cell.client.clone(), 0);
    let (third, told) = tokio::sync::oneshot::channel();
    let mut third = Some(third);
    let running = tokio::spawn(async move {
        client
            .bulk_run(bulk_id, |_| {
                steps += 1;
                if steps == 4 {
                    third.take().map(|third| third.send(()));
                }
            })
            .await
    });
    told.await.unwrap();
    cell.client.bulk_cancel(bulk_id, "eve", "wrong selection").await.unwrap();
    let progress = running.await.unwrap().unwrap();
    assert!(progress.left() > 0, "it stopped on the way: {progress:?}");
    let stuck: i64 = cell.scalar("select count(*) from tasks where state = 'STUCK'").await;
    assert_eq!(u64::try_from(stuck).unwrap(), progress.left(), "the rest is as it was");
    let again = cell.client.bulk_run(bulk_id, |_| ()).await;
    assert!(matches!(again, Err(Error::BulkNotFound(_))), "it is over");
    let view = inspect::bulk(&mut cell.pool.acquire().await.unwrap(), bulk_id).await.unwrap();
    let view = view.unwrap();
    assert_eq!((view.state.as_str(), view.cancelled_by.as_deref()), ("CANCELLED", Some("eve")));
    cell.audited().await;
}

#[tokio::test]
async fn a_bulk_action_keeps_its_pace() {
    let cell = stuck_trips(11).await;
    let bulk = bulk(&cell, Verb::Retry, Selection::new().state(RunState::Stuck)).per_second(20);
    let (bulk_id, _) = bulk.freeze().await.unwrap();
    let begun = Instant::now();
    cell.client.bulk_run(bulk_id, |_| ()).await.unwrap();
    assert!(begun.elapsed().as_millis() >= 500, "11 runs at 20 a second: {:?}", begun.elapsed());
}

#[tokio::test]
async fn every_narrowing_of_a_selection_narrows_it() {
    let cell = stuck_trips(4).await;
    let count = async |selection: Selection| {
        bulk(&cell, Verb::Pause, selection).preview().await.unwrap().total
    };
    let ids: Vec<Uuid> = sqlx::query_scalar("select run_id from runs order by started_at")
        .fetch_all(&cell.pool)
        .await
        .unwrap();
    let fingerprint: String = cell.scalar("select min(fingerprint) from incidents").await;
    let middle: chrono::DateTime<chrono::Utc> =
        cell.scalar("select started_at from runs order by started_at offset 3 limit 1").await;
    assert_eq!(count(Selection::new()).await, 7, "every live run");
    assert_eq!(count(Selection::new().workflow("steps4")).await, 3);
    assert_eq!(count(Selection::new().state(RunState::Stuck)).await, 4);
    let either = Selection::new().state(RunState::Stuck).state(RunState::Running);
    assert_eq!(count(either).await, 7);
    assert_eq!(count(Selection::new().class("poison")).await, 0);
    assert_eq!(count(Selection::new().fingerprint(fingerprint)).await, 4);
    assert_eq!(count(Selection::new().started_from(middle)).await, 4);
    assert_eq!(count(Selection::new().started_before(middle)).await, 3);
    assert_eq!(count(Selection::new().ids(ids[..2].to_vec())).await, 2);
    cell.client.operator("ada", "lost").unwrap().terminate(ids[0]).await.unwrap();
    assert_eq!(count(Selection::new()).await, 6, "an ended run is not live");
    assert_eq!(count(Selection::new().ids(ids[..2].to_vec())).await, 2, "unless it is named");
}

#[tokio::test]
async fn a_bulk_action_while_the_runs_run_reports_every_one_of_them() {
    let cell = TestCell::new().await;
    for index in 0..100 {
        cell.start::<Trip>(&format!("t{index}"), &Plan::new()).await;
    }
    let (bulk_id, _) = bulk(&cell, Verb::Pause, Selection::new()).freeze().await.unwrap();
    let worker = cell.worker_with(registry(), makegood::WorkerConfig::default()).await;
    let progress = cell.client.bulk_run(bulk_id, |_| ()).await.unwrap();
    assert_eq!((progress.total, progress.left()), (100, 0), "{progress:?}");
    let still = "select not exists (select 1 from tasks where state <> 'PAUSED')";
    cell.until("each is paused or ended", still).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let states: BTreeMap<String, i64> =
        inspect::bulk_states(&mut conn, bulk_id).await.unwrap().into_iter().collect();
    assert_eq!(states.values().sum::<i64>(), 100, "{states:?}");
    let (bulk_id, _) =
        bulk(&cell, Verb::Resume, Selection::new().class("paused")).freeze().await.unwrap();
    cell.client.bulk_run(bulk_id, |_| ()).await.unwrap();
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn alike_incidents_are_shown_together() {
    let cell = stuck_trips(5).await;
    let plan = Plan::new();
    world().fail(&plan, "note packed", &[Fault::Review]);
    let odd = cell.start::<Trip>("odd", &plan).await;
    let worker = cell.worker().await;
    cell.incident(odd).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let groups = inspect::incident_groups(&mut conn, 10).await.unwrap();
    let told: Vec<_> = groups.iter().map(|g| (g.class.as_str(), g.count)).collect();
    assert_eq!(told, [("retries_used_up", 5), ("odd", 1)], "the most frequent first");
    assert_eq!((groups[1].run_id, groups[1].message.as_str()), (odd, "a person must look"));
    assert!(groups[0].first_at <= groups[0].last_at);
    worker.drain().await.unwrap();
}
