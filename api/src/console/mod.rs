//! The admin's console: pages drawn on the server, under `/console`.
//!
//! Every page of it on one screen. It reads through `makegood::inspect` and acts through the
//! engine's client alone; a page that changes nothing works without JavaScript.

mod assets;
mod badge;
mod icons;
mod live;
mod look;
mod moment;
mod overview;
mod page;
mod run;
mod runs;
mod who;

use axum::Router;
use axum::middleware::{from_fn, map_response};
use axum::routing::{get, post};

use crate::app::Shared;

pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(overview::show))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(run::show))
        .route("/runs/{id}/steps/{seq}", get(run::step))
        .route("/runs/{id}/json", get(run::download))
        .route("/runs/{id}/live", get(live::run))
        .route("/live", get(live::cell))
        .route("/assets/{name}", get(assets::get))
        .route("/theme", post(look::choose))
        .layer(map_response(page::guard))
        .layer(from_fn(look::know))
}
