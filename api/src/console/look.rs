//! Light or dark, as the reader chose it: kept in a cookie, that of the system when there is none.

use axum::Form;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

const COOKIE: &str = "makegood_theme";

tokio::task_local! {
    static CURRENT: Theme;
}

/// The colours of the console.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    /// Those that the reader's system prefers.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// That of the request that is being answered.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(|theme| *theme).unwrap_or_default()
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::System => "Auto",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }

    /// The word for the page, when it is not the system's.
    pub(crate) fn forced(self) -> Option<&'static str> {
        (self != Self::System).then(|| self.word())
    }

    fn of(headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = cookies.flat_map(|line| line.split(';')).map(str::trim);
        let chosen = pairs.find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('='));
        Self::ALL.into_iter().find(|theme| Some(theme.word()) == chosen).unwrap_or_default()
    }
}

/// Every page knows the reader's choice.
pub(crate) async fn know(request: Request, next: Next) -> Response {
    let theme = Theme::of(request.headers());
    CURRENT.scope(theme, next.run(request)).await
}

#[derive(Deserialize)]
pub(crate) struct Choice {
    theme: Theme,
}

/// Keeps the choice for a year, and shows the page again that it was made on.
pub(crate) async fn choose(headers: HeaderMap, Form(choice): Form<Choice>) -> Response {
    let word = choice.theme.word();
    let cookie =
        format!("{COOKIE}={word}; Path=/console; Max-Age=31536000; SameSite=Lax; HttpOnly");
    ([(header::SET_COOKIE, cookie)], Redirect::to(&here(&headers))).into_response()
}

/// The page of the console that the request came from: its path and query alone, so that nobody
/// is sent elsewhere.
fn here(headers: &HeaderMap) -> String {
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let uri = referer.and_then(|referer| referer.parse::<axum::http::Uri>().ok());
    let page = uri.as_ref().and_then(|uri| uri.path_and_query()).map_or("", |page| page.as_str());
    if page == "/console" || page.starts_with("/console/") || page.starts_with("/console?") {
        page.to_owned()
    } else {
        "/console".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_cookie_says_the_colours_and_nothing_else_does() {
        let of = |value| Theme::of(&headers(header::COOKIE, value));
        assert_eq!(of("a=1; makegood_theme=dark"), Theme::Dark);
        assert_eq!(of("makegood_theme=\"><script>"), Theme::System, "an odd cookie is none");
        assert_eq!(of("makegood_themes=dark"), Theme::System, "nor is another's");
    }

    #[test]
    fn choosing_colours_leads_back_to_the_console_and_nowhere_else() {
        let back = |value| here(&headers(header::REFERER, value));
        assert_eq!(back("http://h:1/console/runs?state=STUCK"), "/console/runs?state=STUCK");
        assert_eq!(back("http://evil.example//evil.example/console"), "/console");
        assert_eq!(back("not a uri"), "/console");
    }
}
