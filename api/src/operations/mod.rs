//! What the console shows and does, as JSON under `/api/v1/operations`: for the command line, and for
//! programs of those who look after runs.
//!
//! Every route on one screen. It reads through `makegood::inspect` and acts through the engine's
//! client alone, as the console does. Whoever asks shows a token of theirs; no cookie counts here.

mod act;
mod answer;
mod around;
mod bulk;
mod part;
mod runs;
mod token;
mod trouble;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::app::Shared;

pub use self::answer::{
    ACTIONS, Acted, Ask, BulkAsk, BulkShown, Frozen, GROUPS, GroupRuns, Progressed, SettingAsk,
    StopAsk, WholeRun, bulk_shown, carry_out, group_runs, progressed, whole_run,
};
pub use self::token::{LONGEST_SECS, NewSecret, REMEMBERED_SECS};
pub(crate) use self::trouble::Trouble;

/// The largest value that a verb gives, as JSON spells it.
const BODY_LIMIT: usize = 1024 * 1024;

pub(crate) fn router(app: &Shared) -> Router<Shared> {
    Router::new()
        .route("/me", get(token::me))
        .route("/search", get(runs::search))
        .route("/runs", get(runs::list))
        .route("/runs/{run_id}", get(runs::whole))
        .route("/runs/{run_id}/progress", get(runs::progress))
        .route("/runs/{run_id}/stuck-at", get(runs::stuck_at))
        .route("/runs/{run_id}/foresee", post(act::foresee))
        .route("/runs/{run_id}/act", post(act::act))
        .route("/incidents", get(around::incidents))
        .route("/incidents/{fingerprint}", get(around::incident))
        .route("/workers", get(around::workers))
        .route("/queues", get(around::queues))
        .route("/schedules", get(around::schedules))
        .route("/schedules/{name}/actions", get(around::schedule_actions))
        .route("/bulk", post(bulk::freeze))
        .route("/bulk/preview", post(bulk::preview))
        .route("/bulk/{bulk_id}", get(bulk::show))
        .route("/bulk/{bulk_id}/begin", post(bulk::begin))
        .route("/bulk/{bulk_id}/stop", post(bulk::stop))
        .route("/settings/foresee", post(act::foresee_setting))
        .route("/settings", post(act::set))
        .route_layer(from_fn_with_state(Shared::clone(app), token::gate))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}
