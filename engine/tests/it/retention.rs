//! Retention: what ended long ago leaves the live tables, and is still what it was.

use std::time::Duration;

use makegood::bulk::Selection;
use makegood::{
    Cancellation, Delivery, Error, Retention, Verb, Worker, WorkerConfig, Workflow, inspect,
};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{TestCell, forgetful};
use crate::trades::{Fault, Parcel, Plan, Returns, Signed, Trip, Waiting, registry, world};

/// Archives at once whatever has ended.
fn eager() -> Retention {
    Retention {
        archive_after: Some(Duration::ZERO),
        pause: Duration::from_millis(5),
        every: Duration::from_millis(20),
        ..Retention::default()
    }
}

/// A worker whose janitor does not wait for the sweep after that of a worker before it.
async fn janitor(cell: &TestCell, retention: Retention) -> Worker {
    cell.execute(
        "update chores set due_at = now()
         where chore in (select chore from chores for update skip locked)",
    )
    .await;
    cell.worker_with(registry(), WorkerConfig { retention, ..forgetful() }).await
}

/// Archives all that has ended by now, and leaves no janitor behind.
pub async fn archive(cell: &TestCell) {
    let janitor = janitor(cell, eager()).await;
    let ended = "select not exists (select from runs where ended_state is not null)";
    cell.until("what has ended is archived", ended).await;
    janitor.drain().await.unwrap();
}

/// Runs that ended a while ago, three steps each, as if they had been driven.
async fn ended_runs(cell: &TestCell, count: i64, ago: &str) {
    let batch = Uuid::now_v7();
    cell.execute(&format!(
        "insert into runs (run_id, workflow, workflow_id, input, ended_state, output, started_at, ended_at)
         select gen_random_uuid(), 'steps4', '{batch} ' || i, '{{\"trip\": \"x\"}}', 'COMPLETED', '4',
           now() - interval '{ago}', now() - interval '{ago}'
         from generate_series(1, {count}) i"
    ))
    .await;
    cell.execute(
        "insert into steps (run_id, seq, kind, name, occurrence, result, at)
         select r.run_id, s, 'done', 'book', s, 'null', now() from runs r, generate_series(0, 2) s
         where r.workflow = 'steps4' and not exists (select from steps t where t.run_id = r.run_id)",
    )
    .await;
}

async fn sign(cell: &TestCell, id: &str, signal_id: &str) -> Delivery {
    let mut conn = cell.pool.acquire().await.unwrap();
    let signed = Signed { by: signal_id.to_owned() };
    let sent = cell.client.signal::<Parcel, Signed>(&mut conn, id, signal_id, &signed).await;
    cell.client.wake();
    sent.unwrap()
}

fn waiting(within_ms: u64) -> Waiting {
    Waiting { plan: Plan::new(), within_ms }
}

/// Everything that can be read of a run, in words.
async fn told<W: Workflow>(cell: &TestCell, run_id: Uuid) -> Vec<String>
where
    W::Output: std::fmt::Debug,
{
    let mut conn = cell.pool.acquire().await.unwrap();
    let summary = inspect::run(&mut conn, &run_id.to_string()).await.unwrap().unwrap();
    let by_id = inspect::run(&mut conn, &summary.workflow_id).await.unwrap();
    let part = summary.workflow_id.split(':').next_back().unwrap();
    let by_part = inspect::run(&mut conn, part).await.unwrap();
    let steps = inspect::steps(&mut conn, run_id).await.unwrap();
    let of_the_state = format!("state={}", summary.state).parse().unwrap();
    let mut listed = inspect::list(&mut conn, &of_the_state).await.unwrap().runs;
    for run in &mut listed {
        run.archived = false;
    }
    let counts = inspect::counts(&mut conn).await.unwrap();
    let ending = cell.client.ending::<W>(run_id, Duration::ZERO).await.unwrap();
    vec![
        format!("{summary:?}"),
        format!("{by_id:?} {by_part:?}"),
        format!("{steps:#?}"),
        format!("{listed:?}"),
        format!("{counts:?}"),
        format!("{ending:?}"),
    ]
}

