//! A page of the list for other programs, as CSV and as JSON.

use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use makegood::RunFilter;
use makegood::inspect::{self, ListedRun, RunPage};

use crate::app::Shared;
use crate::console::page::{Page, PageError};
use crate::console::who::Operator;

const COLUMNS: &str = "run_id,workflow,workflow_id,version,state,retrying,started_at,ended_at,\
    progress_at,incident,step,message,attributes\r\n";

/// The same page as JSON.
pub(crate) async fn json(
    _: Operator,
    State(app): State<Shared>,
    RawQuery(query): RawQuery,
) -> Page {
    let page = read(&app, query.as_deref()).await?;
    let body = serde_json::to_vec_pretty(&page).map_err(PageError::internal)?;
    Ok(file("application/json", "runs.json", body))
}

/// The same page as CSV.
pub(crate) async fn csv(_: Operator, State(app): State<Shared>, RawQuery(query): RawQuery) -> Page {
    let page = read(&app, query.as_deref()).await?;
    let lines: Vec<String> = page.runs.iter().map(line).collect();
    Ok(file("text/csv; charset=utf-8", "runs.csv", format!("{COLUMNS}{}", lines.concat()).into()))
}

async fn read(app: &Shared, query: Option<&str>) -> Result<RunPage, PageError> {
    let filter: RunFilter = query
        .unwrap_or_default()
        .parse()
        .map_err(|wrong: makegood::FilterError| PageError::Invalid(wrong.to_string()))?;
    let mut conn = app.pool.acquire().await?;
    Ok(inspect::list(&mut conn, &filter).await?)
}

fn file(kind: &'static str, name: &str, body: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers =
        [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, body).into_response()
}

fn line(run: &ListedRun) -> String {
    let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339();
    let cells = [
        run.run_id.to_string(),
        run.workflow.clone(),
        run.workflow_id.clone(),
        run.version.to_string(),
        run.state.clone(),
        run.retrying.to_string(),
        time(run.started_at),
        run.ended_at.map(time).unwrap_or_default(),
        time(run.progress_at),
        run.class.clone().unwrap_or_default(),
        run.step.clone().unwrap_or_default(),
        run.message.clone().unwrap_or_default(),
        run.attributes.as_ref().map(ToString::to_string).unwrap_or_default(),
    ];
    format!("{}\r\n", cells.map(|text| cell(&text)).join(","))
}

/// Quoted, and never a formula: spreadsheets carry out what begins like one.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        assert_eq!(cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(cell("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
    }
}
