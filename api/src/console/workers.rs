//! Workers: who drives runs, and what each holds.

use askama::Template;
use axum::extract::State;
use chrono::{DateTime, Utc};
use makegood::inspect::{self, WorkerView};

use super::badge::Badge;
use super::icons::Icon;
use super::moment::{Moment, number};
use super::page::{Frame, Here, Page, draw};
use super::who::Operator;
use crate::app::Shared;

#[derive(Template)]
#[template(path = "console/workers.html")]
struct Workers {
    frame: Frame,
    alive: Vec<Line>,
    ended: Vec<Line>,
}

/// A worker's line.
struct Line {
    name: String,
    place: String,
    badge: Badge,
    held: String,
    slots: String,
    version: String,
    queues: String,
    notes: Vec<String>,
    lease: Moment,
    started: Moment,
    ended: Option<Moment>,
}

pub(crate) async fn list(who: Operator, State(app): State<Shared>) -> Page {
    let mut conn = app.pool.acquire().await?;
    let frame = Frame::live(&mut conn, "Workers", Here::Workers, who).await?;
    let workers = inspect::workers(&mut conn).await?;
    let now = Utc::now();
    let (alive, ended): (Vec<_>, Vec<_>) = workers.into_iter().partition(|worker| worker.alive);
    let lines = |workers: Vec<WorkerView>| workers.into_iter().map(|w| Line::new(w, now)).collect();
    draw(&Workers { frame, alive: lines(alive), ended: lines(ended) })
}

impl Line {
    fn new(worker: WorkerView, now: DateTime<Utc>) -> Self {
        let badge = match (worker.alive, worker.overdue) {
            (true, false) if worker.draining => Badge::new("warn", Icon::Clock, "Draining"),
            (true, false) => Badge::new("good", Icon::Check, "Alive"),
            (true, true) => Badge::new("bad", Icon::Alert, "Lease run out"),
            (false, _) => Badge::new("wait", Icon::Cross, "Ended"),
        };
        let said = |name: &str| worker.about.as_ref().and_then(|about| about.get(name));
        let slots = said("in_flight").and_then(serde_json::Value::as_i64);
        let queues = said("queues").and_then(serde_json::Value::as_array);
        let queues: Vec<&str> =
            queues.into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
        let notes = worker.notes.as_ref().and_then(serde_json::Value::as_object);
        let note = |(name, words): (&String, &serde_json::Value)| {
            format!("{name}: {}", words.as_str().unwrap_or_default())
        };
        Self {
            badge,
            held: number(worker.held),
            slots: slots.map_or_else(|| "–".to_owned(), number),
            version: said("version").and_then(|v| v.as_str()).unwrap_or("–").to_owned(),
            queues: if queues.is_empty() { "all".to_owned() } else { queues.join(", ") },
            notes: notes.into_iter().flatten().map(note).collect(),
            lease: Moment::new(worker.lease_until, now),
            started: Moment::new(worker.started_at, now),
            ended: worker.ended_at.map(|at| Moment::new(at, now)),
            place: format!("{} · process {}", worker.host, worker.pid),
            name: worker.name,
        }
    }
}
