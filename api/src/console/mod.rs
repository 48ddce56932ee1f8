//! The admin's console: pages drawn on the server, under `/console`.
//!
//! Every page of it on one screen. It reads through `makegood::inspect` and acts through the
//! engine's client alone; a page that changes nothing works without JavaScript.

mod assets;
mod badge;
mod icons;
mod incidents;
mod look;
mod moment;
mod overview;
mod page;
mod queues;
mod run;
mod runs;
mod schedules;
mod search;
mod views;
mod who;
mod workers;

use axum::Router;
use axum::middleware::{from_fn, map_response};
use axum::routing::{get, post};

use crate::app::Shared;

pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(overview::show))
        .route("/runs", get(runs::list))
        .route("/runs.csv", get(runs::csv))
        .route("/runs.json", get(runs::json))
        .route("/runs/{id}", get(run::show))
        .route("/search", get(search::find))
        .route("/incidents", get(incidents::list))
        .route("/incidents/{fingerprint}", get(incidents::show))
        .route("/workers", get(workers::list))
        .route("/queues", get(queues::list))
        .route("/schedules", get(schedules::list))
        .route("/views", post(views::keep))
        .route("/views/remove", post(views::remove))
        .route("/assets/{name}", get(assets::get))
        .route("/theme", post(look::choose))
        .layer(map_response(page::guard))
        .layer(from_fn(look::know))
}
