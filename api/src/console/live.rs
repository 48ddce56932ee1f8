//! Live pages: a stream says when a page is worth another look, and the page is then asked for
//! again as it was before. A stream holds no connection to the database between two looks.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use makegood::inspect;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use uuid::Uuid;

use super::who::Operator;
use crate::app::{App, Shared};
use crate::error::ApiResult;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Between two looks at a run.
const RUN_PAUSE: Duration = Duration::from_millis(700);
/// Between two looks at the whole cell, whose pages cost more to draw.
const CELL_PAUSE: Duration = Duration::from_secs(2);
/// A stream ends after this long: whoever comes back has to be signed in still.
const LONGEST: Duration = Duration::from_mins(5);

/// What a page was made from.
#[derive(Debug, Deserialize)]
pub(crate) struct Seen {
    seen: Option<String>,
}

/// `GET /console/live`: says when anything was written.
pub(crate) async fn cell(
    _: Operator,
    State(app): State<Shared>,
    Query(seen): Query<Seen>,
) -> Response {
    follow(app, Subject::Cell, seen.seen)
}

/// `GET /console/runs/{id}/live`: says when the run has moved.
pub(crate) async fn run(
    _: Operator,
    State(app): State<Shared>,
    Path(id): Path<Uuid>,
    Query(seen): Query<Seen>,
) -> Response {
    follow(app, Subject::Run(id), seen.seen)
}

fn follow(app: Shared, subject: Subject, seen: Option<String>) -> Response {
    // The page looks from time to time by itself when there is no stream for it.
    let Ok(place) = app.streams.clone().try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let until = Instant::now() + LONGEST;
    let follower = Follower { app, subject, seen, until, _place: place };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(events(follower)).keep_alive(keep_alive).into_response()
}

fn events(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::unfold(follower, |mut follower| async move {
        let pulse = follower.next().await?;
        Some((Ok(Event::default().event("changed").data(pulse)), follower))
    })
}

#[derive(Debug, Clone, Copy)]
enum Subject {
    Cell,
    Run(Uuid),
}

struct Follower {
    app: Shared,
    subject: Subject,
    seen: Option<String>,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The pulse once it is another one; none at the end of the stream, the server, or the run.
    async fn next(&mut self) -> Option<String> {
        let pause = match self.subject {
            Subject::Cell => CELL_PAUSE,
            Subject::Run(_) => RUN_PAUSE,
        };
        while Instant::now() < self.until {
            let (shared, subject) = (Shared::clone(&self.app), self.subject);
            let looked = self.app.finish(async move { look(&shared, subject).await });
            match looked.await {
                Ok(pulse) => {
                    let pulse = pulse?;
                    let before = self.seen.replace(pulse.clone());
                    if before.is_some_and(|before| before != pulse) {
                        return Some(pulse);
                    }
                }
                Err(error) => {
                    tracing::warn!(error = ?error, "a page's stream broke off");
                    return None;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.app.stopped() => return None,
            }
        }
        None
    }
}

async fn look(app: &App, subject: Subject) -> ApiResult<Option<String>> {
    let mut conn = app.pool.acquire().await?;
    Ok(match subject {
        Subject::Cell => Some(inspect::tide(&mut conn).await?),
        Subject::Run(id) => inspect::pulse(&mut conn, id).await?,
    })
}