#[tokio::test]
async fn an_archived_run_reads_as_before() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let stuck = Plan::new();
    world().fail(&stuck, "note paid", &[Fault::Retryable; 4]);
    let mended = cell.start::<Trip>("trips:mended", &stuck).await;
    let refused = cell.start::<Trip>("trips:refused", &Plan::rejecting("hotel")).await;
    let signed = cell.start::<Parcel>("parcels:signed", &waiting(20_000)).await;
    assert_eq!(sign(&cell, "parcels:signed", "ada").await, Delivery::Queued);
    cell.incident(mended).await;
    cell.client.retry(mended, "op", "the bank is back").await.unwrap();
    assert_eq!(cell.ended::<Trip>(mended).await.state, "COMPLETED");
    assert_eq!(cell.ended::<Trip>(refused).await.state, "COMPENSATED");
    assert_eq!(cell.ended::<Parcel>(signed).await.state, "COMPLETED");
    worker.drain().await.unwrap();
    let all = async || {
        let mut all = told::<Trip>(&cell, mended).await;
        all.extend(told::<Trip>(&cell, refused).await);
        all.extend(told::<Parcel>(&cell, signed).await);
        all
    };
    let before = all().await;
    let null = |told: &String| told.contains("result: Some(\n            Null");
    assert!(before.iter().any(null), "a result that is null is among them");
    archive(&cell).await;
    for (before, after) in before.iter().zip(all().await) {
        assert_eq!(*before, after);
    }
    for table in ["runs", "tasks", "steps", "signals", "incidents", "operator_actions"] {
        let rows: i64 = cell.scalar(&format!("select count(*) from {table}")).await;
        assert_eq!(rows, 0, "{table} is empty");
    }
    let mut conn = cell.pool.acquire().await.unwrap();
    let archived = inspect::archived(&mut conn, mended).await.unwrap().unwrap();
    let document = &archived.document;
    assert_eq!(document["incidents"][0]["resolution"], "retry");
    assert_eq!(document["actions"][0]["reason"], "the bank is back", "no action is lost");
    assert_eq!(document["run"]["workflow_id"], "trips:mended");
    let parcel = inspect::archived(&mut conn, signed).await.unwrap().unwrap();
    assert_eq!(parcel.document["signals"][0]["payload"]["by"], "ada");
    cell.audited().await;
}

#[tokio::test]
async fn an_id_that_was_archived_is_not_started_again() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let plan = Plan::new();
    let run = cell.start::<Trip>("t1", &plan).await;
    cell.ended::<Trip>(run).await;
    worker.drain().await.unwrap();
    archive(&cell).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let again = cell.client.start::<Trip>(&mut conn, "t1", &plan).await.unwrap();
    assert_eq!((again.run_id, again.created), (run, false), "it is the same run");
    let other = cell.client.start::<Trip>(&mut conn, "t1", &Plan::new()).await;
    assert!(matches!(other, Err(Error::InputConflict { run_id, .. }) if run_id == run));
    let left = "select (select count(*) from runs) + (select count(*) from tasks)";
    assert_eq!(cell.scalar::<i64>(left).await, 0, "nothing was started");
    assert!(cell.client.start::<Trip>(&mut conn, "t2", &plan).await.unwrap().created);
}

#[tokio::test]
async fn a_start_that_waits_for_the_archiving_of_its_id_finds_it_archived() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let run = cell.start::<Trip>("t1", &plan).await;
    cell.execute("delete from tasks").await;
    let mut archiving = cell.pool.begin().await.unwrap();
    for sql in [
        "insert into archived_runs select run_id, workflow, workflow_id, version, input, 'CLOSED',
           null, null, started_at, now(), now(), '{\"steps\": [], \"signals\": []}' from runs",
        "delete from runs",
    ] {
        sqlx::query(sql).execute(&mut *archiving).await.unwrap();
    }
    let (client, pool) = (cell.client.clone(), cell.pool.clone());
    let start = tokio::spawn(async move {
        let mut tx = pool.begin().await.unwrap();
        let started = client.start::<Trip>(&mut tx, "t1", &plan).await.unwrap();
        tx.commit().await.unwrap();
        started
    });
    cell.until_blocked_by(&mut archiving).await;
    archiving.commit().await.unwrap();
    let started = start.await.unwrap();
    assert_eq!((started.run_id, started.created), (run, false), "it is the same run");
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 0);
}

