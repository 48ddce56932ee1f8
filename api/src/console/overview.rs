//! The overview: is everything well, and if not, where to look. Each figure leads to its list.

mod trade;
mod workflows;

use askama::Template;
use axum::extract::State;
use chrono::{DateTime, Utc};
use makegood::inspect::{self, Backlog, IncidentGroup, WorkerView, WorkflowLoad};

use super::badge::Badge;
use super::icons::Icon;
use super::incidents::Group;
use super::moment::{Moment, number, span};
use super::page::{Frame, Here, Page, draw};
use super::schedules::Scheduled;
use super::who::Operator;
use crate::app::Shared;
use trade::Trade;
use workflows::WorkflowLine;

/// Groups of incidents that the overview shows.
const GROUPS: i64 = 5;
/// All groups, to count what needs a person.
const ALL_GROUPS: i64 = 1_000;
/// A due run that waits longer than so many seconds for a worker is worth a word.
const LATE_SECS: i64 = 60;

#[derive(Template)]
#[template(path = "console/overview.html")]
struct Overview {
    frame: Frame,
    warnings: Vec<String>,
    figures: Vec<Figure>,
    groups: Vec<Group>,
    more_groups: usize,
    workflows: Vec<WorkflowLine>,
    trade: Trade,
    gateway: Badge,
    gateway_why: Option<String>,
    books: Vec<Books>,
    next_firings: Vec<Scheduled>,
    pace_minutes: i64,
}

/// A number, what it counts, and the list of it.
struct Figure {
    number: String,
    label: &'static str,
    href: String,
    icon: Icon,
    tone: &'static str,
}

/// The last comparison with the gateway of a kind.
struct Books {
    kind: &'static str,
    badge: Badge,
    at: Moment,
    found: String,
}

pub(crate) async fn show(who: Operator, State(app): State<Shared>) -> Page {
    let mut conn = app.pool.acquire().await?;
    let frame = Frame::live(&mut conn, "Overview", Here::Overview, who).await?;
    let loads = inspect::loads(&mut conn).await?;
    let paces = inspect::paces(&mut conn).await?;
    let groups = inspect::incident_groups(&mut conn, ALL_GROUPS).await?;
    let workers = inspect::workers(&mut conn).await?;
    let backlogs = inspect::backlogs(&mut conn).await?;
    let reports = store::reconciliation::reports(&mut conn, 20).await?;
    let trade = store::figures::figures(&mut conn).await?;
    let schedules = app.client.schedules(&mut conn).await?;
    drop(conn);

    let now = Utc::now();
    let (gateway, gateway_why) = gateway(&workers);
    let shown = usize::try_from(GROUPS).unwrap_or(usize::MAX);
    draw(&Overview {
        warnings: warnings(&workers, &backlogs),
        figures: figures(&loads, &groups, &workers, &backlogs),
        more_groups: groups.len().saturating_sub(shown),
        groups: groups.into_iter().take(shown).map(|group| Group::new(group, now)).collect(),
        workflows: workflows::lines(&loads, &paces),
        trade: Trade::new(trade, now),
        gateway,
        gateway_why,
        books: books(&reports, now),
        next_firings: super::schedules::next(schedules, now, 5),
        pace_minutes: inspect::PACE_MINUTES,
        frame,
    })
}

fn warnings(workers: &[WorkerView], backlogs: &[Backlog]) -> Vec<String> {
    let mut warnings = Vec::new();
    if !workers.iter().any(|worker| worker.alive && !worker.overdue) {
        warnings.push("No worker is alive: nothing goes on until one is started.".to_owned());
    }
    for backlog in backlogs.iter().filter(|backlog| backlog.oldest_secs > LATE_SECS) {
        let waits = span(chrono::TimeDelta::seconds(backlog.oldest_secs));
        warnings.push(format!(
            "A due run of the queue {} has waited for a worker for {waits}.",
            backlog.queue
        ));
    }
    warnings
}

