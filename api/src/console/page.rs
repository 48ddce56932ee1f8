//! What every page has: its frame, the headers that protect it, and what an error looks like.

use std::error::Error;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::icons::Icon;
use super::look::Theme;
use super::who::Operator;
use crate::error::ApiError;

/// What the layout shows around a page.
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) here: Here,
    pub(crate) who: Operator,
    pub(crate) theme: Theme,
}

/// The entries of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Here {
    Overview,
    Runs,
    Account,
    Incidents,
    Workers,
    Queues,
    Schedules,
    Bulk,
    Audit,
}

/// One entry of the menu.
pub(crate) struct Entry {
    pub(crate) here: Here,
    pub(crate) href: &'static str,
    pub(crate) label: &'static str,
    pub(crate) icon: Icon,
}

impl Here {
    /// The menu, in its order.
    const MENU: &[Entry] = &[
        Self::Overview.entry("/console", "Overview", Icon::Home),
        Self::Runs.entry("/console/runs", "Runs", Icon::List),
        Self::Incidents.entry("/console/incidents", "Incidents", Icon::Alert),
        Self::Workers.entry("/console/workers", "Workers", Icon::Machine),
        Self::Queues.entry("/console/queues", "Queues", Icon::Stack),
        Self::Schedules.entry("/console/schedules", "Schedules", Icon::Calendar),
        Self::Bulk.entry("/console/bulk", "Bulk actions", Icon::Retry),
        Self::Audit.entry("/console/audit", "Audit", Icon::Person),
    ];

    const fn entry(self, href: &'static str, label: &'static str, icon: Icon) -> Entry {
        Entry { here: self, href, label, icon }
    }
}

impl Frame {
    pub(crate) fn new(title: impl Into<String>, here: Here, who: Operator) -> Self {
        Self { title: title.into(), here, who, theme: Theme::current() }
    }
}

/// What the layout draws, so that no page's template needs more than its frame.
#[expect(clippy::unused_self, reason = "a template calls methods of what it is given")]
impl Frame {
    pub(crate) fn brand(&self) -> Icon {
        Icon::Loop
    }

    pub(crate) fn person(&self) -> Icon {
        Icon::Person
    }

    /// By which a page corrects the reader's clock.
    pub(crate) fn now(&self) -> String {
        chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }

    pub(crate) fn menu(&self) -> &'static [Entry] {
        Here::MENU
    }

    pub(crate) fn themes(&self) -> [Theme; 3] {
        Theme::ALL
    }
}

/// A page that was drawn, or the reason why not.
pub(crate) type Page = Result<Response, PageError>;

/// Draws a template.
pub(crate) fn draw(template: &impl Template) -> Page {
    let html = template.render().map_err(PageError::internal)?;
    Ok(Html(html).into_response())
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum PageError {
    /// There is nothing of that name.
    NotFound(String),
    /// Whoever asks may not.
    Forbidden(String),
    /// What was sent cannot be used.
    Invalid(String),
    /// The database cannot be reached, or is busy.
    Busy,
    /// Something of ours is broken; the log has it under the request's id.
    Internal,
}

impl PageError {
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a page cannot be drawn");
        Self::Internal
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
        if error.is_passing() {
            tracing::warn!(%error, cause = error.source().map(tracing::field::display), "a page has to wait");
            return Self::Busy;
        }
        Self::internal(error)
    }
}

impl From<makegood::Error> for PageError {
    fn from(error: makegood::Error) -> Self {
        ApiError::from(error).into()
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
        let (status, title, message) = match self {
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "Not found", what),
            Self::Forbidden(why) => (StatusCode::FORBIDDEN, "You may not do this", why),
            Self::Invalid(why) => (StatusCode::BAD_REQUEST, "This cannot be used", why),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The database does not answer",
                "It is away, or has too much to do. Try again in a moment; if you were about to \
                 change something, look first whether it is done."
                    .to_owned(),
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "This page failed",
                "Nothing was changed. Try again; the log has the cause under the request's id."
                    .to_owned(),
            ),
        };
        let request_id = crate::observe::request_id();
        let problem = Problem { title, message, request_id, theme: Theme::current() };
        match problem.render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => status.into_response(),
        }
    }
}

/// Nothing from elsewhere is loaded, nothing inline runs, and nobody frames the page.
pub(crate) async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