#[tokio::test]
async fn a_signal_to_an_archived_run_is_late_and_reaches_its_handler_once() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let run = cell.start::<Parcel>("p1", &waiting(1)).await;
    assert_eq!(cell.ended::<Parcel>(run).await.state, "COMPENSATED", "nobody signed in time");
    worker.drain().await.unwrap();
    archive(&cell).await;
    assert_eq!(sign(&cell, "p1", "ada").await, Delivery::Late);
    assert_eq!(sign(&cell, "p1", "ada").await, Delivery::Repeated);
    let worker = cell.worker_with(registry(), forgetful()).await;
    let late: Uuid = cell.scalar("select run_id from runs where workflow = 'returns'").await;
    assert_eq!(cell.ended::<Returns>(late).await.output, Some("ada".to_owned()));
    worker.drain().await.unwrap();
    archive(&cell).await;
    assert_eq!(sign(&cell, "p1", "ada").await, Delivery::Repeated, "also when it is archived too");
    assert_eq!(cell.scalar::<i64>("select count(*) from signals").await, 0, "kept in the archive");
    let kept: Value = cell
        .scalar("select document -> 'signals' from archived_runs where workflow = 'parcel'")
        .await;
    assert_eq!((kept[0]["signal_id"].as_str(), kept[1].as_str()), (Some("ada"), None));
    cell.audited().await;
}

#[tokio::test]
async fn a_late_signal_under_way_is_archived_with_its_run() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let run = cell.start::<Parcel>("p1", &waiting(1)).await;
    cell.ended::<Parcel>(run).await;
    worker.drain().await.unwrap();
    let mut tx = cell.pool.begin().await.unwrap();
    let signed = Signed { by: "ada".to_owned() };
    let sent = cell.client.signal::<Parcel, Signed>(&mut tx, "p1", "ada", &signed).await;
    assert_eq!(sent.unwrap(), Delivery::Late);
    ended_runs(&cell, 1, "1 hour").await;
    let janitor = janitor(&cell, eager()).await;
    let others = "select exists (select from archived_runs where workflow = 'steps4')";
    cell.until("the others are archived", others).await;
    let parcel = "select exists (select from archived_runs where workflow = 'parcel')";
    assert!(!cell.scalar::<bool>(parcel).await, "its signal is not there yet");
    tx.commit().await.unwrap();
    cell.until("it is archived", parcel).await;
    let kept =
        "select document #>> '{signals,0,signal_id}' from archived_runs where workflow = 'parcel'";
    assert_eq!(cell.scalar::<String>(kept).await, "ada");
    cell.until("its handler ends", "select not exists (select from tasks)").await;
    janitor.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_cancel_is_answered_as_before_the_archiving() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let paid = cell.start::<Trip>("paid", &Plan::new()).await;
    let refused = cell.start::<Trip>("refused", &Plan::rejecting("flight")).await;
    cell.ended::<Trip>(paid).await;
    cell.ended::<Trip>(refused).await;
    worker.drain().await.unwrap();
    archive(&cell).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let paid = cell.client.cancel::<Trip>(&mut conn, "paid", &"late").await.unwrap();
    assert_eq!(paid, Cancellation::PastPivot);
    let refused = cell.client.cancel::<Trip>(&mut conn, "refused", &"late").await.unwrap();
    assert_eq!(refused, Cancellation::Ended);
}

#[tokio::test]
async fn the_queue_is_neither_read_nor_locked() {
    let cell = TestCell::new().await;
    ended_runs(&cell, 100, "1 hour").await;
    let janitor = janitor(&cell, eager()).await;
    let mut holder = cell.pool.begin().await.unwrap();
    // Even a read of the queue would wait for this.
    sqlx::query("lock table tasks in access exclusive mode").execute(&mut *holder).await.unwrap();
    ended_runs(&cell, 1_000, "1 hour").await;
    cell.until("they are archived", "select not exists (select from runs)").await;
    holder.rollback().await.unwrap();
    janitor.drain().await.unwrap();
}

