//! What every page has: its frame, and the headers that protect it.

use askama::Template;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use sqlx::PgConnection;

use super::icons::Icon;
use super::live;
use super::look::Theme;
pub(crate) use super::problem::PageError;
use super::who::Operator;

/// What the layout shows around a page.
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) here: Here,
    pub(crate) who: Operator,
    pub(crate) theme: Theme,
    /// The address of the stream that tells when the page is another one, if it can be.
    pub(crate) live: Option<String>,
}

/// The entries of the menu.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Here {
    #[default]
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

    /// The word for it in an address.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Runs => "runs",
            Self::Account => "account",
            Self::Incidents => "incidents",
            Self::Workers => "workers",
            Self::Queues => "queues",
            Self::Schedules => "schedules",
            Self::Bulk => "bulk",
            Self::Audit => "audit",
        }
    }

    const fn entry(self, href: &'static str, label: &'static str, icon: Icon) -> Entry {
        Entry { here: self, href, label, icon }
    }
}

impl Frame {
    pub(crate) fn new(title: impl Into<String>, here: Here, who: Operator) -> Self {
        Self { title: title.into(), here, who, theme: Theme::current(), live: None }
    }

    /// Follows what it shows: read before everything that the page is made from.
    pub(crate) async fn live(
        conn: &mut PgConnection,
        title: impl Into<String>,
        here: Here,
        who: Operator,
    ) -> Result<Self, PageError> {
        let live = Some(live::address(conn, here).await?);
        Ok(Self { live, ..Self::new(title, here, who) })
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

/// Nothing from elsewhere is loaded, nothing inline runs, and nobody frames the page.
pub(super) async fn guard(response: Response) -> Response {
    guarded(response)
}

/// The same, for what is answered outside the console.
pub(super) fn guarded(mut response: Response) -> Response {
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
