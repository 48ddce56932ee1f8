//! The live status of an order, as server-sent events: its history first, then what happens.
//! Ends with the checkout; holds no connection to the database between two looks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::{OrderId, OrderStatus};
use futures::stream::{self, Stream, StreamExt};
use serde::Serialize;
use store::orders::{self, OrderEvent};
use tokio::sync::OwnedSemaphorePermit;

use super::orders::owned;
use super::payments::has_ended;
use crate::app::Shared;
use crate::body::OrderPath;
use crate::error::{ApiError, ApiResult};
use crate::identity::SignedIn;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
const SHORT_PAUSE: Duration = Duration::from_millis(50);
const LONG_PAUSE: Duration = Duration::from_millis(500);

#[derive(Serialize)]
struct Change {
    status: OrderStatus,
    reason_code: Option<String>,
    at: DateTime<Utc>,
}

/// `GET /api/v1/orders/{id}/stream`
pub(crate) async fn follow(
    State(app): State<Shared>,
    who: SignedIn,
    OrderPath(order): OrderPath,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let after = last_seen(&headers)?;
    let place = Arc::clone(&app.followers).try_acquire_owned();
    let place = place.map_err(|_| ApiError::Overloaded)?;
    let shared = Shared::clone(&app);
    let (status, news) = app
        .finish(async move {
            let mut conn = shared.pool.acquire().await?;
            let order = owned(&mut conn, &who, order).await?;
            Ok((order.status, orders::events(&mut conn, order.order_id, after).await?))
        })
        .await?;
    if news.is_empty() && has_ended(status) {
        // The client has seen everything: this status tells it not to come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let begin = Follower { app, order, after, pause: SHORT_PAUSE, ended: false, _place: place };
    Ok(Sse::new(events(begin, news)).keep_alive(keep_alive).into_response())
}

/// The first batch, then every later one, until the checkout or the server ends.
fn events(
    begin: Follower,
    first: Vec<OrderEvent>,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let batches = stream::unfold((begin, Some(first)), |(mut follower, first)| async move {
        let batch = match first {
            Some(first) if !first.is_empty() => first,
            _ => follower.next().await?,
        };
        follower.note(&batch);
        Some((batch, (follower, None)))
    });
    batches.flat_map(|batch| stream::iter(batch.into_iter().filter_map(event).map(Ok)))
}

struct Follower {
    app: Shared,
    order: OrderId,
    after: i64,
    pause: Duration,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The events after the last one; none at the end of the checkout, the server, or the database.
    async fn next(&mut self) -> Option<Vec<OrderEvent>> {
        while !self.ended {
            tokio::select! {
                () = tokio::time::sleep(self.pause) => {}
                () = self.app.stopped() => return None,
            }
            let (shared, order, after) = (Shared::clone(&self.app), self.order, self.after);
            let looked = self.app.finish(async move {
                let mut conn = shared.pool.acquire().await?;
                Ok(orders::events(&mut conn, order, after).await?)
            });
            match looked.await {
                Ok(news) if news.is_empty() => {
                    self.pause = self.pause.saturating_mul(2).min(LONG_PAUSE);
                }
                Ok(news) => return Some(news),
                Err(error) => {
                    tracing::warn!(error = ?error, order.id = %order, "a status stream broke off");
                    return None;
                }
            }
        }
        None
    }

    fn note(&mut self, batch: &[OrderEvent]) {
        if let Some(last) = batch.last() {
            self.after = last.event_id;
            self.ended = has_ended(last.to);
            self.pause = SHORT_PAUSE;
        }
    }
}

fn event(event: OrderEvent) -> Option<Event> {
    let change = Change { status: event.to, reason_code: event.reason, at: event.at };
    let named = Event::default().event("status").id(event.event_id.to_string());
    named.json_data(change).ok()
}

fn last_seen(headers: &HeaderMap) -> ApiResult<i64> {
    let Some(given) = headers.get("last-event-id") else { return Ok(0) };
    let number = given.to_str().ok().and_then(|text| text.parse().ok());
    number
        .filter(|number| *number >= 0)
        .ok_or_else(|| ApiError::field("Last-Event-ID", "not the id of an event"))
}
