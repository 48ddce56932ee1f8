//! Bulk actions: what was shown is what is acted on, once for each run, whoever dies on the way.

use std::collections::BTreeMap;
use std::time::Instant;

use makegood::bulk::{Bulk, Go, Guard, Progress, Selection};
use makegood::{Error, RunState, Verb, inspect};
use sqlx::PgConnection;
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
    let wanted = Progress { total: 12, done: 11, changed: 1, ..Progress::default() };
    assert_eq!(progress, wanted);
    assert_eq!((seen.len(), seen[0].left(), seen[12].left()), (13, 12, 0), "told after each");
    assert_eq!(cell.state(late).await, "STUCK", "what came later is not acted on");
    let mut conn = cell.pool.acquire().await.unwrap();
    let changed = inspect::bulk_items(&mut conn, bulk_id, Some("changed"), 10).await.unwrap();
    assert_eq!(changed[0].run_id, first);
    let why = "it has moved on since, and is CLOSED now";
    assert_eq!(changed[0].why.as_deref(), Some(why), "each that is left alone says why");
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
        cell.execute("update bulk_actions set driven_until = now()").await;
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
    let mut conn = cell.pool.acquire().await.unwrap();
    cell.client.bulk_cancel(&mut conn, bulk_id, "eve", "wrong selection").await.unwrap();
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
async fn two_processes_do_not_double_the_pace() {
    let cell = stuck_trips(11).await;
    let bulk = bulk(&cell, Verb::Retry, Selection::new().state(RunState::Stuck)).per_second(20);
    let (bulk_id, _) = bulk.freeze().await.unwrap();
    let begun = Instant::now();
    let runs = [(); 3].map(|()| {
        let client = cell.client.clone();
        tokio::spawn(async move { client.bulk_run(bulk_id, |_| ()).await })
    });
    for run in runs {
        let told = run.await.unwrap();
        // Whoever comes when all is over finds nothing to go on with.
        assert!(
            matches!(told, Ok(Progress { done: 11, .. }) | Err(Error::BulkNotFound(_))),
            "{told:?}"
        );
    }
    assert!(begun.elapsed().as_millis() >= 500, "11 runs at 20 a second: {:?}", begun.elapsed());
    assert_eq!(twice(&cell).await, 0, "each run once");
}

#[tokio::test]
async fn whoever_has_lost_the_claim_acts_on_no_run_and_takes_over_when_the_other_is_silent() {
    let cell = stuck_trips(8).await;
    let bulk = bulk(&cell, Verb::Close, Selection::new().state(RunState::Stuck)).per_second(20);
    let (bulk_id, _) = bulk.freeze().await.unwrap();
    let (told, mut hear) = tokio::sync::mpsc::unbounded_channel();
    let client = cell.client.clone();
    let running =
        tokio::spawn(
            async move { client.bulk_run(bulk_id, |now| told.send(now.done).unwrap()).await },
        );
    while hear.recv().await.unwrap() < 2 {}
    // Another process has it by now, and is at it.
    cell.execute(
        "update bulk_actions
         set driver = gen_random_uuid(), driven_until = now() + interval '1 hour'",
    )
    .await;
    let done = "select done from bulk_actions";
    let before: i64 = cell.scalar(done).await;
    while hear.try_recv().is_ok() {}
    for _ in 0..3 {
        hear.recv().await.unwrap();
    }
    assert_eq!(cell.scalar::<i64>(done).await, before, "it looks on, and does nothing");
    cell.execute("update bulk_actions set driven_until = now()").await;
    assert_eq!(running.await.unwrap().unwrap().done, 8, "then it goes on");
    assert_eq!(twice(&cell).await, 0);
    cell.audited().await;
}

/// Lets so many runs pass, and then says something else.
struct Until(u64, Go);

impl Guard for Until {
    async fn before(&mut self, _: &mut PgConnection, now: &Progress) -> Result<Go, Error> {
        Ok(if now.done < self.0 { Go::On } else { self.1.clone() })
    }
}

