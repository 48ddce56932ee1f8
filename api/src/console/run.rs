//! A run's page: how it stands, what comes next, what can be done, and all that is on record.

mod file;
mod head;
mod json;
mod step;
mod tabs;
mod timeline;
mod verbs;
pub(super) mod words;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect};
use futures::future::BoxFuture;
use makegood::inspect::{self, OpenIncident, RecordRow, RunDetail};
use makegood::{Refusal, VerbKind};
use serde::Deserialize;
use sqlx::PgConnection;
use store::orders::Order;
use uuid::Uuid;

use self::head::Head;
use self::tabs::Tab;
use self::timeline::Timeline;
use self::verbs::Choices;
use super::icons::Icon;
use super::live;
use super::page::{Frame, Here, Page, PageError, draw};
use super::who::Operator;
use crate::app::{App, Shared};

pub(crate) use file::download;
pub(crate) use json::redact;
pub(super) use json::shown;
pub(crate) use step::show as step;

#[derive(Template)]
#[template(path = "console/run/page.html")]
struct RunPage {
    frame: Frame,
    head: Head,
    choices: Choices,
    timeline: Timeline,
    only_odd: bool,
    tab: Tab,
    body: String,
    /// What was just done to it.
    did: Option<&'static str>,
    ordered: bool,
    check: Icon,
}

/// What of the page is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    tab: Tab,
    /// `odd`: what went wrong alone.
    show: Option<String>,
    /// From which row on the record is listed.
    #[serde(default)]
    from: i32,
    /// The verb that led here.
    did: Option<String>,
    /// Its worker has yet to do it.
    #[serde(default)]
    ordered: bool,
}

impl Asked {
    fn only_odd(&self) -> bool {
        self.show.as_deref() == Some("odd")
    }
}

/// What every part of the page is made from.
struct Whole {
    pulse: String,
    run: RunDetail,
    rows: Vec<RecordRow>,
    incident: Option<OpenIncident>,
    remedies: Vec<(VerbKind, Option<Refusal>)>,
    order: Option<Order>,
    extra: tabs::Extra,
}

/// `GET /console/runs/{id}`, where the id may be the one that its starter chose.
pub(crate) async fn show(
    who: Operator,
    State(app): State<Shared>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    let Ok(run_id) = Uuid::parse_str(&id) else { return redirect(app, id).await };
    let (shared, tab) = (Shared::clone(&app), asked.tab);
    let whole = finish(&app, async move { load(&shared, run_id, tab).await }).await?;
    let Some(whole) = whole else { return redirect(app, id).await };
    let Whole { pulse, run, rows, incident, remedies, order, extra } = whole;
    let timeline = Timeline::draw(&run, &rows, incident.as_ref(), asked.only_odd());
    let only_odd = asked.only_odd();
    let title = format!("{} {}", run.workflow, run.workflow_id);
    let choices = Choices::new(&run, remedies, who.may_act());
    let body = tabs::body(&run, &rows, extra, &asked, &who)?;
    let head = Head::new(&run, &rows, incident.as_ref(), order.as_ref());
    // The stream tells of anything newer than what the page is made from.
    let live = Some(live::run_address(run_id, &pulse));
    let frame = Frame { live, ..Frame::new(title, Here::Runs, who) };
    let did = VerbKind::ALL.into_iter().find(|verb| asked.did.as_deref() == Some(verb.as_str()));
    draw(&RunPage {
        frame,
        head,
        choices,
        timeline,
        only_odd,
        tab,
        body,
        did: did.map(|verb| words::verb(verb).0),
        ordered: asked.ordered,
        check: Icon::Check,
    })
}

async fn load(app: &App, run_id: Uuid, tab: Tab) -> Result<Option<Whole>, PageError> {
    let mut conn = app.pool.acquire().await?;
    // Before all else: what changes from here on is told by the stream.
    let Some(pulse) = inspect::pulse(&mut conn, run_id).await? else { return Ok(None) };
    let Some(run) = inspect::detail(&mut conn, run_id).await? else { return Ok(None) };
    let rows = inspect::record(&mut conn, run_id).await?;
    let incident = inspect::open_incident(&mut conn, run_id).await?;
    let order = order(&mut conn, &run).await?;
    let extra = tabs::load(&mut conn, &run, tab).await?;
    drop(conn);
    let remedies = match app.client.remedies(run_id).await {
        // Of an archived run there is no row to act on.
        Err(makegood::Error::RunNotFound(_)) => Vec::new(),
        remedies => remedies?,
    };
    Ok(Some(Whole { pulse, run, rows, incident, remedies, order, extra }))
}

/// The order that the run is about, if it is about one.
async fn order(conn: &mut PgConnection, run: &RunDetail) -> Result<Option<Order>, PageError> {
    let id = run.input.get("order_id").cloned();
    let Some(id) = id.and_then(|id| serde_json::from_value(id).ok()) else { return Ok(None) };
    match store::orders::get(conn, id).await {
        Ok(order) => Ok(Some(order)),
        Err(store::Error::NotFound) => Ok(None),
        Err(error) => Err(PageError::internal(error)),
    }
}

/// To the page of the run that this id names, if there is one.
async fn redirect(app: Shared, id: String) -> Page {
    let (shared, asked) = (Shared::clone(&app), id.clone());
    let named = finish(&app, async move {
        let mut conn = shared.pool.acquire().await?;
        Ok(inspect::named(&mut conn, &asked).await?)
    });
    match named.await?.first() {
        Some(run) => Ok(Redirect::to(&format!("/console/runs/{}", run.run_id)).into_response()),
        None => Err(PageError::NotFound(format!(
            "There is no run {id}. Perhaps it is archived no more, or in another cell."
        ))),
    }
}

/// Reads to the end, whether or not anybody still waits for the page.
pub(super) fn finish<T: Send + 'static>(
    app: &App,
    work: impl Future<Output = Result<T, PageError>> + Send + 'static,
) -> BoxFuture<'_, Result<T, PageError>> {
    // What reads much is large: moved on once more with each step of the page.
    let work = Box::pin(async move { Ok(work.await) });
    Box::pin(async move {
        let done = app.finish(work).await;
        done?
    })
}