#[tokio::test]
async fn live_runs_and_those_that_ended_lately_stay() {
    let cell = TestCell::new().await;
    let lives = cell.start::<Parcel>("p1", &waiting(600_000)).await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let ended = cell.start::<Trip>("t1", &Plan::new()).await;
    cell.ended::<Trip>(ended).await;
    worker.drain().await.unwrap();
    // Those started before all the others, more than one page, live.
    cell.execute("update runs set started_at = started_at - interval '9 days'").await;
    ended_runs(&cell, 30, "2 hours").await;
    let hour = Duration::from_hours(1);
    let hourly = Retention { archive_after: Some(hour), batch: 2, ..eager() };
    let janitor = janitor(&cell, hourly).await;
    cell.until("the old are archived", "select (select count(*) from archived_runs) = 30").await;
    let stay: Vec<Uuid> = sqlx::query_scalar("select run_id from runs order by started_at")
        .fetch_all(&cell.pool)
        .await
        .unwrap();
    assert_eq!(stay, [lives, ended]);
    janitor.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn two_janitors_archive_each_run_once() {
    let cell = TestCell::new().await;
    ended_runs(&cell, 3_000, "1 hour").await;
    let small = Retention { batch: 50, pause: Duration::ZERO, ..eager() };
    let janitors = [janitor(&cell, small.clone()).await, janitor(&cell, small).await];
    cell.until("all are archived", "select not exists (select from runs)").await;
    let whole =
        "select count(*) from archived_runs where jsonb_array_length(document -> 'steps') = 3";
    assert_eq!(cell.scalar::<i64>(whole).await, 3_000, "each with its record");
    assert_eq!(cell.scalar::<i64>("select count(*) from steps").await, 0);
    for janitor in janitors {
        janitor.drain().await.unwrap();
    }
    cell.audited().await;
}

#[tokio::test]
async fn one_janitor_works_at_a_time_and_its_death_in_the_middle_moves_nothing() {
    let cell = TestCell::new().await;
    ended_runs(&cell, 20, "1 hour").await;
    let mut holder = cell.pool.begin().await.unwrap();
    // The batch hangs between its copy and its last deletion.
    sqlx::query("lock table signals in share mode").execute(&mut *holder).await.unwrap();
    let first = janitor(&cell, eager()).await;
    let second = janitor(&cell, eager()).await;
    let pid: i32 =
        sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *holder).await.unwrap();
    let hung = format!("from pg_stat_activity where {pid} = any(pg_blocking_pids(pid))");
    // It gives up after a second, and tries again later.
    let alone = format!(
        "select (select count(*) {hung}) = 1
           and not exists (select from (select from chores for update skip locked) free)"
    );
    cell.until("one hangs, and nobody else can begin", &alone).await;
    let hung: Option<i32> = cell.scalar(&format!("select (select min(pid) {hung})")).await;
    drop(first);
    drop(second);
    holder.rollback().await.unwrap();
    let hung = hung.unwrap_or_default();
    let gone = format!("select not exists (select from pg_stat_activity where pid = {hung})");
    cell.until("its connection is closed", &gone).await;
    let there = "select (select count(*) from runs) = 20 and (select count(*) from steps) = 60";
    assert!(cell.scalar::<bool>(there).await, "all of it is where it was");
    assert_eq!(cell.scalar::<i64>("select count(*) from archived_runs").await, 0);
    archive(&cell).await;
    assert_eq!(cell.scalar::<i64>("select count(*) from archived_runs").await, 20);
    cell.audited().await;
}