#[tokio::test]
async fn a_guard_has_it_rest_for_others_or_stop_for_good_before_the_next_run() {
    let cell = stuck_trips(6).await;
    let bulk = bulk(&cell, Verb::Close, Selection::new().state(RunState::Stuck));
    let (bulk_id, _) = bulk.freeze().await.unwrap();
    let rested = cell.client.bulk_run_guarded(bulk_id, &mut Until(2, Go::Rest)).await.unwrap();
    assert_eq!((rested.done, rested.left()), (2, 4));
    let free = "select state = 'RUNNING' and driver is null from bulk_actions";
    assert!(cell.scalar::<bool>(free).await, "whoever wants to goes on at once");
    let reason = "ada may not any more".to_owned();
    let stop = Go::Stop { actor: "the console".to_owned(), reason: reason.clone() };
    cell.client.bulk_run_guarded(bulk_id, &mut Until(4, stop)).await.unwrap();
    let mut conn = cell.pool.acquire().await.unwrap();
    let view = inspect::bulk(&mut conn, bulk_id).await.unwrap().unwrap();
    assert_eq!((view.state.as_str(), view.done), ("CANCELLED", 4));
    assert_eq!(view.cancelled_why, Some(reason));
    let stuck: i64 = cell.scalar("select count(*) from tasks where state = 'STUCK'").await;
    assert_eq!(stuck, 2, "the rest is as it was");
}

#[tokio::test]
async fn what_was_frozen_an_hour_ago_is_not_begun_any_more() {
    let cell = stuck_trips(2).await;
    let bulk = bulk(&cell, Verb::Close, Selection::new().state(RunState::Stuck));
    let (bulk_id, _) = bulk.freeze().await.unwrap();
    let left = "select expires_at - created_at = interval '1 hour' from bulk_actions";
    assert!(cell.scalar::<bool>(left).await);
    cell.execute("update bulk_actions set expires_at = now()").await;
    let ran = cell.client.bulk_run(bulk_id, |_| ()).await;
    assert!(matches!(ran, Err(Error::BulkExpired(_))), "{ran:?}");
    let mut conn = cell.pool.acquire().await.unwrap();
    let begun = cell.client.bulk_begin(&mut conn, bulk_id, "console").await;
    assert!(matches!(begun, Err(Error::BulkExpired(_))), "{begun:?}");
    let view = inspect::bulk(&mut conn, bulk_id).await.unwrap().unwrap();
    assert_eq!((view.state.as_str(), view.total), ("EXPIRED", 2));
    assert_eq!(cell.scalar::<i64>("select count(*) from tasks where state = 'STUCK'").await, 2);
}

#[tokio::test]
async fn a_run_that_came_back_to_the_same_trouble_is_left_alone_and_a_pause_finds_it_anywhere() {
    let cell = stuck_trips(1).await;
    let run_id: Uuid = cell.scalar("select run_id from tasks where state = 'STUCK'").await;
    let close = bulk(&cell, Verb::Close, Selection::new().ids([run_id]));
    let (close, _) = close.freeze().await.unwrap();
    let eve = cell.client.operator("eve", "look again").unwrap();
    let pause = bulk(&cell, Verb::Pause, Selection::new().ids([run_id]));
    let (pause, _) = pause.freeze().await.unwrap();
    eve.retry(run_id).await.unwrap();
    let paused = cell.client.bulk_run(pause, |_| ()).await.unwrap();
    assert_eq!(paused.done, 1, "a pause is for runs that move: {paused:?}");
    eve.resume(run_id).await.unwrap();
    cell.execute(&format!(
        "with i as materialized (select gen_random_uuid() as id)
         update tasks
         set state = 'STUCK', due_at = null, incident_id = (select id from i)
         where run_id = '{run_id}'"
    ))
    .await;
    cell.execute(
        "insert into incidents (incident_id, run_id, class, message, fingerprint)
         select incident_id, run_id, 'odd', 'again', 'f00d'
         from tasks
         where state = 'STUCK'",
    )
    .await;
    let closed = cell.client.bulk_run(close, |_| ()).await.unwrap();
    assert_eq!((closed.changed, closed.done), (1, 0), "{closed:?}");
    assert_eq!(cell.state(run_id).await, "STUCK", "nobody looked at it as it is now");
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
