//! A frozen bulk action: looked at, confirmed, followed, stopped.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use chrono::Utc;
use makegood::inspect::{self, Aftermath, BulkItem, BulkView};
use serde::Deserialize;
use uuid::Uuid;

use super::{KEEPER, kind_of};
use crate::app::{App, Shared};
use crate::console::act::{is_final, rank_of};
use crate::console::badge::Badge;
use crate::console::icons::Icon;
use crate::console::moment::{Moment, number};
use crate::console::page::{Frame, Here, Page, PageError, draw};
use crate::console::record::Record;
use crate::console::run::{self, finish};
use crate::console::who::Operator;

/// Runs whose results are shown at once.
const SHOWN: i64 = 200;

#[derive(Template)]
#[template(path = "console/bulk/page.html")]
struct BulkPage {
    frame: Frame,
    bulk: BulkView,
    name: &'static str,
    what: &'static str,
    state: Badge,
    made: Moment,
    /// Until when it can be begun.
    expires: Moment,
    over: i64,
    total: String,
    figures: Vec<(&'static str, String, &'static str)>,
    states: Vec<(Badge, String)>,
    aftermath: Option<Aftermath>,
    items: Vec<Item>,
    outcome: Option<String>,
    is_cut: bool,
    may: May,
    fault: Option<String>,
}

/// What this operator may do about it.
struct May {
    /// It is theirs to begin.
    begin: bool,
    /// But for that, the number of its runs has to be typed.
    must_type: bool,
    stop: bool,
}

/// A run of it, and what became of it.
struct Item {
    run_id: Uuid,
    outcome: &'static str,
    why: String,
    at: Option<Moment>,
    state: Option<Badge>,
}

