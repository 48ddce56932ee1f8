//! Repeats: one key for a step however often and by whomever it is tried, and a panic that costs
//! its attempt and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder,
};

use crate::support::{TestCell, forgetful};
use crate::trades::{Fault, Plan, Trip, registry, world};

fn keys(plan: &Plan, what: &str) -> Vec<String> {
    let booked = world().booked(&plan.trip);
    booked.into_iter().filter(|(name, _)| name == what).map(|(_, key)| key).collect()
}

#[tokio::test]
async fn every_attempt_of_a_step_carries_the_same_key_and_no_other_step_does() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let (plan, other) = (Plan::new(), Plan::new());
    world().fail(&plan, "book flight", &[Fault::Retryable, Fault::Retryable]);
    for (id, plan) in [("t1", &plan), ("t2", &other)] {
        let run = cell.start::<Trip>(id, plan).await;
        assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED");
    }
    let flights = keys(&plan, "flight");
    assert_eq!(flights.len(), 3, "it was tried three times: {flights:?}");
    assert!(flights.iter().all(|key| *key == flights[0]), "under one key: {flights:?}");
    assert_ne!(keys(&plan, "hotel")[0], flights[0], "another step has a key of its own");
    assert_ne!(keys(&other, "flight")[0], flights[0], "and so has another run");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_takes_over_knows_the_step_by_the_key_of_the_one_before() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book flight");
    let first = cell.worker_with(registry(), forgetful()).await;
    let run = cell.start::<Trip>("t1", &plan).await;
    world().until_met(&plan, "book flight", 1).await;
    drop(first);
    gate.add_permits(1);
    let second = cell.worker_with(registry(), forgetful()).await;
    let key = cell.ended::<Trip>(run).await.output;
    let flights = keys(&plan, "flight");
    assert_eq!(flights.len(), 1, "it was booked once: {flights:?}");
    assert_eq!(key.as_ref(), flights.first(), "and what was booked is what the run has");
    second.drain().await.unwrap();
    cell.audited().await;
}

/// Counts panics, and nothing else.
#[derive(Default)]
struct Panics(Arc<AtomicU64>);

impl Recorder for Panics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match key.name() {
            "makegood_panics_total" => Counter::from_arc(Arc::clone(&self.0)),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn panics_of_a_step_are_counted_and_hold_up_no_other_run() {
    let panics = Panics::default();
    // The test's runtime has one thread, so that this recorder hears its worker and no other.
    let _recorder = set_default_local_recorder(&panics);
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let (plan, other) = (Plan::new(), Plan::new());
    world().fail_early(&plan, "book flight", &[Fault::Panic, Fault::Panic]);
    world().fail(&plan, "note packed", &[Fault::Panic]);
    let run = cell.start::<Trip>("t1", &plan).await;
    let beside = cell.start::<Trip>("t2", &other).await;
    assert_eq!(cell.ended::<Trip>(beside).await.state, "COMPLETED", "the other run goes on");
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPLETED", "and so does this one");
    assert_eq!(panics.0.load(Ordering::Relaxed), 3, "each panic is counted");
    let packed = format!("select count(*) from notes where trip = '{}'", plan.trip);
    assert_eq!(cell.scalar::<i64>(&packed).await, 3, "what panicked in a transaction left nothing");
    let attempts = format!(
        "select attempts from steps where run_id = '{run}' and name = 'book' and occurrence = 0"
    );
    assert_eq!(cell.scalar::<i32>(&attempts).await, 3, "it was tried again after each");
    assert!(worker.is_ready(), "the worker lives on");
    worker.drain().await.unwrap();
}
