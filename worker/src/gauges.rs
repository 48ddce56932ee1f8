//! The gauges of the whole cell, refreshed from one bounded query every few seconds.
//! A gauge never keeps a value that is no longer true: what vanished is set to zero.

use std::collections::BTreeSet;
use std::time::Duration;

use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use makegood::inspect::{self, Backlog, LIVE_STATES, Status};

const EVERY: Duration = Duration::from_secs(5);

/// Refreshes the gauges until the process stops; ends only between two reads, so that no statement
/// is dropped half-way.
pub(crate) async fn refresh(
    pool: PgPool,
    recorder: PrometheusHandle,
    mut stopping: watch::Receiver<bool>,
) {
    describe();
    let (mut classes, mut queues) = (BTreeSet::new(), BTreeSet::new());
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        match read(&pool).await {
            Ok((status, backlogs)) => {
                gauge!("makegood_database_up").set(1.0);
                show(&status, &mut classes);
                show_queues(&backlogs, &mut queues);
            }
            Err(error) => {
                gauge!("makegood_database_up").set(0.0);
                tracing::warn!(%error, "the gauges could not be refreshed");
            }
        }
        recorder.run_upkeep();
    }
}

async fn read(pool: &PgPool) -> Result<(Status, Vec<Backlog>), sqlx::Error> {
    let mut conn = pool.acquire().await?;
    Ok((inspect::status(&mut conn).await?, inspect::backlogs(&mut conn).await?))
}

fn describe() {
    describe_gauge!("makegood_database_up", "1 while the database answers this worker");
    describe_gauge!("makegood_runs", "live runs by state, counted up to 100,000");
    describe_gauge!("makegood_incidents_open", "runs that need a person, by class of incident");
    describe_gauge!("makegood_oldest_due_seconds", "how long the oldest due run has been waiting");
    describe_gauge!("makegood_queue_due", "due runs by queue, counted up to 10,000 and more");
    describe_gauge!("makegood_queue_oldest_seconds", "how long a queue's oldest due run waits");
    describe_gauge!("makegood_workers_live", "workers whose lease is valid");
}

fn show(status: &Status, classes: &mut BTreeSet<String>) {
    for state in LIVE_STATES {
        gauge!("makegood_runs", "state" => state).set(of(&status.runs, state));
    }
    classes.extend(status.incidents.iter().map(|(class, _)| class.clone()));
    for class in &*classes {
        gauge!("makegood_incidents_open", "class" => class.clone())
            .set(of(&status.incidents, class));
    }
    gauge!("makegood_oldest_due_seconds").set(float(status.oldest_due_secs));
    gauge!("makegood_workers_live").set(float(status.live_workers));
}

fn show_queues(backlogs: &[Backlog], queues: &mut BTreeSet<String>) {
    queues.extend(backlogs.iter().map(|backlog| backlog.queue.clone()));
    for queue in &*queues {
        let backlog = backlogs.iter().find(|backlog| backlog.queue == *queue);
        let (due, oldest) = backlog.map_or((0, 0), |backlog| (backlog.due, backlog.oldest_secs));
        gauge!("makegood_queue_due", "queue" => queue.clone()).set(float(due));
        gauge!("makegood_queue_oldest_seconds", "queue" => queue.clone()).set(float(oldest));
    }
}

fn of(counts: &[(String, i64)], name: &str) -> f64 {
    counts.iter().find(|(found, _)| found == name).map_or(0.0, |(_, number)| float(*number))
}

fn float(number: i64) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_shows_how_many_runs_are_due_and_for_how_long() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let mail = Backlog { queue: "mail".to_owned(), due: 3, oldest_secs: 70, soon: 0 };
        metrics::with_local_recorder(&recorder, || {
            let mut queues = BTreeSet::new();
            show_queues(&[mail], &mut queues);
            let shown = handle.render();
            assert!(shown.contains("makegood_queue_due{queue=\"mail\"} 3"), "{shown}");
            assert!(shown.contains("makegood_queue_oldest_seconds{queue=\"mail\"} 70"), "{shown}");
            show_queues(&[], &mut queues);
            let shown = handle.render();
            assert!(
                shown.contains("makegood_queue_due{queue=\"mail\"} 0"),
                "none is left: {shown}"
            );
        });
    }

    #[test]
    fn a_class_of_incident_that_was_resolved_is_shown_as_zero() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let open = Status {
            runs: vec![("STUCK".to_owned(), 2)],
            incidents: vec![("poison".to_owned(), 2)],
            ..Status::default()
        };
        metrics::with_local_recorder(&recorder, || {
            let mut classes = BTreeSet::new();
            show(&open, &mut classes);
            assert!(
                handle.render().contains("makegood_runs{state=\"STUCK\"} 2"),
                "stuck ones count"
            );
            assert!(handle.render().contains("makegood_incidents_open{class=\"poison\"} 2"));
            show(&Status::default(), &mut classes);
            assert!(handle.render().contains("makegood_runs{state=\"STUCK\"} 0"), "none is left");
            assert!(handle.render().contains("makegood_incidents_open{class=\"poison\"} 0"));
        });
    }
}