impl Item {
    fn new(item: BulkItem, now: chrono::DateTime<Utc>) -> Self {
        Self {
            run_id: item.run_id,
            outcome: match item.outcome.as_deref() {
                None => "still to come",
                Some("done") => "done",
                Some("ordered") => "ordered",
                Some("refused") => "refused",
                Some("changed") => "changed meanwhile",
                Some(_) => "failed",
            },
            why: item.why.unwrap_or_default(),
            at: item.at.map(|at| Moment::new(at, now)),
            state: item.state.as_deref().map(Badge::state),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    outcome: Option<String>,
}

/// `GET /console/bulk/{id}`
pub(crate) async fn show(
    who: Operator,
    State(app): State<Shared>,
    Path(bulk_id): Path<Uuid>,
    Query(asked): Query<Asked>,
) -> Page {
    page(who, &app, bulk_id, asked.outcome, None).await
}

async fn page(
    who: Operator,
    app: &Shared,
    bulk_id: Uuid,
    outcome: Option<String>,
    fault: Option<String>,
) -> Page {
    let (shared, wanted, looks) = (Shared::clone(app), outcome.clone(), who.clone());
    let loaded = finish(app, async move {
        let mut conn = shared.pool.acquire().await?;
        let frame = Frame::live(&mut conn, "", Here::Bulk, looks).await?;
        let Some(bulk) = inspect::bulk(&mut conn, bulk_id).await? else { return Ok(None) };
        let states = inspect::bulk_states(&mut conn, bulk_id).await?;
        let items = inspect::bulk_items(&mut conn, bulk_id, wanted.as_deref(), SHOWN).await?;
        let aftermath = inspect::aftermath(&mut conn, bulk_id).await?;
        Ok::<_, PageError>(Some((frame, bulk, states, items, aftermath)))
    });
    let loaded = loaded.await?;
    let not_found = || PageError::NotFound(format!("There is no bulk action {bulk_id}."));
    let (mut frame, bulk, states, items, aftermath) = loaded.ok_or_else(not_found)?;
    let kind = kind_of(&bulk.verb);
    let (name, what) = kind.map_or(("A verb", ""), run::words::verb);
    frame.title = format!("{name} for {} runs", bulk.total);
    let now = Utc::now();
    let is_frozen = bulk.state == "FROZEN";
    let BulkView { total, done, ordered, refused, changed, failed, .. } = bulk;
    let over = [done, ordered, refused, changed, failed].iter().sum();
    let may = who.may_act() && kind.is_some_and(|kind| who.rank >= rank_of(kind));
    let is_cut = i64::try_from(items.len()).is_ok_and(|shown| shown == SHOWN);
    let page = BulkPage {
        name,
        what,
        state: badge(&bulk.state),
        made: Moment::new(bulk.created_at, now),
        expires: Moment::new(bulk.expires_at, now),
        over,
        total: number(total),
        figures: vec![
            ("done", number(done), "done"),
            ("ordered", number(ordered), "ordered"),
            ("refused", number(refused), "refused"),
            ("changed meanwhile", number(changed), "changed"),
            ("failed", number(failed), "failed"),
        ],
        states: states.into_iter().map(|(state, n)| (Badge::state(&state), number(n))).collect(),
        aftermath: (!is_frozen && bulk.state != "EXPIRED").then_some(aftermath),
        items: items.into_iter().map(|item| Item::new(item, now)).collect(),
        outcome,
        is_cut,
        may: May {
            begin: is_frozen && may && who.name == bulk.actor,
            must_type: kind.is_some_and(is_final),
            stop: who.may_act() && matches!(bulk.state.as_str(), "FROZEN" | "RUNNING"),
        },
        fault,
        frame,
        bulk,
    };
    let status = if page.fault.is_some() { StatusCode::CONFLICT } else { StatusCode::OK };
    Ok((status, draw(&page)?).into_response())
}

pub(super) fn badge(state: &str) -> Badge {
    match state {
        "FROZEN" => Badge::new("wait", Icon::Clock, "Not begun"),
        "EXPIRED" => Badge::new("wait", Icon::Clock, "Not begun in time"),
        "RUNNING" => Badge::new("busy", Icon::Play, "Under way"),
        "DONE" => Badge::new("good", Icon::Check, "Carried out"),
        _ => Badge::new("warn", Icon::Cross, "Stopped"),
    }
}

#[derive(Deserialize)]
pub(crate) struct Confirmed {
    #[serde(default)]
    count: String,
}

/// `POST /console/bulk/{id}/begin`
pub(crate) async fn begin(
    who: Operator,
    State(app): State<Shared>,
    Path(bulk_id): Path<Uuid>,
    Form(confirmed): Form<Confirmed>,
) -> Page {
    let (shared, name) = (Shared::clone(&app), who.clone());
    let done = finish(&app, async move { start(&shared, &name, bulk_id, &confirmed).await });
    match done.await? {
        None => {
            app.bulks.begin(bulk_id);
            Ok(Redirect::to(&format!("/console/bulk/{bulk_id}")).into_response())
        }
        Some(fault) => page(who, &app, bulk_id, None, Some(fault)).await,
    }
}

/// Begins it; or why not.
async fn start(
    app: &App,
    who: &Operator,
    bulk_id: Uuid,
    confirmed: &Confirmed,
) -> Result<Option<String>, PageError> {
    let mut tx = app.pool.begin().await?;
    let bulk = inspect::bulk(&mut tx, bulk_id).await?;
    let bulk = bulk.ok_or_else(|| PageError::NotFound(format!("No bulk action {bulk_id}.")))?;
    let kind = kind_of(&bulk.verb);
    let fault = if bulk.actor != who.name {
        Some(format!("It is {}’s: it would bear another’s name.", bulk.actor))
    } else if kind.is_none_or(|kind| who.rank < rank_of(kind)) {
        Some("Your rank does not suffice any more.".to_owned())
    } else if kind.is_some_and(is_final) && confirmed.count.trim() != bulk.total.to_string() {
        Some(format!("Nothing was done. Type {} to confirm.", bulk.total))
    } else {
        match app.client.bulk_begin(&mut tx, bulk_id, KEEPER).await {
            Ok(()) => None,
            Err(makegood::Error::BulkNotFound(_)) => {
                Some("It was begun or stopped meanwhile.".to_owned())
            }
            Err(makegood::Error::BulkExpired(_)) => Some(
                "It was frozen more than an hour ago; nothing was done. Choose the runs again, and \
                 look at them as they are now."
                    .to_owned(),
            ),
            Err(error) => return Err(error.into()),
        }
    };
    let record = Record::of(&who.name, "begin_bulk", &bulk_id.to_string());
    let record = match &fault {
        None => record.because(&bulk.reason),
        Some(fault) => record.because(fault).refused(),
    };
    record.write(&mut tx).await?;
    tx.commit().await?;
    Ok(fault)
}

#[derive(Deserialize)]
pub(crate) struct Stopped {
    #[serde(default)]
    reason: String,
}

/// `POST /console/bulk/{id}/stop`: runs whose turn has not come are left as they are.
pub(crate) async fn stop(
    who: Operator,
    State(app): State<Shared>,
    Path(bulk_id): Path<Uuid>,
    Form(stopped): Form<Stopped>,
) -> Page {
    let reason = stopped.reason.trim().to_owned();
    if reason.is_empty() {
        return page(who, &app, bulk_id, None, Some("Say why it is stopped.".to_owned())).await;
    }
    let (shared, name) = (Shared::clone(&app), who.name.clone());
    let done = finish(&app, async move {
        let mut tx = shared.pool.begin().await?;
        match shared.client.bulk_cancel(&mut tx, bulk_id, &name, &reason).await {
            Ok(()) => {}
            Err(makegood::Error::BulkNotFound(_)) => return Ok(false),
            Err(error) => return Err(PageError::from(error)),
        }
        let record = Record::of(&name, "stop_bulk", &bulk_id.to_string()).because(&reason);
        record.write(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    });
    if done.await? {
        return Ok(Redirect::to(&format!("/console/bulk/{bulk_id}")).into_response());
    }
    page(who, &app, bulk_id, None, Some("It was over already.".to_owned())).await
}
