//! What a viewer never sees, whatever a page shows: addresses, and numbers as long as a telephone's
//! or a card's. Recorded values are hidden before; this is for the words of errors and the names in
//! links, where nobody can say beforehand what is in them.

use axum::body::{Body, to_bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The largest page.
const LIMIT: usize = 64 * 1024 * 1024;
const HIDDEN: &str = "hidden";

/// The page without what somebody of this name must not see. Streams carry no words of runs.
pub(super) async fn veil(response: Response, name: &str) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_html = kind.starts_with("text/html");
    if !is_html && !kind.starts_with("text/csv") && !kind.starts_with("application/json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, LIMIT).await else {
        tracing::error!("a page is too large to be shown to a viewer");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let text = veiled(&String::from_utf8_lossy(&bytes), is_html, name);
    Response::from_parts(parts, Body::from(text))
}

fn veiled(text: &str, is_html: bool, name: &str) -> String {
    let (mut out, mut word) = (String::with_capacity(text.len()), String::new());
    let mut in_tag = false;
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, '@' | '.' | '_' | '%' | '+' | '-') {
            word.push(c);
            continue;
        }
        end(&mut out, &mut word, in_tag, name);
        in_tag = is_html && (c == '<' || (in_tag && c != '>'));
        out.push(c);
    }
    end(&mut out, &mut word, in_tag, name);
    out
}

/// In a tag, a long number is a time or a place of a drawing.
fn end(out: &mut String, word: &mut String, in_tag: bool, name: &str) {
    let hide = word != name && (is_address(word) || (!in_tag && is_long_number(word)));
    out.push_str(if hide { HIDDEN } else { word });
    word.clear();
}

fn is_address(word: &str) -> bool {
    let parts = word.split_once('@').or_else(|| word.split_once("%40"));
    parts.is_some_and(|(who, _)| !who.is_empty())
}

fn is_long_number(word: &str) -> bool {
    let digits = word.trim_matches(['+', '.', '-']);
    (10..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        veiled(text, true, "eve@shop.example")
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
        assert_eq!(veiled("{\"a\":\"4111111111111111\"}", false, ""), "{\"a\":\"hidden\"}");
    }

    #[test]
    fn what_a_page_needs_stays() {
        for kept in [
            "<input value=\"0192f0c1-7f7e-7c3a-9a51-123456789012\">",
            "<div data-now=\"1763650000000\">",
            "run 0192f0c1-7f7e-7c3a-9a51-123456789012 of order MG-2026-000081",
            "2026-11-20 10:00:00 UTC, 1,000,000 runs",
            "eve@shop.example",
        ] {
            assert_eq!(html(kept), kept);
        }
    }
}
