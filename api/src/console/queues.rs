//! Queues: what waits in each, its limits, and whether it is paused.

use askama::Template;
use axum::extract::State;
use chrono::TimeDelta;
use makegood::QueueStatus;
use makegood::inspect::{self, Backlog};

use super::badge::Badge;
use super::icons::Icon;
use super::moment::span;
use super::overview::or_more;
use super::page::{Frame, Here, Page, draw};
use super::who::Operator;
use crate::app::Shared;

#[derive(Template)]
#[template(path = "console/queues.html")]
struct Queues {
    frame: Frame,
    lines: Vec<Line>,
    soon_minutes: i64,
}

/// A queue's line.
struct Line {
    name: String,
    badge: Badge,
    paused: bool,
    due: String,
    oldest: String,
    held: String,
    soon: String,
    later: String,
    limits: String,
}

pub(crate) async fn list(who: Operator, State(app): State<Shared>) -> Page {
    let mut conn = app.pool.acquire().await?;
    let frame = Frame::live(&mut conn, "Queues", Here::Queues, who).await?;
    let queues = app.client.queues().await?;
    let backlogs = inspect::backlogs(&mut conn).await?;
    let of = |name: &str| backlogs.iter().find(|backlog| backlog.queue == name);
    draw(&Queues {
        frame,
        lines: queues.iter().map(|queue| Line::new(queue, of(&queue.name))).collect(),
        soon_minutes: inspect::PACE_MINUTES,
    })
}

impl Line {
    fn new(queue: &QueueStatus, backlog: Option<&Backlog>) -> Self {
        let count = |count: u64| or_more(i64::try_from(count).unwrap_or(i64::MAX));
        let oldest = backlog.map_or(0, |backlog| backlog.oldest_secs);
        let badge = if queue.paused {
            Badge::new("warn", Icon::Pause, "Paused")
        } else {
            Badge::new("good", Icon::Check, "Open")
        };
        Self {
            name: queue.name.clone(),
            badge,
            paused: queue.paused,
            due: count(queue.due),
            oldest: if queue.due == 0 {
                "–".to_owned()
            } else {
                span(TimeDelta::seconds(oldest))
            },
            held: count(queue.held),
            soon: or_more(backlog.map_or(0, |backlog| backlog.soon)),
            later: count(queue.later),
            limits: limits(queue),
        }
    }
}

fn limits(queue: &QueueStatus) -> String {
    let at_once = queue.limits.concurrency.map(|runs| format!("{runs} at once"));
    let rate = queue.limits.rate.map(|rate| {
        let per = TimeDelta::from_std(rate.per).unwrap_or_default();
        format!("{} starts in {}", rate.starts, span(per))
    });
    let both: Vec<String> = at_once.into_iter().chain(rate).collect();
    if both.is_empty() { "none".to_owned() } else { both.join(", ") }
}