fn figures(
    loads: &[WorkflowLoad],
    groups: &[IncidentGroup],
    workers: &[WorkerView],
    backlogs: &[Backlog],
) -> Vec<Figure> {
    let sum = |of: fn(&WorkflowLoad) -> i64| loads.iter().map(of).sum::<i64>();
    let paused =
        groups.iter().filter(|group| group.class == "paused").map(|g| g.count).sum::<i64>();
    let needs = groups.iter().map(|group| group.count).sum::<i64>() - paused;
    let of_state = |label, state: &str, icon, count| Figure {
        number: or_more(count),
        label,
        href: format!("/console/runs?state={state}"),
        icon,
        tone: "",
    };
    let bad = |figure: Figure, tone, count: i64| Figure {
        tone: if count > 0 { tone } else { "" },
        ..figure
    };
    let retrying = sum(|load| load.retrying);
    let alive = workers.iter().filter(|worker| worker.alive && !worker.overdue).count();
    let soon: i64 = backlogs.iter().map(|backlog| backlog.soon).sum();
    vec![
        bad(of_state("stuck", "STUCK", Icon::Alert, needs), "bad", needs),
        bad(of_state("retrying", "RETRYING", Icon::Retry, retrying), "warn", retrying),
        of_state("compensating", "COMPENSATING", Icon::Back, sum(|load| load.compensating)),
        of_state("running", "RUNNING", Icon::Play, sum(|load| load.running)),
        of_state("waiting", "WAITING", Icon::Clock, sum(|load| load.waiting)),
        of_state("paused", "PAUSED", Icon::Pause, paused),
        Figure {
            number: alive.to_string(),
            label: "workers alive",
            href: "/console/workers".to_owned(),
            icon: Icon::Machine,
            tone: if alive == 0 { "bad" } else { "" },
        },
        Figure {
            number: number(soon),
            label: "due in 5 min",
            href: "/console/queues".to_owned(),
            icon: Icon::Calendar,
            tone: "",
        },
    ]
}

/// A count that may have stopped at its limit.
pub(super) fn or_more(count: i64) -> String {
    let more = if count >= inspect::COUNT_LIMIT { "+" } else { "" };
    format!("{}{more}", number(count))
}

/// What the workers say of the payment gateway: whether calls to it are held back.
fn gateway(workers: &[WorkerView]) -> (Badge, Option<String>) {
    let mut alive = workers.iter().filter(|worker| worker.alive && !worker.overdue).peekable();
    if alive.peek().is_none() {
        return (Badge::new("wait", Icon::Info, "Unknown"), Some("no worker is alive".to_owned()));
    }
    let held = alive.find_map(|worker| Some((worker, worker.notes.as_ref()?.get("gateway")?)));
    match held {
        None => (Badge::new("good", Icon::Check, "Calls are made"), None),
        Some((worker, why)) => {
            let why = why.as_str().unwrap_or_default();
            (
                Badge::new("bad", Icon::Alert, "Calls are held back"),
                Some(format!("{}: {why}", worker.name)),
            )
        }
    }
}

fn books(reports: &[store::reconciliation::Report], now: DateTime<Utc>) -> Vec<Books> {
    use domain::{ReportKind, ReportOutcome};
    let of = |kind: ReportKind, words| {
        let report = reports.iter().find(|report| report.kind == kind)?;
        let badge = match report.outcome {
            None => Badge::new("busy", Icon::Play, "Under way"),
            Some(ReportOutcome::Abandoned) => Badge::new("warn", Icon::Alert, "Broke off"),
            Some(ReportOutcome::Done) if report.flagged > 0 => {
                Badge::new("bad", Icon::Alert, "Needs a person")
            }
            Some(ReportOutcome::Done) => Badge::new("good", Icon::Check, "Agrees"),
        };
        let found = format!(
            "{} found, {} put right, {} for a person",
            report.found, report.fixed, report.flagged
        );
        let at = Moment::new(report.ended_at.unwrap_or(report.started_at), now);
        Some(Books { kind: words, badge, at, found })
    };
    [of(ReportKind::Books, "Books"), of(ReportKind::Payouts, "Payouts")]
        .into_iter()
        .flatten()
        .collect()
}
