//! Bulk actions, the newest first.

use askama::Template;
use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use makegood::inspect::{self, BulkView};
use serde::Deserialize;
use uuid::Uuid;

use super::follow::badge;
use super::kind_of;
use crate::app::Shared;
use crate::console::badge::Badge;
use crate::console::moment::{Moment, number, storable};
use crate::console::page::{Frame, Here, Page, draw};
use crate::console::run;
use crate::console::who::Operator;

const PAGE: i64 = 30;

#[derive(Template)]
#[template(path = "console/bulk/list.html")]
struct Bulks {
    frame: Frame,
    lines: Vec<Line>,
    next: Option<String>,
}

struct Line {
    bulk_id: Uuid,
    name: &'static str,
    state: Badge,
    actor: String,
    reason: String,
    made: Moment,
    total: String,
    accepted: String,
    refused: String,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default, deserialize_with = "storable")]
    before: Option<DateTime<Utc>>,
}

/// `GET /console/bulk`
pub(crate) async fn list(
    who: Operator,
    State(app): State<Shared>,
    Query(asked): Query<Asked>,
) -> Page {
    let mut conn = app.pool.acquire().await?;
    let frame = Frame::live(&mut conn, "Bulk actions", Here::Bulk, who).await?;
    let all = inspect::bulks(&mut conn, asked.before, PAGE).await?;
    drop(conn);
    let is_full = i64::try_from(all.len()).is_ok_and(|found| found == PAGE);
    let last = all.last().filter(|_| is_full).map(|bulk| bulk.created_at);
    let now = Utc::now();
    draw(&Bulks {
        frame,
        lines: all.into_iter().map(|bulk| Line::new(bulk, now)).collect(),
        next: last.map(|at| at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()),
    })
}

impl Line {
    fn new(bulk: BulkView, now: DateTime<Utc>) -> Self {
        Self {
            bulk_id: bulk.bulk_id,
            name: kind_of(&bulk.verb).map_or("A verb", |kind| run::words::verb(kind).0),
            state: badge(&bulk.state),
            actor: bulk.actor,
            reason: bulk.reason,
            made: Moment::new(bulk.created_at, now),
            total: number(bulk.total),
            accepted: number(bulk.done.saturating_add(bulk.ordered)),
            refused: number([bulk.refused, bulk.changed, bulk.failed].iter().sum()),
        }
    }
}
