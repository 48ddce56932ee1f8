//! Who did what: verbs on runs and everything else that was done or refused in the console.

use askama::Template;
use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use makegood::inspect::{self, ActionOnRun, SettingAction, WantedActions};
use serde::Deserialize;
use serde_json::Value;
use store::console_actions::{self, Action, Wanted};
use uuid::Uuid;

use super::icons::Icon;
use super::moment::{Moment, storable};
use super::page::{Frame, Here, Page, PageError, draw};
use super::run::finish;
use super::who::Operator;
use crate::app::{App, Shared};

const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "console/audit.html")]
struct Audit {
    frame: Frame,
    lines: Vec<Line>,
    actor: String,
    verb: String,
    run: String,
    /// The address of the page behind this one.
    next: Option<String>,
}

/// One action as it is shown.
struct Line {
    action_id: Uuid,
    time: DateTime<Utc>,
    at: Moment,
    actor: String,
    verb: String,
    href: Option<String>,
    target: String,
    reason: String,
    refused: bool,
    before: Option<String>,
    after: Option<String>,
    request_id: Option<String>,
    address: Option<String>,
    bulk_id: Option<Uuid>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct Asked {
    actor: String,
    verb: String,
    run: String,
    #[serde(deserialize_with = "storable")]
    before: Option<DateTime<Utc>>,
    behind: Option<Uuid>,
}

/// `GET /console/audit`
pub(crate) async fn show(
    who: Operator,
    State(app): State<Shared>,
    Query(asked): Query<Asked>,
) -> Page {
    let run = asked.run.trim().to_owned();
    let run_id = Uuid::parse_str(&run).ok();
    if !run.is_empty() && run_id.is_none() {
        return Err(PageError::Invalid(format!("{run} is no run’s id.")));
    }
    let (shared, who_looks) = (Shared::clone(&app), who);
    let (actor, verb) = (asked.actor.trim().to_owned(), asked.verb.trim().to_owned());
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let on_runs = WantedActions {
        actor: given(&actor),
        verb: given(&verb),
        run_id,
        before: asked.before.zip(asked.behind),
    };
    let others = Wanted {
        actor: on_runs.actor.clone(),
        verb: on_runs.verb.clone(),
        target: run_id.map(|id| id.to_string()),
        before: on_runs.before,
    };
    let found = finish(&app, async move { load(&shared, &on_runs, &others, &who_looks).await });
    let (frame, mut lines) = found.await?;
    let more = lines.len() > PAGE;
    lines.truncate(PAGE);
    let last = lines.last().filter(|_| more);
    let next = last.map(|line| {
        let at = line.time.format("%Y-%m-%dT%H:%M:%S%.6fZ");
        format!("before={at}&behind={}", line.action_id)
    });
    draw(&Audit { frame, lines, actor, verb, run, next })
}

/// All three records, merged by time; one more than a page.
async fn load(
    app: &App,
    on_runs: &WantedActions,
    others: &Wanted,
    who: &Operator,
) -> Result<(Frame, Vec<Line>), PageError> {
    let limit = i64::try_from(PAGE.saturating_add(1)).unwrap_or(i64::MAX);
    let mut conn = app.pool.acquire().await?;
    let frame = Frame::live(&mut conn, "Audit", Here::Audit, who.clone()).await?;
    let on_settings = inspect::actions_on_settings(&mut conn, on_runs, limit).await?;
    let on_runs = inspect::actions_on_runs(&mut conn, on_runs, limit).await?;
    let others = console_actions::page(&mut conn, others, limit).await?;
    let now = Utc::now();
    let mut lines: Vec<_> = on_runs.into_iter().map(|one| Line::on_run(one, now, who)).collect();
    lines.extend(on_settings.into_iter().map(|one| Line::on_setting(one, now, who)));
    lines.extend(others.into_iter().map(|(at, one)| Line::other(at, one, now, who)));
    lines.sort_by_key(|line| std::cmp::Reverse((line.time, line.action_id)));
    lines.truncate(PAGE.saturating_add(1));
    Ok((frame, lines))
}

impl Line {
    fn on_run(action: ActionOnRun, now: DateTime<Utc>, who: &Operator) -> Self {
        Self {
            action_id: action.action_id,
            time: action.at,
            at: Moment::new(action.at, now),
            actor: action.actor,
            verb: action.verb,
            href: Some(format!("/console/runs/{}", action.run_id)),
            target: action.workflow_id,
            reason: action.reason,
            refused: false,
            before: Some(text(&action.before, who)),
            after: Some(text(&action.after, who)),
            request_id: action.request_id,
            address: None,
            bulk_id: action.bulk_id,
        }
    }

    fn on_setting(action: SettingAction, now: DateTime<Utc>, who: &Operator) -> Self {
        let list = if action.subject == "queue" { "/console/queues" } else { "/console/schedules" };
        Self {
            action_id: action.action_id,
            time: action.at,
            at: Moment::new(action.at, now),
            actor: action.actor,
            verb: action.verb,
            href: Some(list.to_owned()),
            target: action.name,
            reason: action.reason,
            refused: false,
            before: Some(text(&action.before, who)),
            after: Some(text(&action.after, who)),
            request_id: action.request_id,
            address: None,
            bulk_id: None,
        }
    }

    fn other(at: DateTime<Utc>, action: Action, now: DateTime<Utc>, who: &Operator) -> Self {
        let href = match action.verb.as_str() {
            "freeze_bulk" | "begin_bulk" | "stop_bulk" => {
                Some(format!("/console/bulk/{}", action.target))
            }
            _ => Uuid::parse_str(&action.target).ok().map(|id| format!("/console/runs/{id}")),
        };
        Self {
            action_id: action.action_id,
            time: at,
            at: Moment::new(at, now),
            actor: action.actor,
            verb: action.verb,
            href: href.filter(|_| action.target.len() == 36),
            target: action.target,
            reason: action.reason,
            refused: !action.done,
            before: action.before.map(|before| text(&before, who)),
            after: action.after.map(|after| text(&after, who)),
            request_id: action.request_id,
            address: action.address,
            bulk_id: None,
        }
    }
}

fn text(value: &Value, who: &Operator) -> String {
    let shown = super::run::shown(value, who);
    serde_json::to_string_pretty(&shown).unwrap_or_default()
}
