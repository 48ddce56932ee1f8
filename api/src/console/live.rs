//! Live pages: a stream says when a page is worth another look, and the page is then asked for
//! again as it was before. A stream never reads the database itself: one watcher does for all.

mod places;
mod watch;

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use makegood::inspect;
use serde::Deserialize;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use self::places::Place;
use self::watch::News;
pub(crate) use self::watch::Watch;
use super::page::Here;
use super::who::Operator;
use crate::app::Shared;
use crate::error::ApiResult;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Between two words to a page that shows many runs, which costs more to draw.
const PAUSE: Duration = Duration::from_secs(2);
/// A stream ends after this long: whoever comes back has to be signed in still.
const LONGEST: Duration = Duration::from_mins(5);

/// What a page shows, and what it was made from.
#[derive(Debug, Deserialize)]
pub(crate) struct Follows {
    #[serde(default)]
    of: Here,
    seen: Option<String>,
}

/// `GET /console/live`: says when what this page shows has moved.
pub(crate) async fn page(
    who: Operator,
    State(app): State<Shared>,
    Query(Follows { of, seen }): Query<Follows>,
) -> Response {
    follow(app, &who, Subject::Page(of), seen)
}

/// `GET /console/runs/{id}/live`: says when the run has moved.
pub(crate) async fn run(
    who: Operator,
    State(app): State<Shared>,
    Path(run_id): Path<Uuid>,
    Query(Follows { seen, .. }): Query<Follows>,
) -> Response {
    follow(app, &who, Subject::Run(run_id), seen)
}

/// The address of the stream for a page that is made from here on.
pub(super) async fn address(conn: &mut PgConnection, here: Here) -> ApiResult<String> {
    let acted = store::console_actions::newest(&mut *conn).await?;
    let seen = News::mark(&inspect::marks(conn).await?, acted, here);
    Ok(format!("/console/live?of={}&seen={seen}", here.word()))
}

/// The address of the stream for the page of a run, as of this pulse.
pub(super) fn run_address(run_id: Uuid, pulse: &str) -> String {
    format!("/console/runs/{run_id}/live?seen={}", watch::short(pulse))
}

fn follow(app: Shared, who: &Operator, subject: Subject, seen: Option<String>) -> Response {
    let run_id = match subject {
        Subject::Run(run_id) => Some(run_id),
        Subject::Page(_) => None,
    };
    let Some(place) = app.watch.take_place(&who.name, run_id) else {
        // The page looks from time to time by itself then, and says so.
        let full = Event::default().event("full").data("as many pages are live as may be");
        return Sse::new(stream::iter([Ok::<_, Infallible>(full)])).into_response();
    };
    let now = Instant::now();
    let follower = Follower { app, subject, seen, until: now + LONGEST, rested: now, place };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(events(follower)).keep_alive(keep_alive).into_response()
}

fn events(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::unfold(follower, |mut follower| async move {
        let mark = follower.next().await?;
        Some((Ok(Event::default().event("changed").data(mark)), follower))
    })
}

#[derive(Debug, Clone, Copy)]
enum Subject {
    Page(Here),
    Run(Uuid),
}

struct Follower {
    app: Shared,
    subject: Subject,
    seen: Option<String>,
    until: Instant,
    /// Nothing is said before.
    rested: Instant,
    place: Place,
}

impl Follower {
    /// The mark once it is another one; none at the end of the stream, the server, or the run.
    async fn next(&mut self) -> Option<String> {
        let (until, stopped) = (self.until, self.app.stopped());
        tokio::pin!(stopped);
        loop {
            let moved = tokio::select! {
                moved = self.moved() => moved?,
                () = sleep_until(until) => return None,
                () = &mut stopped => return None,
            };
            // What was there to be seen at the first look is no news.
            if self.seen.replace(moved.clone()).is_some() {
                return Some(moved);
            }
        }
    }

    /// The next mark that is not the page's own.
    async fn moved(&mut self) -> Option<String> {
        loop {
            let news = self.place.next().await?;
            let Some(mark) = self.mark(&news)? else { continue };
            if self.seen.as_ref() == Some(&mark) {
                continue;
            }
            if self.seen.is_none() || matches!(self.subject, Subject::Run(_)) {
                return Some(mark);
            }
            sleep_until(self.rested).await;
            self.app.watch.turn().await;
            self.rested = Instant::now() + PAUSE;
            // More may have moved while it waited.
            let news = self.place.latest()?;
            return self.mark(&news)?;
        }
    }

    /// The mark of what is followed: none when there is no such run, `Some(None)` when it was not
    /// looked at yet.
    #[expect(clippy::option_option, reason = "not looked at is not the same as not there")]
    fn mark(&self, news: &News) -> Option<Option<String>> {
        match self.subject {
            Subject::Page(here) => Some(Some(news.of(here))),
            Subject::Run(run_id) => news.of_run(run_id),
        }
    }
}
