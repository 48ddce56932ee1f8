//! The list of runs. Its whole state is in its address.

mod export;
mod narrow;
mod row;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use makegood::{Order, RunFilter, inspect};

use super::icons::Icon;
use super::moment::number;
use super::page::{Frame, Here, Page, draw};
use super::who::Operator;
use crate::app::Shared;

pub(crate) use export::{csv, json};
pub(crate) use narrow::address;
use narrow::{Chip, Fields, Quick};
pub(crate) use row::Row;

#[derive(Template)]
#[template(path = "console/runs.html")]
struct Runs {
    frame: Frame,
    rows: Vec<Row>,
    chips: Vec<Chip>,
    quick: Vec<Quick>,
    fields: Fields,
    views: Vec<View>,
    /// The query of this list, to be saved or exported.
    query: String,
    sorted: Sorted,
    wrong: Option<String>,
    first: Option<String>,
    next: Option<String>,
    searched: Option<String>,
}

/// A list that somebody keeps.
struct View {
    name: String,
    href: String,
    is_here: bool,
}

/// In which order the list is, and the address of the other one.
struct Sorted {
    newest_first: bool,
    turned: String,
}

pub(crate) async fn list(
    who: Operator,
    State(app): State<Shared>,
    RawQuery(query): RawQuery,
) -> Page {
    let (filter, wrong) = match query.as_deref().unwrap_or_default().parse::<RunFilter>() {
        Ok(filter) => (filter, None),
        Err(wrong) => (RunFilter::default(), Some(wrong.to_string())),
    };
    let mut conn = app.pool.acquire().await?;
    let frame = Frame::live(&mut conn, "Runs", Here::Runs, who).await?;
    let kept = store::console_views::of(&mut conn, &frame.who.name).await?;
    let page = match &wrong {
        None => inspect::list(&mut conn, &filter).await?,
        Some(_) => inspect::RunPage { runs: Vec::new(), next: None, searched: None },
    };
    drop(conn);

    let now = Utc::now();
    let plain = RunFilter { after: None, ..filter.clone() };
    let query = plain.to_string();
    let other = match filter.order {
        Order::NewestFirst => Order::OldestFirst,
        Order::OldestFirst => Order::NewestFirst,
    };
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let drawn: Response = draw(&Runs {
        frame,
        rows: page.runs.into_iter().map(|run| Row::new(run, now)).collect(),
        chips: narrow::chips(&plain),
        quick: narrow::quick(&plain),
        fields: Fields::of(&plain),
        views: kept.into_iter().map(|view| View::new(view, &query)).collect(),
        sorted: Sorted {
            newest_first: filter.order == Order::NewestFirst,
            turned: address(&RunFilter { order: other, ..plain.clone() }),
        },
        wrong,
        first: filter.after.map(|_| address(&plain)),
        next: page.next.map(|run| address(&filter.clone().behind(run))),
        searched: page.searched.map(number),
        query,
    })?;
    Ok((status, drawn).into_response())
}

impl View {
    fn new(kept: store::console_views::View, here: &str) -> Self {
        let href = if kept.query.is_empty() {
            "/console/runs".to_owned()
        } else {
            format!("/console/runs?{}", kept.query)
        };
        Self { is_here: kept.query == here, name: kept.name, href }
    }
}
