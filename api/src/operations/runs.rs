//! Reading runs: lists, the runs that a name means, one of them.

use axum::extract::{RawQuery, State};
use makegood::inspect::{self, RunPage, RunSummary};
use makegood::{RunFilter, StuckAt};
use serde::Deserialize;
use uuid::Uuid;

use super::Trouble;
use super::answer::{Progressed, WholeRun, progressed, whole_run};
use super::part::Part;
use super::trouble::told;
use crate::app::Shared;
use crate::body::Parameters;
use crate::envelope::Answer;
use crate::error::ApiResult;

/// `GET /api/v1/operations/runs?FILTER`: the same words as in the console's address.
pub(super) async fn list(
    State(app): State<Shared>,
    RawQuery(query): RawQuery,
) -> ApiResult<Answer<RunPage>> {
    let filter: RunFilter = query.unwrap_or_default().parse()?;
    let shared = Shared::clone(&app);
    let page: RunPage = app
        .finish(
            async move { Ok(inspect::list(&mut *shared.pool.acquire().await?, &filter).await?) },
        )
        .await?;
    Ok(Answer::ok("runs", page))
}

#[derive(Deserialize)]
pub(super) struct Named {
    /// A run's id or a workflow id.
    id: String,
    /// A part of a workflow id between colons will do.
    #[serde(default)]
    part: bool,
}

/// `GET /api/v1/operations/search?id=`: the runs that an id means.
pub(super) async fn search(
    State(app): State<Shared>,
    Parameters(Named { id, part }): Parameters<Named>,
) -> ApiResult<Answer<Vec<RunSummary>>> {
    let shared = Shared::clone(&app);
    let runs: Vec<RunSummary> = app
        .finish(async move {
            let mut conn = shared.pool.acquire().await?;
            let named = inspect::named(&mut conn, &id).await?;
            if named.is_empty() && part {
                return Ok(inspect::run(&mut conn, &id).await?.into_iter().collect());
            }
            Ok(named)
        })
        .await?;
    Ok(Answer::ok("runs of this name", runs))
}

/// `GET /api/v1/operations/runs/{run_id}`
pub(super) async fn whole(
    State(app): State<Shared>,
    Part(run_id): Part<Uuid>,
) -> ApiResult<Answer<WholeRun>> {
    let shared = Shared::clone(&app);
    let whole = app.finish(async move {
        let mut conn = shared.pool.acquire().await?;
        whole_run(&mut conn, &shared.client, run_id).await.map_err(told)
    });
    let whole = whole.await?.ok_or(Trouble::RunNotFound)?;
    Ok(Answer::ok("a run", whole))
}

/// `GET /api/v1/operations/runs/{run_id}/progress`
pub(super) async fn progress(
    State(app): State<Shared>,
    Part(run_id): Part<Uuid>,
) -> ApiResult<Answer<Progressed>> {
    let shared = Shared::clone(&app);
    let now = app
        .finish(async move { Ok(progressed(&mut *shared.pool.acquire().await?, run_id).await?) });
    let now = now.await?.ok_or(Trouble::RunNotFound)?;
    Ok(Answer::ok("how far it is", now))
}

/// `GET /api/v1/operations/runs/{run_id}/stuck-at`
pub(super) async fn stuck_at(
    State(app): State<Shared>,
    Part(run_id): Part<Uuid>,
) -> ApiResult<Answer<Option<StuckAt>>> {
    let shared = Shared::clone(&app);
    let at: Option<StuckAt> = app
        .finish(async move {
            let looking = shared.client.operator("nobody", "a look").map_err(told)?;
            looking.stuck_at(run_id).await.map_err(told)
        })
        .await?;
    Ok(Answer::ok("where it is stuck", at))
}
