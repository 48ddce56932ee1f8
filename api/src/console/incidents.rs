//! Incidents: alike ones together, and one group with its runs and its history.

mod remedy;

pub use remedy::{Remedy, of as remedy_of};

use askama::Template;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use makegood::inspect::{self, IncidentGroup, PastIncident};
use makegood::{RunFilter, Term, What};

use super::icons::Icon;
use super::moment::{Moment, number};
use super::page::{Frame, Here, Page, PageError, draw};
use super::runs::{Row, address};
use super::who::Operator;
use crate::app::Shared;

/// Groups on the page.
const GROUPS: i64 = 200;
/// Resolved incidents of a group that are shown.
const PAST: i64 = 20;
/// Runs of a group that are shown.
const RUNS: u32 = 20;

/// Alike incidents as a page shows them.
pub(crate) struct Group {
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) message: String,
    pub(crate) count: String,
    pub(crate) remedy: &'static str,
    pub(crate) first: Moment,
    pub(crate) last: Moment,
}

impl Group {
    pub(crate) fn new(group: IncidentGroup, now: DateTime<Utc>) -> Self {
        Self {
            href: format!("/console/incidents/{}", group.fingerprint),
            title: title(&group.class, group.step.as_deref()),
            count: number(group.count),
            remedy: remedy::of(&group.class).short,
            first: Moment::new(group.first_at, now),
            last: Moment::new(group.last_at, now),
            message: group.message,
        }
    }
}

#[derive(Template)]
#[template(path = "console/incidents.html")]
struct Incidents {
    frame: Frame,
    groups: Vec<Group>,
}

pub(crate) async fn list(who: Operator, State(app): State<Shared>) -> Page {
    let mut conn = app.pool.acquire().await?;
    let frame = Frame::live(&mut conn, "Incidents", Here::Incidents, who).await?;
    let groups = inspect::incident_groups(&mut conn, GROUPS).await?;
    let now = Utc::now();
    draw(&Incidents {
        groups: groups.into_iter().map(|group| Group::new(group, now)).collect(),
        frame,
    })
}

#[derive(Template)]
#[template(path = "console/incident.html")]
struct Incident {
    frame: Frame,
    fingerprint: String,
    class: String,
    step: Option<String>,
    message: String,
    remedy: Remedy,
    /// The group as it is open, if it is.
    open: Option<Group>,
    rows: Vec<Row>,
    all: String,
    /// Where to act on all of them.
    bulk: String,
    past: Vec<Past>,
}

/// An incident that was resolved.
struct Past {
    href: String,
    workflow_id: String,
    opened: Moment,
    resolved: Moment,
    how: String,
    who: String,
    reason: String,
}

pub(crate) async fn show(
    who: Operator,
    State(app): State<Shared>,
    Path(fingerprint): Path<String>,
) -> Page {
    let mut filter = RunFilter::default().with(Term::is(What::Fingerprint(fingerprint.clone())));
    let all = address(&filter);
    filter.limit = RUNS;
    let mut conn = app.pool.acquire().await?;
    let mut frame = Frame::live(&mut conn, "", Here::Incidents, who).await?;
    let open = inspect::incident_group(&mut conn, &fingerprint).await?;
    let past = inspect::past_incidents(&mut conn, &fingerprint, PAST).await?;
    let runs = inspect::list(&mut conn, &filter).await?.runs;
    drop(conn);

    let now = Utc::now();
    let told = open.as_ref().map(|group| (&group.class, &group.step, &group.message));
    let told = told.or_else(|| past.first().map(|past| (&past.class, &past.step, &past.message)));
    let Some((class, step, message)) = told else {
        return Err(PageError::NotFound("There is no such group of incidents.".to_owned()));
    };
    let (class, step, message) = (class.clone(), step.clone(), message.clone());
    frame.title = title(&class, step.as_deref());
    draw(&Incident {
        frame,
        remedy: remedy::of(&class),
        class,
        step,
        message,
        open: open.map(|group| Group::new(group, now)),
        rows: runs.into_iter().map(|run| Row::new(run, now)).collect(),
        past: past.into_iter().map(|past| Past::new(past, now)).collect(),
        fingerprint,
        bulk: all.replace("/console/runs?", "/console/bulk/new?"),
        all,
    })
}

impl Past {
    fn new(past: PastIncident, now: DateTime<Utc>) -> Self {
        Self {
            href: format!("/console/runs/{}", past.run_id),
            workflow_id: past.workflow_id,
            opened: Moment::new(past.opened_at, now),
            resolved: Moment::new(past.resolved_at, now),
            how: past.resolution,
            who: past.actor.unwrap_or_else(|| "–".to_owned()),
            reason: past.reason.unwrap_or_default(),
        }
    }
}

fn title(class: &str, step: Option<&str>) -> String {
    let mut words = class.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    match step {
        Some(step) => format!("{words} at {step}"),
        None => words,
    }
}
