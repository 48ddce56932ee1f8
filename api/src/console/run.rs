//! A run's page.

use askama::Template;
use axum::extract::{Path, State};
use makegood::inspect::{self, RunSummary};

use super::page::{Frame, Here, Page, PageError, draw};
use super::who::Operator;
use crate::app::Shared;

#[derive(Template)]
#[template(path = "console/run.html")]
struct Run {
    frame: Frame,
    run: RunSummary,
}

pub(crate) async fn show(who: Operator, State(app): State<Shared>, Path(id): Path<String>) -> Page {
    let mut conn = app.pool.acquire().await?;
    let run = inspect::run(&mut conn, &id).await?;
    let run = run.ok_or_else(|| PageError::NotFound(format!("There is no run {id}.")))?;
    let title = format!("{} {}", run.workflow, run.workflow_id);
    draw(&Run { frame: Frame::new(title, Here::Runs, who), run })
}
