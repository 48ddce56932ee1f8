//! Reading what is around the runs: incidents, workers, queues, schedules.

use axum::extract::State;
use makegood::inspect::{self, IncidentGroup, SettingAction, WorkerView};
use makegood::{QueueStatus, ScheduleView};
use serde::Deserialize;

use super::answer::{ACTIONS, GROUPS, GroupRuns, group_runs};
use super::part::Part;
use super::trouble::told;
use crate::app::Shared;
use crate::body::Parameters;
use crate::envelope::Answer;
use crate::error::ApiResult;

/// How many runs of an incident are told, unless the caller says.
const RUNS: u32 = 20;

/// `GET /api/v1/operations/incidents`: open ones, alike ones together.
pub(super) async fn incidents(State(app): State<Shared>) -> ApiResult<Answer<Vec<IncidentGroup>>> {
    let shared = Shared::clone(&app);
    let groups = app.finish(async move {
        Ok(inspect::incident_groups(&mut *shared.pool.acquire().await?, GROUPS).await?)
    });
    Ok(Answer::ok("open incidents", groups.await?))
}

#[derive(Deserialize)]
pub(super) struct Asked {
    limit: Option<u32>,
}

/// `GET /api/v1/operations/incidents/{fingerprint}`: its runs, and how alike ones were resolved.
pub(super) async fn incident(
    State(app): State<Shared>,
    Part(fingerprint): Part<String>,
    Parameters(Asked { limit }): Parameters<Asked>,
) -> ApiResult<Answer<GroupRuns>> {
    let shared = Shared::clone(&app);
    let found = app.finish(async move {
        let limit = limit.unwrap_or(RUNS).clamp(1, 500);
        Ok(group_runs(&mut *shared.pool.acquire().await?, &fingerprint, limit).await?)
    });
    Ok(Answer::ok("an incident", found.await?))
}

/// `GET /api/v1/operations/workers`
pub(super) async fn workers(State(app): State<Shared>) -> ApiResult<Answer<Vec<WorkerView>>> {
    let shared = Shared::clone(&app);
    let workers = app
        .finish(async move { Ok(inspect::workers(&mut *shared.pool.acquire().await?).await?) })
        .await?;
    Ok(Answer::ok("workers", workers))
}

/// `GET /api/v1/operations/queues`
pub(super) async fn queues(State(app): State<Shared>) -> ApiResult<Answer<Vec<QueueStatus>>> {
    let shared = Shared::clone(&app);
    let queues = app.finish(async move { shared.client.queues().await.map_err(told) }).await?;
    Ok(Answer::ok("queues", queues))
}

/// `GET /api/v1/operations/schedules`
pub(super) async fn schedules(State(app): State<Shared>) -> ApiResult<Answer<Vec<ScheduleView>>> {
    let shared = Shared::clone(&app);
    let schedules = app.finish(async move {
        let mut conn = shared.pool.acquire().await?;
        shared.client.schedules(&mut conn).await.map_err(told)
    });
    Ok(Answer::ok("schedules", schedules.await?))
}

/// `GET /api/v1/operations/schedules/{name}/actions`: what operators did to it.
pub(super) async fn schedule_actions(
    State(app): State<Shared>,
    Part(name): Part<String>,
) -> ApiResult<Answer<Vec<SettingAction>>> {
    let shared = Shared::clone(&app);
    let actions = app.finish(async move {
        let mut conn = shared.pool.acquire().await?;
        Ok(inspect::setting_actions(&mut conn, "schedule", Some(&name), ACTIONS).await?)
    });
    Ok(Answer::ok("what operators did to it", actions.await?))
}
