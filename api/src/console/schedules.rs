//! Schedules: when each fires next, and what became of its last firing.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use chrono::{DateTime, Utc};
use makegood::{ScheduleView, inspect};
use uuid::Uuid;

use super::badge::Badge;
use super::icons::Icon;
use super::moment::{Moment, number};
use super::page::{Frame, Here, Page, draw};
use super::who::Operator;
use crate::app::Shared;

#[derive(Template)]
#[template(path = "console/schedules.html")]
struct Schedules {
    frame: Frame,
    schedules: Vec<Scheduled>,
}

/// A schedule as a page shows it.
pub(crate) struct Scheduled {
    pub(crate) name: String,
    pub(crate) workflow: String,
    pub(crate) rule: String,
    pub(crate) badge: Badge,
    pub(crate) paused: bool,
    pub(crate) next: Option<Moment>,
    pub(crate) fired_at: Option<Moment>,
    pub(crate) fired: String,
    pub(crate) overlapped: i64,
    pub(crate) fault: Option<String>,
    pub(crate) last: Option<Last>,
}

/// The run that was started last.
pub(crate) struct Last {
    pub(crate) href: String,
    pub(crate) state: Option<Badge>,
}

pub(crate) async fn list(who: Operator, State(app): State<Shared>) -> Page {
    let mut conn = app.pool.acquire().await?;
    let frame = Frame::live(&mut conn, "Schedules", Here::Schedules, who).await?;
    let schedules = app.client.schedules(&mut conn).await?;
    let last: Vec<Uuid> = schedules.iter().filter_map(|schedule| schedule.run_id).collect();
    let states: BTreeMap<Uuid, String> =
        inspect::states(&mut conn, &last).await?.into_iter().collect();
    let now = Utc::now();
    let drawn = |schedule| Scheduled::new(schedule, now, &states);
    draw(&Schedules { schedules: schedules.into_iter().map(drawn).collect(), frame })
}

/// The schedules that fire next, the first of them first.
pub(crate) fn next(
    mut schedules: Vec<ScheduleView>,
    now: DateTime<Utc>,
    most: usize,
) -> Vec<Scheduled> {
    schedules.retain(|schedule| !schedule.paused && schedule.next_at.is_some());
    schedules.sort_by_key(|schedule| schedule.next_at);
    schedules.truncate(most);
    schedules.into_iter().map(|one| Scheduled::new(one, now, &BTreeMap::new())).collect()
}

impl Scheduled {
    fn new(schedule: ScheduleView, now: DateTime<Utc>, states: &BTreeMap<Uuid, String>) -> Self {
        let badge = if schedule.fault.is_some() {
            Badge::new("bad", Icon::Alert, "Cannot fire")
        } else if schedule.paused {
            Badge::new("warn", Icon::Pause, "Paused")
        } else {
            Badge::new("good", Icon::Clock, "Fires")
        };
        let last = schedule.run_id.map(|run_id| Last {
            href: format!("/console/runs/{run_id}"),
            state: states.get(&run_id).map(|state| Badge::state(state)),
        });
        Self {
            badge,
            paused: schedule.paused,
            rule: format!("{} ({})", schedule.cron, schedule.zone),
            next: schedule.next_at.filter(|_| !schedule.paused).map(|at| Moment::new(at, now)),
            fired_at: schedule.fired_at.map(|at| Moment::new(at, now)),
            fired: number(schedule.fired),
            overlapped: schedule.overlapped,
            fault: schedule.fault,
            last,
            name: schedule.name,
            workflow: schedule.workflow,
        }
    }
}
