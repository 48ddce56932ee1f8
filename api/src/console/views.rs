//! Lists that somebody keeps: a name for the query of a list of runs.

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};
use makegood::RunFilter;
use serde::Deserialize;

use super::page::{Page, PageError};
use super::run::finish;
use super::runs::address;
use super::who::Operator;
use crate::app::Shared;

/// Lists that one person keeps at most.
const MOST: i64 = 50;
/// Characters of a name.
const NAME_LENGTH: usize = 60;

#[derive(Deserialize)]
pub(crate) struct Keep {
    name: String,
    query: String,
}

/// Keeps a list under a name; of two of one name the last counts.
pub(crate) async fn keep(who: Operator, State(app): State<Shared>, Form(keep): Form<Keep>) -> Page {
    let name = keep.name.trim();
    let filter: RunFilter = keep.query.parse().map_err(|_| wrong("This is no list of runs."))?;
    if !(1..=NAME_LENGTH).contains(&name.chars().count()) || name.contains('\0') {
        return Err(wrong("A list's name has 1 to 60 characters."));
    }
    let (shared, name, query) = (Shared::clone(&app), name.to_owned(), filter.to_string());
    let kept = finish(&app, async move {
        let mut conn = shared.pool.acquire().await?;
        Ok(store::console_views::keep(&mut conn, &who.name, &name, &query, MOST).await?)
    });
    if !kept.await? {
        return Err(wrong("You keep 50 lists already: remove one first."));
    }
    Ok(Redirect::to(&address(&filter)).into_response())
}

#[derive(Deserialize)]
pub(crate) struct Remove {
    name: String,
    back: String,
}

/// Forgets a list of one's own, and shows the list again that one was on.
pub(crate) async fn remove(
    who: Operator,
    State(app): State<Shared>,
    Form(remove): Form<Remove>,
) -> Page {
    let (shared, name) = (Shared::clone(&app), remove.name);
    finish(&app, async move {
        let mut conn = shared.pool.acquire().await?;
        Ok(store::console_views::remove(&mut conn, &who.name, &name).await?)
    })
    .await?;
    let back: RunFilter = remove.back.parse().unwrap_or_default();
    Ok(Redirect::to(&address(&back)).into_response())
}

fn wrong(why: &str) -> PageError {
    PageError::Invalid(why.to_owned())
}
