//! The search box: whatever somebody pastes leads to a run, or to a list of them.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect};
use makegood::{RunFilter, Term, What, inspect};
use serde::Deserialize;

use super::page::Page;
use super::runs::address;
use super::who::Operator;
use crate::app::Shared;

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
}

/// A run's id, a workflow id, an order's id or number: the first that there is one of.
pub(crate) async fn find(
    _: Operator,
    State(app): State<Shared>,
    Query(asked): Query<Asked>,
) -> Page {
    let text = asked.q.replace('\0', "");
    let text = text.trim();
    if text.is_empty() {
        return Ok(Redirect::to("/console/runs").into_response());
    }
    let mut conn = app.pool.acquire().await?;
    if let [run] = inspect::named(&mut conn, text).await?.as_slice() {
        return Ok(Redirect::to(&format!("/console/runs/{}", run.run_id)).into_response());
    }
    let number = match text.parse() {
        Ok(order_id) => match store::orders::get(&mut conn, order_id).await {
            Ok(order) => Some(order.order_number),
            Err(store::Error::NotFound) => None,
            Err(error) => return Err(super::page::PageError::internal(error)),
        },
        Err(_) => None,
    };
    let of_order = |number: &str| {
        let what = What::Attribute("order".to_owned(), number.to_owned());
        RunFilter::default().with(Term::is(what))
    };
    let filter = of_order(number.as_deref().unwrap_or(text));
    let filter = match inspect::list(&mut conn, &filter).await?.runs.as_slice() {
        [run] => return Ok(Redirect::to(&format!("/console/runs/{}", run.run_id)).into_response()),
        [] => RunFilter::default().with(Term::is(What::Id(text.to_owned()))),
        _ => filter,
    };
    Ok(Redirect::to(&address(&filter)).into_response())
}
