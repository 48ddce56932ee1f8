//! A server without room: what cannot be written now is tried again later, and is at no fault.

use std::time::Duration;

use makegood::{Retention, WorkerConfig};

use crate::support::{TestCell, forgetful};
use crate::trades::registry;

/// As if the archive's disk were full; `tries` counts how often something found out.
const FULL: [&str; 3] = [
    "create sequence tries",
    "create function full_disk() returns trigger language plpgsql as $$
     begin
       perform nextval('tries');
       raise exception 'no space left on device' using errcode = '53100';
     end $$",
    "create trigger full_disk before insert on archived_runs
     for each statement execute function full_disk()",
];

#[tokio::test]
async fn a_full_disk_is_no_fault_of_the_runs_and_is_left_alone_for_a_while() {
    let cell = TestCell::new().await;
    cell.execute(
        "insert into runs (run_id, workflow, workflow_id, input, ended_state, output, started_at, ended_at)
         select gen_random_uuid(), 'steps4', 'r' || i, '{\"trip\": \"x\"}', 'COMPLETED', '4',
           now() - interval '1 hour', now() - interval '1 hour'
         from generate_series(1, 40) i",
    )
    .await;
    for sql in FULL {
        cell.execute(sql).await;
    }
    let retention = Retention {
        archive_after: Some(Duration::ZERO),
        pause: Duration::from_millis(5),
        every: Duration::from_millis(20),
        ..Retention::default()
    };
    let config = WorkerConfig { retention, ..forgetful() };
    let worker = cell.worker_with(registry(), config).await;
    // All of them, a few, and one.
    cell.until("it is tried", "select last_value >= 3 from tries").await;
    let now: String = cell.scalar("select max(lease_until)::text from workers").await;
    let renewed =
        format!("select max(lease_until) > '{now}'::timestamptz + interval '2 s' from workers");
    cell.until("some time passes", &renewed).await;
    cell.execute("drop trigger full_disk on archived_runs").await;
    cell.until("all are archived", "select not exists (select from runs)").await;
    let tries: i64 = cell.scalar("select last_value from tries").await;
    assert_eq!(tries, 3, "a full disk is not asked for each run");
    worker.drain().await.unwrap();
    cell.audited().await;
}
