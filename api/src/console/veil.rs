//! What a viewer never sees, whatever a page shows: addresses, and numbers as long as a telephone's
//! or a card's. Recorded values are hidden before; this is for the words of errors and the names in
//! links, where nobody can say beforehand what is in them.

use axum::body::{Body, to_bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

/// The largest page.
const LIMIT: usize = 64 * 1024 * 1024;
const HIDDEN: &str = "hidden";

/// What a page is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Json,
    Csv,
}

/// The page without what somebody of this name must not see. Streams carry no words of runs.
pub(crate) async fn veil(response: Response, name: &str) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let form = if kind.starts_with("text/html") {
        Form::Html
    } else if kind.starts_with("application/json") {
        Form::Json
    } else if kind.starts_with("text/csv") {
        Form::Csv
    } else {
        return response;
    };
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, LIMIT).await else {
        tracing::error!("a page is too large to be shown to a viewer");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let text = veiled(&String::from_utf8_lossy(&bytes), form, name);
    Response::from_parts(parts, Body::from(text))
}

fn veiled(text: &str, form: Form, name: &str) -> String {
    let (mut out, mut word) = (String::with_capacity(text.len()), String::new());
    let (mut in_string, mut escaped) = (false, false);
    let end = |out: &mut String, word: &mut String, in_string: bool| {
        // The page's own clock is a number too.
        let is_clock = form == Form::Html && out.ends_with("data-now=\"");
        let hide = word != name && !is_clock && (is_address(word) || has_long_number(word));
        match (hide, form == Form::Json && !in_string) {
            (false, _) => out.push_str(word),
            (true, false) => out.push_str(HIDDEN),
            // A number, which a word without quotes cannot stand for.
            (true, true) => out.push_str("\"hidden\""),
        }
        word.clear();
    };
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, '@' | '.' | '_' | '%' | '+' | '-') {
            word.push(c);
            escaped = false;
            continue;
        }
        end(&mut out, &mut word, in_string);
        in_string ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    end(&mut out, &mut word, in_string);
    out
}

fn is_address(word: &str) -> bool {
    let parts = word.split_once('@').or_else(|| word.split_once("%40"));
    parts.is_some_and(|(who, _)| !who.is_empty())
}

/// Also as a part, as in `card_4111111111111111`. A run's id has none, whatever its digits.
fn has_long_number(word: &str) -> bool {
    let is_long = |part: &str| {
        (10..=19).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    word.split(|c: char| !c.is_alphanumeric()).any(is_long) && Uuid::parse_str(word).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        veiled(text, Form::Html, "eve@shop.example")
    }

    #[test]
    fn addresses_and_long_numbers_are_hidden_wherever_they_stand() {
        assert_eq!(html("<p>no answer for a.b+c@x.example.</p>"), "<p>no answer for hidden</p>");
        assert_eq!(
            html("<a href=\"?attr.email=a%40x.example\">"),
            "<a href=\"?attr.email=hidden\">"
        );
        assert_eq!(html("<a title=\"success@upi\">"), "<a title=\"hidden\">");
        assert_eq!(html("card 4111111111111111, call +919876543210"), "card hidden, call hidden");
        assert_eq!(html("<a title=\"card_4111111111111111\">"), "<a title=\"hidden\">");
        assert_eq!(html("<a href=\"?attr.phone=9876543210\">"), "<a href=\"?attr.phone=hidden\">");
        let json = |text| veiled(text, Form::Json, "");
        assert_eq!(json("{\"a\":\"4111111111111111\"}"), "{\"a\":\"hidden\"}");
        assert_eq!(json("{\"a\":4111111111111111}"), "{\"a\":\"hidden\"}", "it stays JSON");
    }

    #[test]
    fn what_a_page_needs_stays() {
        for kept in [
            "<input value=\"0192f0c1-7f7e-7c3a-9a51-123456789012\">",
            "<div data-now=\"1763650000000\">",
            "run 0192f0c1-7f7e-7c3a-9a51-123456789012 of order MG-2026-000081",
            "2026-11-20 10:00:00 UTC, 1,000,000 runs",
            "eve@shop.example",
            "<input value=\"a6012345678901234b\">",
        ] {
            assert_eq!(html(kept), kept);
        }
    }
}
