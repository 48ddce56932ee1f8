//! Queues and schedules: paused, resumed, fired by hand. Each with a reason, and written down in the
//! transaction that does it.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use domain::Rank;
use makegood::{Change, Setting};
use serde::Deserialize;

use super::icons::Icon;
use super::page::{Frame, Here, Page, PageError, draw};
use super::record::{Record, require};
use super::run::finish;
use super::who::Operator;
use crate::app::{App, Shared};
use crate::observe;

/// Whoever only looks has no reason yet.
const LOOKED: &str = "looked at what it would do";

/// What is switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Queue,
    Schedule,
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Pause,
    Resume,
    /// Starts a run of a schedule now.
    Fire,
}

#[derive(Template)]
#[template(path = "console/switch.html")]
struct Switch {
    frame: Frame,
    list: &'static str,
    list_name: &'static str,
    title: String,
    what: &'static str,
    button: &'static str,
    /// Names it as the page shows it.
    version: String,
    /// Why there is nothing to do.
    idle: Option<String>,
    reason: String,
    fault: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Given {
    reason: String,
    version: String,
}

/// `GET /console/queues/{name}/act/{verb}`
pub(crate) async fn queue(
    who: Operator,
    State(app): State<Shared>,
    Path((name, verb)): Path<(String, String)>,
) -> Page {
    show(who, app, (Thing::Queue, read(Thing::Queue, &verb)?), name).await
}

/// `POST /console/queues/{name}/act/{verb}`
pub(crate) async fn switch_queue(
    who: Operator,
    State(app): State<Shared>,
    Path((name, verb)): Path<(String, String)>,
    Form(given): Form<Given>,
) -> Page {
    switch(who, app, (Thing::Queue, read(Thing::Queue, &verb)?), name, given).await
}

/// `GET /console/schedules/{name}/act/{verb}`
pub(crate) async fn schedule(
    who: Operator,
    State(app): State<Shared>,
    Path((name, verb)): Path<(String, String)>,
) -> Page {
    show(who, app, (Thing::Schedule, read(Thing::Schedule, &verb)?), name).await
}

/// `POST /console/schedules/{name}/act/{verb}`
pub(crate) async fn switch_schedule(
    who: Operator,
    State(app): State<Shared>,
    Path((name, verb)): Path<(String, String)>,
    Form(given): Form<Given>,
) -> Page {
    switch(who, app, (Thing::Schedule, read(Thing::Schedule, &verb)?), name, given).await
}

fn read(thing: Thing, verb: &str) -> Result<Turn, PageError> {
    match (verb, thing) {
        ("pause", _) => Ok(Turn::Pause),
        ("resume", _) => Ok(Turn::Resume),
        ("trigger", Thing::Schedule) => Ok(Turn::Fire),
        _ => Err(PageError::NotFound(format!("There is no verb {verb} for it."))),
    }
}

async fn show(who: Operator, app: Shared, what: (Thing, Turn), name: String) -> Page {
    require(&app, &who, Rank::Operator, (setting(what, &name).verb(), &name)).await?;
    page(who, &app, what, name, String::new(), None).await
}

/// What the engine is asked for.
fn setting((thing, turn): (Thing, Turn), name: &str) -> Setting {
    let name = name.to_owned();
    match (thing, turn) {
        (Thing::Queue, Turn::Pause) => Setting::PauseQueue(name),
        (Thing::Queue, Turn::Resume | Turn::Fire) => Setting::ResumeQueue(name),
        (Thing::Schedule, Turn::Pause) => Setting::PauseSchedule(name),
        (Thing::Schedule, Turn::Resume) => Setting::ResumeSchedule(name),
        (Thing::Schedule, Turn::Fire) => Setting::FireSchedule(name),
    }
}

/// Whether there is something to do, as the engine foresees it.
enum Seen {
    /// To what stands under this version.
    Ready(String),
    /// Nothing, and why.
    Idle(String),
}

async fn look(app: &App, actor: &str, what: (Thing, Turn), name: &str) -> Result<Seen, PageError> {
    let gone = || PageError::NotFound(format!("There is nothing called {name}."));
    if what.0 == Thing::Queue {
        let queues = app.client.queues().await?;
        queues.iter().find(|queue| queue.name == name).ok_or_else(gone)?;
    }
    let operator = app.client.operator(actor, LOOKED)?;
    match operator.foresee_setting(&setting(what, name)).await {
        Ok(change) if is_idle(&change, what.1) => {
            let idle =
                if what.1 == Turn::Pause { "It is paused already." } else { "It is not paused." };
            Ok(Seen::Idle(idle.to_owned()))
        }
        Ok(change) => Ok(Seen::Ready(change.version)),
        Err(makegood::Error::ScheduleNotFound(_)) => Err(gone()),
        Err(error @ makegood::Error::InvalidSchedule(_)) => {
            Ok(Seen::Idle(format!("It cannot: {error}.")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether it stands already as it is wanted to.
fn is_idle(change: &Change, turn: Turn) -> bool {
    turn != Turn::Fire && change.before.get("paused") == change.after.get("paused")
}

async fn page(
    who: Operator,
    app: &Shared,
    what: (Thing, Turn),
    name: String,
    reason: String,
    fault: Option<(StatusCode, String)>,
) -> Page {
    let (shared, actor, wanted) = (Shared::clone(app), who.name.clone(), name.clone());
    let seen = finish(app, async move { look(&shared, &actor, what, &wanted).await }).await?;
    let (here, list, list_name) = match what.0 {
        Thing::Queue => (Here::Queues, "/console/queues", "Queues"),
        Thing::Schedule => (Here::Schedules, "/console/schedules", "Schedules"),
    };
    let (button, words) = words(what.0, what.1);
    let title = format!("{button}: {name}");
    let (version, idle) = match seen {
        Seen::Ready(version) => (version, None),
        Seen::Idle(why) => (String::new(), Some(why)),
    };
    let (status, fault) = fault.unzip();
    let frame = Frame::new(title.clone(), here, who);
    let page =
        Switch { frame, list, list_name, title, what: words, button, version, idle, reason, fault };
    Ok((status.unwrap_or(StatusCode::OK), draw(&page)?).into_response())
}

fn words(thing: Thing, turn: Turn) -> (&'static str, &'static str) {
    match (thing, turn) {
        (Thing::Queue, Turn::Pause) => (
            "Pause the queue",
            "No worker starts anything of it, within a quarter of a second. What began goes on, and \
             what is due waits.",
        ),
        (Thing::Queue, Turn::Resume | Turn::Fire) => {
            ("Resume the queue", "Workers take what is due, the oldest first, within its limits.")
        }
        (Thing::Schedule, Turn::Pause) => (
            "Pause the schedule",
            "It starts no run until it is resumed. Runs that it has started go on.",
        ),
        (Thing::Schedule, Turn::Resume) => (
            "Resume the schedule",
            "It fires again from its next time on. What fell into the pause is not made up for.",
        ),
        (Thing::Schedule, Turn::Fire) => (
            "Fire it now",
            "A run of it is started now, whether it is paused or its last run lives. Its times to \
             come stay as they are.",
        ),
    }
}

async fn switch(
    who: Operator,
    app: Shared,
    what: (Thing, Turn),
    name: String,
    given: Given,
) -> Page {
    let reason = given.reason.trim().to_owned();
    if reason.is_empty() || reason.len() > 2_000 {
        let fault = "Say why, in 2,000 bytes at most: it stands in the audit.".to_owned();
        let fault = Some((StatusCode::UNPROCESSABLE_ENTITY, fault));
        return page(who, &app, what, name, reason, fault).await;
    }
    let (shared, actor, target) = (Shared::clone(&app), who.name.clone(), name.clone());
    let (sent, version) = (reason.clone(), given.version);
    let done =
        finish(&app, async move { turn(&shared, what, &target, (&actor, &sent), &version).await });
    if done.await? {
        let list = if what.0 == Thing::Queue { "/console/queues" } else { "/console/schedules" };
        return Ok(Redirect::to(list).into_response());
    }
    let fault = "Somebody was faster; nothing was done. Look again.".to_owned();
    page(who, &app, what, name, reason, Some((StatusCode::CONFLICT, fault))).await
}

/// Does it, if it still stands as the page showed it.
async fn turn(
    app: &App,
    what: (Thing, Turn),
    name: &str,
    (actor, reason): (&str, &str),
    version: &str,
) -> Result<bool, PageError> {
    let setting = setting(what, name);
    let operator = app.client.operator(actor, reason)?.in_request(&observe::request_id());
    let operator = operator.expecting(version);
    let mut tx = app.pool.begin().await?;
    let why = match operator.set_in(&mut tx, &setting).await {
        Ok(change) if is_idle(&change, what.1) => "it stood so already",
        Ok(_) => {
            tx.commit().await?;
            operator.was_set(&setting);
            return Ok(true);
        }
        Err(makegood::Error::SettingChanged(_)) => "it had changed meanwhile",
        Err(makegood::Error::InvalidSchedule(_)) => "it cannot fire",
        Err(makegood::Error::ScheduleNotFound(_)) => "there is no such schedule",
        Err(error) => return Err(error.into()),
    };
    tx.rollback().await?;
    let why = format!("{why} (wanted because: {reason})");
    let record = Record::of(actor, setting.verb(), name).because(&why).refused();
    record.write(&mut *app.pool.acquire().await?).await?;
    Ok(false)
}
