//! Lets a request in once it is there as a whole, and only so many at once; more are told to come
//! back. A client that sends slowly keeps its connection busy, and nothing else.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt;
use tokio::time::timeout;

use crate::app::Shared;
use crate::error::{ApiError, ApiResult};

/// A body that is too large is heard to the end, as long as it is no more often too large than
/// this: who is still sending would find the connection reset, and not the answer.
const HEARD: usize = 64;

/// The largest body that is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(pub(crate) usize);

/// Reads the body to its end, takes a place, and has the request answered.
pub(crate) async fn take_in(
    State((app, limit)): State<(Shared, Limit)>,
    request: Request,
    next: Next,
) -> ApiResult<Response> {
    let request = whole(request, limit, app.config.body_timeout).await?;
    let Ok(_place) = app.places.try_acquire() else {
        metrics::counter!("makegood_http_shed_total").increment(1);
        return Err(ApiError::Overloaded);
    };
    Ok(next.run(request).await)
}

/// The request with its body in memory.
async fn whole(request: Request, Limit(limit): Limit, within: Duration) -> ApiResult<Request> {
    let heard = limit.saturating_mul(HEARD);
    if declared(request.headers()).is_some_and(|bytes| bytes > heard) {
        return Err(ApiError::TooLarge { limit });
    }
    let (parts, body) = request.into_parts();
    let read = timeout(within, read(body, limit, heard)).await;
    let bytes = read.map_err(|_| ApiError::BodyTooSlow)??;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

async fn read(body: Body, limit: usize, heard: usize) -> ApiResult<Vec<u8>> {
    let mut chunks = body.into_data_stream();
    let (mut kept, mut length) = (Vec::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| ApiError::request("the body ended early, or is no body"))?;
        length = length.saturating_add(chunk.len());
        if length <= limit {
            kept.extend_from_slice(&chunk);
        }
        if length > heard {
            break;
        }
    }
    if length > limit { Err(ApiError::TooLarge { limit }) } else { Ok(kept) }
}

fn declared(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
