//! When there is no page: why, with the status that says so to programs, and what to do next.
//! Whatever refuses a request of the console, the answer is a page like this one.

use askama::Template;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::look::Theme;
use super::page::guarded;
use crate::error::ApiError;

/// The largest form: the largest JSON that a verb takes, as a form spells it.
pub(super) const FORM_LIMIT: usize = 1024 * 1024;
/// The most that an extractor says of what it cannot use.
const WORDS_LIMIT: usize = 4 * 1024;
/// For how many seconds to leave a database alone that is busy.
const REST_SECS: &str = "5";

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum PageError {
    /// There is nothing of that name.
    NotFound(String),
    /// Whoever asks may not.
    Forbidden(String),
    /// What was sent cannot be used.
    Invalid(String),
    /// This address takes no request of that method.
    WrongMethod,
    /// It cannot be done to what is there now.
    Conflict(String),
    /// What was sent is too large.
    TooLarge(String),
    /// The database is busy, away, or has not answered in time.
    Busy,
    /// Something of ours is broken; the log has it under the request's id.
    Internal,
}

impl PageError {
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a page cannot be drawn");
        Self::Internal
    }

    fn told(self) -> (StatusCode, &'static str, String) {
        match self {
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "Not found", what),
            Self::Forbidden(why) => (StatusCode::FORBIDDEN, "You may not do this", why),
            Self::Invalid(why) => (StatusCode::BAD_REQUEST, "This cannot be used", why),
            Self::WrongMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "This cannot be used",
                "This address takes no such request; nothing was done.".to_owned(),
            ),
            Self::Conflict(why) => (StatusCode::CONFLICT, "This cannot be done now", why),
            Self::TooLarge(why) => (StatusCode::PAYLOAD_TOO_LARGE, "This is too large", why),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The database did not answer in time",
                "It is busy, or away for a moment. Wait a little and load the page again; a list \
                 answers sooner when it is narrowed. Of what you sent, look whether it was done \
                 before you send it again."
                    .to_owned(),
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "This page failed",
                "Nothing was changed. Try again; the log has the cause under the request's id."
                    .to_owned(),
            ),
        }
    }
}

impl From<sqlx::Error> for PageError {
    fn from(error: sqlx::Error) -> Self {
        ApiError::from(error).into()
    }
}

impl From<store::Error> for PageError {
    fn from(error: store::Error) -> Self {
        ApiError::from(error).into()
    }
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unavailable(source) => {
                tracing::warn!(error = %source, "a page cannot be drawn now");
                Self::Busy
            }
            ApiError::Stopping | ApiError::Timeout => Self::Busy,
            error => Self::internal(error),
        }
    }
}

impl From<makegood::Error> for PageError {
    fn from(error: makegood::Error) -> Self {
        use makegood::Error;
        match error {
            Error::RunNotFound(run_id) => Self::NotFound(format!("There is no run {run_id}.")),
            Error::BulkNotFound(_) => Self::NotFound("There is no such bulk action.".to_owned()),
            error @ (Error::Refused { .. } | Error::InputConflict { .. }) => {
                Self::Conflict(format!("{error}."))
            }
            error @ Error::TooLarge { .. } => Self::TooLarge(format!("{error}.")),
            error => ApiError::from(error).into(),
        }
    }
}

#[derive(Template)]
#[template(path = "console/problem.html")]
struct Problem {
    title: &'static str,
    message: String,
    request_id: String,
    theme: Theme,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let (status, title, message) = self.told();
        draw(status, title, message)
    }
}

fn draw(status: StatusCode, title: &'static str, message: String) -> Response {
    let request_id = crate::observe::request_id();
    let problem = Problem { title, message, request_id, theme: Theme::current() };
    let mut response = match problem.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => status.into_response(),
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(REST_SECS));
    }
    response
}

/// Before and after every page: nothing comes in that no row can hold, and what an extractor
/// refuses in plain words is told on a page.
pub(super) async fn frame(request: Request, next: Next) -> Response {
    let response = match storable(request).await {
        Ok(request) => next.run(request).await,
        Err(error) => return error.into_response(),
    };
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !response.status().is_client_error() || !kind.is_some_and(|k| k.starts_with(b"text/plain")) {
        return response;
    }
    let status = response.status();
    let words = to_bytes(response.into_body(), WORDS_LIMIT).await.unwrap_or_default();
    let words =
        format!("{}. Nothing was done.", String::from_utf8_lossy(&words).trim_end_matches('.'));
    draw(status, "This cannot be used", words)
}

/// The request, whose form is not too large, and which has no NUL: no text of PostgreSQL holds one.
async fn storable(request: Request) -> Result<Request, PageError> {
    let nul = || {
        PageError::Invalid(
            "It has a NUL character, which no name and no text here can have. Nothing was done."
                .to_owned(),
        )
    };
    let asked = request.uri().path_and_query().map_or("", |asked| asked.as_str());
    if asked.contains("%00") {
        return Err(nul());
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, FORM_LIMIT).await.map_err(|_| {
        PageError::TooLarge(format!(
            "The form is larger than {FORM_LIMIT} bytes; nothing was done."
        ))
    })?;
    if bytes.contains(&0) || bytes.windows(3).any(|three| three == b"%00") {
        return Err(nul());
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// What a request of the console is told that never came to its page, or did not come back.
pub(crate) fn told(error: ApiError) -> Response {
    guarded(PageError::from(error).into_response())
}

/// There is nothing at this address.
pub(super) async fn nothing() -> PageError {
    PageError::NotFound("The console has no page at this address.".to_owned())
}

/// This address takes other requests.
pub(super) async fn wrong_method() -> PageError {
    PageError::WrongMethod
}