#[tokio::test]
async fn a_worker_that_was_declared_dead_archives_nothing_until_it_is_back() {
    let cell = TestCell::new().await;
    let lease = WorkerConfig {
        lease: Duration::from_secs(12),
        retention: eager(),
        ..WorkerConfig::default()
    };
    let worker = cell.worker_with(registry(), lease).await;
    let renewed = "select lease_until > started_at + interval '12 s' from workers";
    cell.until("its next renewal is far", renewed).await;
    // As a takeover does: it waits for what was begun under the old incarnation.
    let mut burial = cell.pool.begin().await.unwrap();
    for sql in
        ["select from workers for update", "update workers set alive = false, ended_at = now()"]
    {
        sqlx::query(sql).execute(&mut *burial).await.unwrap();
    }
    burial.commit().await.unwrap();
    ended_runs(&cell, 1, "1 hour").await;
    cell.until("it is archived", "select exists (select from archived_runs)").await;
    let before =
        "select count(*) from workers w, archived_runs a where w.started_at <= a.archived_at";
    assert_eq!(cell.scalar::<i64>(before).await, 2, "only under its new incarnation");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn what_is_deleted_leaves_only_what_operators_did_to_it() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let plan = Plan::new();
    world().fail(&plan, "note paid", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>("t1", &plan).await;
    cell.incident(run).await;
    cell.client.retry(run, "op", "the bank is back").await.unwrap();
    cell.ended::<Trip>(run).await;
    worker.drain().await.unwrap();
    cell.execute("update runs set ended_at = ended_at - interval '2 hours'").await;
    ended_runs(&cell, 10, "30 minutes").await;
    let delete_after = Some(Duration::from_hours(1));
    let janitor = janitor(&cell, Retention { delete_after, batch: 3, ..eager() }).await;
    let deleted = "select exists (select from kept_actions)";
    cell.until("it is deleted", deleted).await;
    cell.until("all are moved", "select not exists (select from runs)").await;
    assert_eq!(
        cell.scalar::<i64>("select count(*) from archived_runs").await,
        10,
        "the others stay"
    );
    let kept = "select action ->> 'reason' from kept_actions where workflow_id = 't1'";
    assert_eq!(cell.scalar::<String>(kept).await, "the bank is back");
    janitor.drain().await.unwrap();
    let mut conn = cell.pool.acquire().await.unwrap();
    assert!(
        cell.client.start::<Trip>(&mut conn, "t1", &plan).await.unwrap().created,
        "its id is free"
    );
}

#[tokio::test]
async fn a_run_that_cannot_be_archived_stays_and_holds_up_no_other() {
    let cell = TestCell::new().await;
    ended_runs(&cell, 200, "1 hour").await;
    cell.execute("alter table archived_runs add check (workflow_id !~ ' (7|170)$')").await;
    let janitor = janitor(&cell, eager()).await;
    cell.until("the others are archived", "select (select count(*) from archived_runs) = 198")
        .await;
    let stay = "select string_agg(split_part(workflow_id, ' ', 2), ', ' order by workflow_id)
        from runs";
    assert_eq!(cell.scalar::<String>(stay).await, "170, 7");
    janitor.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn incarnations_that_are_long_dead_are_forgotten() {
    let cell = TestCell::new().await;
    cell.execute(
        "insert into workers (incarnation, name, host, pid, alive, lease_until, ended_at)
         select gen_random_uuid(), 'old', 'host', 1, false, now(), now() - i * interval '20 hours'
         from generate_series(1, 3) i",
    )
    .await;
    let nothing = Retention { archive_after: None, ..eager() };
    let janitor = janitor(&cell, nothing).await;
    cell.until("the old are gone", "select count(*) = 1 from workers where not alive").await;
    janitor.drain().await.unwrap();
}

#[tokio::test]
async fn a_bulk_action_that_is_long_over_is_deleted_with_what_it_was_for() {
    let cell = TestCell::new().await;
    cell.start::<Parcel>("p1", &waiting(600_000)).await;
    for (number, ago) in [("old", "2 days"), ("new", "1 minute")] {
        let ada = cell.client.operator("ada", number).unwrap();
        let (bulk_id, _) = ada.bulk(Verb::Pause, Selection::new()).freeze().await.unwrap();
        cell.execute(&format!(
            "update bulk_actions set created_at = now() - interval '{ago}' where bulk_id = '{bulk_id}'"
        ))
        .await;
    }
    let day = Some(Duration::from_hours(24));
    let worker = janitor(&cell, Retention { delete_after: day, ..eager() }).await;
    cell.until("one is left", "select count(*) = 1 from bulk_actions").await;
    assert_eq!(cell.scalar::<String>("select reason from bulk_actions").await, "new");
    assert_eq!(cell.scalar::<i64>("select count(*) from bulk_items").await, 1, "with its run");
    worker.drain().await.unwrap();
    cell.audited().await;
}
