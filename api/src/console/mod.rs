//! The admin's console: pages drawn on the server, under `/console`.
//!
//! Every page of it on one screen. It reads through `makegood::inspect` and acts through the
//! engine's client alone; a page that changes nothing works without JavaScript.

mod account;
mod act;
mod assets;
mod audit;
mod badge;
mod bulk;
mod cookie;
mod gate;
mod icons;
mod incidents;
mod live;
mod look;
mod moment;
mod overview;
mod page;
mod people;
mod problem;
mod queues;
mod record;
mod run;
mod runs;
mod schedules;
mod search;
mod sessions;
mod sign_in;
mod switches;
mod throttle;
mod tokens;
mod veil;
mod views;
mod who;
mod workers;

pub use incidents::{Remedy, remedy_of};

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, post};

pub(crate) use self::act::rank_of;
pub(crate) use self::bulk::{Bulks, KEEPER, kind_of};
pub(crate) use self::live::Watch;
pub(crate) use self::problem::told;
pub(crate) use self::record::Record;
pub(crate) use self::run::redact;
pub(crate) use self::veil::veil;
use crate::app::Shared;

pub(crate) fn router(app: &Shared) -> Router<Shared> {
    // Nobody has to be signed in for these.
    let open = Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::enter))
        .route("/theme", post(look::choose))
        .route("/assets/{name}", get(assets::get));

    // One's own account and saved lists, whatever one's rank.
    let own = Router::new()
        .route("/account", get(account::show))
        .route("/account/password", post(account::set_password))
        .route("/account/end-session", post(account::end_session))
        .route("/account/tokens", get(tokens::show).post(tokens::make))
        .route("/account/tokens/revoke", post(tokens::revoke))
        .route("/sign-out", post(sign_in::leave))
        .route("/views", post(views::keep))
        .route("/views/remove", post(views::remove))
        .route_layer(from_fn_with_state(Shared::clone(app), gate::anybody));

    // Everybody reads these; what they change, operators change.
    let pages = Router::new()
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
        .route("/queues/{name}/act/{verb}", get(switches::queue).post(switches::switch_queue))
        .route("/schedules", get(schedules::list))
        .route(
            "/schedules/{name}/act/{verb}",
            get(switches::schedule).post(switches::switch_schedule),
        )
        .route("/bulk", get(bulk::list))
        .route("/bulk/new", get(bulk::choose).post(bulk::freeze))
        .route("/bulk/{id}", get(bulk::show))
        .route("/bulk/{id}/begin", post(bulk::begin))
        .route("/bulk/{id}/stop", post(bulk::stop))
        .route("/audit", get(audit::show))
        .route("/runs/{id}/steps/{seq}", get(run::step))
        .route("/runs/{id}/act/{verb}", get(act::show).post(act::carry_out))
        .route("/runs/{id}/json", get(run::download))
        .route("/runs/{id}/live", get(live::run))
        .route("/live", get(live::page))
        .route_layer(from_fn_with_state(Shared::clone(app), gate::operators));

    // Admins alone.
    let people = Router::new()
        .route("/operators", get(people::list))
        .route("/operators/end-session", post(people::end_session))
        .route_layer(from_fn_with_state(Shared::clone(app), gate::admins));

    open.merge(own)
        .merge(pages)
        .merge(people)
        .fallback(problem::nothing)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(from_fn(problem::frame))
        .layer(map_response(page::guard))
        .layer(from_fn(look::know))
}
