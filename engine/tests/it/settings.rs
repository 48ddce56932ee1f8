//! A worker's settings: out of their range they are refused before anything is claimed.

use std::time::Duration;

use makegood::{Error, Worker, WorkerConfig};

use crate::support::TestCell;
use crate::trades::{Plan, Steps4, registry, world};

#[tokio::test]
async fn a_worker_with_settings_out_of_their_range_does_not_start_and_says_which() {
    let cell = TestCell::new().await;
    let fine = WorkerConfig::default;
    let faults = [
        ("lease", WorkerConfig { lease: Duration::ZERO, ..fine() }),
        ("lease", WorkerConfig { lease: Duration::from_secs(301), ..fine() }),
        ("in_flight", WorkerConfig { in_flight: 0, ..fine() }),
        ("in_flight", WorkerConfig { in_flight: 65_537, ..fine() }),
        ("claim_batch", WorkerConfig { claim_batch: 0, ..fine() }),
        ("committers", WorkerConfig { committers: 0, ..fine() }),
        ("committers", WorkerConfig { committers: 9, ..fine() }),
        ("flush_batch", WorkerConfig { flush_batch: 0, ..fine() }),
        ("transactions", WorkerConfig { transactions: 0, ..fine() }),
        ("poll_cap", WorkerConfig { poll_cap: Duration::ZERO, ..fine() }),
    ];
    for (setting, config) in faults {
        let told = match Worker::start(&cell.database, registry(), config).await {
            Err(Error::Unfit(told)) => told,
            Err(other) => panic!("{setting}: {other}"),
            Ok(_) => panic!("{setting}: it has started"),
        };
        assert!(told.contains(setting), "it names {setting}: {told}");
    }
    let registered: i64 = cell.scalar("select count(*) from workers").await;
    assert_eq!(registered, 0, "none of them was ever there");
}

#[tokio::test]
async fn no_more_runs_are_held_than_there_is_room_for() {
    let cell = TestCell::new().await;
    let config = WorkerConfig { in_flight: 3, ..WorkerConfig::default() };
    let worker = cell.worker_with(registry(), config).await;
    let plans: Vec<Plan> = (0..12).map(|_| Plan::new()).collect();
    let gates: Vec<_> = plans.iter().map(|plan| world().hang(plan, "book one")).collect();
    let mut tx = cell.pool.begin().await.unwrap();
    for (index, plan) in plans.iter().enumerate() {
        cell.client.start::<Steps4>(&mut tx, &format!("s{index}"), plan).await.unwrap();
    }
    tx.commit().await.unwrap();
    cell.client.wake();
    let held = "select count(*) from tasks where owner is not null";
    cell.until("there are three", &format!("select ({held}) >= 3")).await;
    let booked = || plans.iter().filter(|plan| world().times(plan, "book one") > 0).count();
    while booked() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(cell.scalar::<i64>(held).await, 3, "the others are left to other workers");
    for gate in gates {
        gate.add_permits(10);
    }
    cell.until("all end", "select not exists (select from tasks)").await;
    worker.drain().await.unwrap();
}
