//! Queues and schedules: paused, resumed, fired by hand. Each with a reason, and written down in the
//! transaction that does it.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use makegood::Setting;
use serde::Deserialize;
use sqlx::PgConnection;

use super::icons::Icon;
use super::page::{Frame, Here, Page, PageError, draw};
use super::record::Record;
use super::run::finish;
use super::who::Operator;
use crate::app::{App, Shared};
use crate::observe;

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
    /// It is paused, as the page shows it.
    paused: bool,
    /// Why there is nothing to do.
    idle: Option<&'static str>,
    reason: String,
    fault: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Given {
    reason: String,
    paused: bool,
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
    if !who.may_act() {
        return Err(PageError::Forbidden(
            "Your rank lets you look; an operator can act.".to_owned(),
        ));
    }
    page(who, &app, what, name, String::new(), None).await
}

async fn page(
    who: Operator,
    app: &Shared,
    (thing, turn): (Thing, Turn),
    name: String,
    reason: String,
    fault: Option<(StatusCode, String)>,
) -> Page {
    let (shared, wanted) = (Shared::clone(app), name.clone());
    let paused = finish(app, async move {
        let mut conn = shared.pool.acquire().await?;
        is_paused(&shared, &mut conn, thing, &wanted).await
    });
    let paused = paused.await?;
    let (here, list, list_name) = match thing {
        Thing::Queue => (Here::Queues, "/console/queues", "Queues"),
        Thing::Schedule => (Here::Schedules, "/console/schedules", "Schedules"),
    };
    let (button, what) = words(thing, turn);
    let title = format!("{button}: {name}");
    let idle = match (turn, paused) {
        (Turn::Pause, true) => Some("It is paused already."),
        (Turn::Resume, false) => Some("It is not paused."),
        _ => None,
    };
    let (status, fault) = fault.unzip();
    let frame = Frame::new(title.clone(), here, who);
    let page = Switch { frame, list, list_name, title, what, button, paused, idle, reason, fault };
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

async fn is_paused(
    app: &App,
    conn: &mut PgConnection,
    thing: Thing,
    name: &str,
) -> Result<bool, PageError> {
    let paused = match thing {
        Thing::Queue => {
            let queues = app.client.queues().await?;
            queues.into_iter().find(|queue| queue.name == name).map(|queue| queue.paused)
        }
        Thing::Schedule => {
            let schedules = app.client.schedules(conn).await?;
            schedules.into_iter().find(|schedule| schedule.name == name).map(|it| it.paused)
        }
    };
    paused.ok_or_else(|| PageError::NotFound(format!("There is nothing called {name}.")))
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
    let (sent, paused) = (reason.clone(), given.paused);
    let done =
        finish(&app, async move { turn(&shared, what, &target, (&actor, &sent), paused).await });
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
    (thing, turn): (Thing, Turn),
    name: &str,
    (actor, reason): (&str, &str),
    shown_paused: bool,
) -> Result<bool, PageError> {
    let mut tx = app.pool.begin().await?;
    let paused = is_paused(app, &mut tx, thing, name).await?;
    let name = name.to_owned();
    let setting = match (thing, turn) {
        (Thing::Queue, Turn::Pause) => Setting::PauseQueue(name),
        (Thing::Queue, Turn::Resume | Turn::Fire) => Setting::ResumeQueue(name),
        (Thing::Schedule, Turn::Pause) => Setting::PauseSchedule(name),
        (Thing::Schedule, Turn::Resume) => Setting::ResumeSchedule(name),
        (Thing::Schedule, Turn::Fire) => Setting::FireSchedule(name),
    };
    let wanted = turn == Turn::Pause;
    if paused != shown_paused || (turn != Turn::Fire && paused == wanted) {
        let why = format!("it was {} meanwhile (wanted because: {reason})", word(paused));
        let record = Record::of(actor, setting.verb(), setting.name());
        record.because(&why).refused().write(&mut tx).await?;
        tx.commit().await?;
        return Ok(false);
    }
    let operator = app.client.operator(actor, reason)?.in_request(&observe::request_id());
    operator.set_in(&mut tx, &setting).await?;
    tx.commit().await?;
    app.client.wake();
    Ok(true)
}

fn word(paused: bool) -> &'static str {
    if paused { "paused" } else { "resumed" }
}
