//! Before a bulk action: which runs, which verb, why, how fast. Then its selection is frozen.

use askama::Template;
use axum::Form;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use chrono::Utc;
use domain::Rank;
use makegood::bulk::Selection;
use makegood::{RunFilter, VerbKind, inspect};
use serde::Deserialize;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::SIMPLE;
use crate::app::Shared;
use crate::console::act::rank_of;
use crate::console::icons::Icon;
use crate::console::moment::number;
use crate::console::page::{Frame, Here, Page, PageError, draw};
use crate::console::record::{Record, require};
use crate::console::run::{self, finish};
use crate::console::runs::Row;
use crate::console::who::Operator;

/// The most runs of one bulk action.
const MOST: usize = 10_000;
/// Runs that one statement reads.
const PAGE: u32 = 500;
/// Reads for one choice: a filter that few runs fit is looked for in so much of the history, and no more.
const MOST_PAGES: usize = 60;
/// Runs that are shown of them.
const SAMPLE: usize = 10;
/// Runs a second, unless said otherwise, and at most.
const PER_SECOND: u32 = 10;
const FASTEST: u32 = 1_000;

/// As what it stands in the audit that somebody wanted to.
const FREEZE: (&str, &str) = ("freeze_bulk", "");

#[derive(Template)]
#[template(path = "console/bulk/choose.html")]
struct Choose {
    frame: Frame,
    filter: String,
    total: String,
    is_cut: bool,
    most: String,
    sample: Vec<Row>,
    verbs: Vec<Choice>,
    reason: String,
    per_second: u32,
    fault: Option<String>,
}

/// A verb to choose.
struct Choice {
    verb: &'static str,
    name: &'static str,
    what: &'static str,
    is_chosen: bool,
}

/// `GET /console/bulk/new?FILTER`: the same filter as the list's.
pub(crate) async fn choose(
    who: Operator,
    State(app): State<Shared>,
    RawQuery(query): RawQuery,
) -> Page {
    require(&app, &who, Rank::Operator, FREEZE).await?;
    let given = Given { filter: query.unwrap_or_default(), ..Given::default() };
    page(who, &app, given, None).await
}

async fn page(who: Operator, app: &Shared, given: Given, fault: Option<String>) -> Page {
    let filter = read(&given.filter)?;
    let (shared, wanted) = (Shared::clone(app), filter.clone());
    let found = finish(app, async move {
        let mut conn = shared.pool.acquire().await?;
        matching(&mut conn, &wanted).await
    });
    let (runs, is_cut) = found.await?;
    let now = Utc::now();
    let verbs = SIMPLE.into_iter().filter(|kind| who.rank >= rank_of(*kind)).map(|kind| {
        let (name, what) = run::words::verb(kind);
        let (verb, is_chosen) = (kind.as_str(), kind.as_str() == given.verb);
        Choice { verb, name, what, is_chosen }
    });
    let choose = Choose {
        filter: filter.to_string(),
        total: number(i64::try_from(runs.len()).unwrap_or(i64::MAX)),
        is_cut,
        most: number(i64::try_from(MOST).unwrap_or(i64::MAX)),
        sample: runs.into_iter().take(SAMPLE).map(|run| Row::new(run, now)).collect(),
        verbs: verbs.collect(),
        reason: given.reason,
        per_second: given.per_second,
        fault,
        frame: Frame::new("A bulk action", Here::Bulk, who),
    };
    let status =
        if choose.fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, draw(&choose)?).into_response())
}

#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct Given {
    filter: String,
    verb: String,
    reason: String,
    per_second: u32,
}

impl Default for Given {
    fn default() -> Self {
        let (filter, verb, reason) = (String::new(), "retry".to_owned(), String::new());
        Self { filter, verb, reason, per_second: PER_SECOND }
    }
}

/// `POST /console/bulk/new`: freezes which runs, and does nothing to them.
pub(crate) async fn freeze(
    who: Operator,
    State(app): State<Shared>,
    Form(given): Form<Given>,
) -> Page {
    let kind = VerbKind::ALL.into_iter().find(|kind| kind.as_str() == given.verb);
    let Some((kind, verb)) = kind.and_then(|kind| Some((kind, super::simple(kind)?))) else {
        return page(who, &app, given, Some("Choose a verb.".to_owned())).await;
    };
    require(&app, &who, rank_of(kind), FREEZE).await?;
    let fault = match given.reason.trim().len() {
        0 => Some("Say why: it stands in the audit of every run."),
        1..=2_000 => None,
        _ => Some("The reason has at most 2,000 bytes."),
    };
    let fault = fault.or_else(|| {
        (!(1..=FASTEST).contains(&given.per_second)).then_some("Runs a second are 1 to 1,000.")
    });
    if let Some(fault) = fault {
        return page(who, &app, given, Some(fault.to_owned())).await;
    }
    let filter = read(&given.filter)?;
    let (shared, name) = (Shared::clone(&app), who.name.clone());
    let (reason, per_second) = (given.reason.trim().to_owned(), given.per_second);
    let frozen = finish(&app, async move {
        let mut conn = shared.pool.acquire().await?;
        let (runs, _) = matching(&mut conn, &filter).await?;
        if runs.is_empty() {
            return Ok(None);
        }
        let ids = runs.into_iter().map(|run| run.run_id);
        let hand = shared.client.operator(&name, &reason)?;
        let bulk = hand.bulk(verb, Selection::new().ids(ids)).per_second(per_second);
        let mut tx = conn.begin().await?;
        let (bulk_id, preview) = bulk.freeze_in(&mut tx).await?;
        let after = serde_json::json!({ "filter": filter.to_string(), "runs": preview.total });
        let record = Record::of(&name, "freeze_bulk", &bulk_id.to_string());
        let record = record.because(&reason).changing(serde_json::Value::Null, after);
        record.write(&mut tx).await?;
        tx.commit().await?;
        Ok::<_, PageError>(Some(bulk_id))
    });
    let frozen: Option<Uuid> = frozen.await?;
    match frozen {
        Some(bulk_id) => Ok(Redirect::to(&format!("/console/bulk/{bulk_id}")).into_response()),
        None => page(who, &app, given, Some("No run is like that any more.".to_owned())).await,
    }
}

fn read(filter: &str) -> Result<RunFilter, PageError> {
    let filter: RunFilter = filter.parse().map_err(|error| {
        PageError::Invalid(format!("This list cannot be read: {error}. Nothing was done."))
    })?;
    Ok(RunFilter { after: None, limit: PAGE, ..filter })
}

/// Every run that the list shows, page by page, and whether there are more than are taken.
async fn matching(
    conn: &mut PgConnection,
    filter: &RunFilter,
) -> Result<(Vec<inspect::ListedRun>, bool), PageError> {
    let mut wanted = filter.clone();
    let mut runs = Vec::new();
    for _ in 0..MOST_PAGES {
        let page = inspect::list(&mut *conn, &wanted).await?;
        // A run that has ended takes no verb.
        runs.extend(page.runs.into_iter().filter(|run| run.ended_at.is_none()));
        if runs.len() > MOST {
            runs.truncate(MOST);
            return Ok((runs, true));
        }
        let Some(next) = page.next else { return Ok((runs, false)) };
        wanted = wanted.behind(next);
    }
    Ok((runs, true))
}
