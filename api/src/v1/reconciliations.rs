//! What comparisons of the books with the gateway found, for admins. They are made by workers.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::reconciliation::{self, Finding, Report};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::Shared;
use crate::body::Parameters;
use crate::envelope::Answer;
use crate::error::ApiResult;
use crate::identity::Admin;

/// The most reports in one answer.
const MOST: i64 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// With the findings of this one.
    report: Option<Uuid>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Reports {
    reports: Vec<Report>,
    findings: Vec<Finding>,
}

/// `GET /api/v1/reconciliations`: the latest reports, the newest first; with `?report=` what one of
/// them found.
pub(crate) async fn list(
    State(app): State<Shared>,
    _admin: Admin,
    Parameters(Wanted { report }): Parameters<Wanted>,
) -> ApiResult<Answer<Reports>> {
    let shared = Shared::clone(&app);
    let found = app.finish(async move {
        let mut conn = shared.pool.acquire().await?;
        let Some(id) = report else {
            let reports = reconciliation::reports(&mut conn, MOST).await?;
            return Ok(Reports { reports, findings: Vec::new() });
        };
        let reports = reconciliation::report(&mut conn, id).await?.into_iter().collect();
        let findings = reconciliation::findings(&mut conn, id).await?;
        Ok(Reports { reports, findings })
    });
    Ok(Answer::ok("reconciliations", found.await?))
}
