//! What a viewer never sees, whatever a page shows: addresses, and numbers as long as a telephone's
//! or a card's, however they are grouped. Recorded values are hidden before; this is for the words of
//! errors and the names in links, where nobody can say beforehand what is in them.

mod numbers;

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use futures::StreamExt;
use futures::stream;

use self::numbers::{decoded, grouped, has_long_number};

const HIDDEN: &str = "hidden";
/// Bytes of plain text that are looked at together.
const LONGEST: usize = 16 * 1024;

/// What a page is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Json,
    Csv,
}

/// The page without what somebody of this name must not see, piece by piece as it comes. Streams
/// carry no words of runs.
pub(crate) fn veil(response: Response, name: &str) -> Response {
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
    parts.headers.remove(header::CONTENT_LENGTH);
    let veil = Veil::new(form, name);
    let pieces = body.into_data_stream().map(Some).chain(stream::iter([None]));
    let veiled = pieces.scan(veil, |veil, piece| {
        let out = match piece {
            Some(Ok(bytes)) => Ok(veil.more(&bytes)),
            // Whoever reads it is told that it broke off.
            Some(Err(error)) => Err(error),
            None => Ok(veil.end()),
        };
        std::future::ready(Some(out))
    });
    Response::from_parts(parts, Body::from_stream(veiled))
}

/// What of a page was read and not given on yet.
struct Veil {
    form: Form,
    name: String,
    /// The bytes of a character that is not whole yet.
    bytes: Vec<u8>,
    /// Plain words, with what stands between them.
    words: String,
    in_string: bool,
    escaped: bool,
}

impl Veil {
    fn new(form: Form, name: &str) -> Self {
        let (bytes, words) = (Vec::new(), String::new());
        Self { form, name: name.to_owned(), bytes, words, in_string: false, escaped: false }
    }

    /// What can be given on, now that this has come.
    fn more(&mut self, bytes: &[u8]) -> String {
        self.bytes.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.bytes) {
            Ok(_) => self.bytes.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => self.bytes.len(),
        };
        let rest = self.bytes.split_off(whole);
        let text = String::from_utf8_lossy(&std::mem::replace(&mut self.bytes, rest)).into_owned();
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            self.take(c, &mut out);
        }
        out
    }

    /// What is left at the end.
    fn end(&mut self) -> String {
        let mut out = String::new();
        self.give(&mut out);
        out
    }

    fn take(&mut self, c: char, out: &mut String) {
        let of_escape = self.form == Form::Json && self.escaped;
        if !of_escape && (is_of_word(c) || is_between(c)) {
            // A word that long is cut where it cannot be part of a number.
            if self.words.len() >= LONGEST && !c.is_numeric() {
                self.give(out);
            }
            self.words.push(c);
            self.escaped = false;
            return;
        }
        self.give(out);
        self.in_string ^= c == '"' && !self.escaped;
        self.escaped = c == '\\' && !self.escaped;
        out.push(c);
    }

    /// Gives the words on, without what must not be seen.
    fn give(&mut self, out: &mut String) {
        let words = std::mem::take(&mut self.words);
        let mut rest = words.as_str();
        while let Some(first) = rest.chars().next() {
            let end = if let Some(length) = grouped(rest) {
                out.push_str(self.hidden());
                length
            } else if is_of_word(first) {
                let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                let (word, _) = rest.split_at(length);
                out.push_str(if self.hides(word) { self.hidden() } else { word });
                length
            } else {
                out.push(first);
                first.len_utf8()
            };
            (_, rest) = rest.split_at(end);
        }
    }

    fn hides(&self, word: &str) -> bool {
        if word == self.name {
            return false;
        }
        let plain = decoded(word);
        let has_number = |text: &str| {
            let starts = text.char_indices().map(|(at, _)| text.split_at(at));
            let mut starts = starts.filter(|(before, _)| numbers::may_begin(before));
            starts.any(|(_, rest)| grouped(rest).is_some())
        };
        is_address(&plain) || has_long_number(word) || plain != word && has_number(&plain)
    }

    fn hidden(&self) -> &'static str {
        match self.form {
            // A number, which a word without quotes cannot stand for.
            Form::Json if !self.in_string => "\"hidden\"",
            Form::Json | Form::Html | Form::Csv => HIDDEN,
        }
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '@' | '.' | '_' | '%' | '+' | '-')
}

/// What may stand between the groups of one number.
fn is_between(c: char) -> bool {
    matches!(c, ' ' | '(' | ')' | '\u{a0}' | '\u{202f}')
}

fn is_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(who, _)| !who.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn veiled(text: &str, form: Form) -> String {
        let mut whole = Veil::new(form, "eve@shop.example");
        let mut out = whole.more(text.as_bytes());
        out.push_str(&whole.end());
        // The same, however it is cut.
        let mut cut = Veil::new(form, "eve@shop.example");
        let mut pieces: String = text.as_bytes().chunks(1).map(|piece| cut.more(piece)).collect();
        pieces.push_str(&cut.end());
        assert_eq!(pieces, out, "{text}");
        out
    }

    fn html(text: &str) -> String {
        veiled(text, Form::Html)
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
        assert_eq!(
            html("tel9876543210, ९८७६५४३२१०"),
            "hidden, hidden",
            "with letters, in any script"
        );
        let json = |text| veiled(text, Form::Json);
        assert_eq!(json("{\"a\":\"4111111111111111\"}"), "{\"a\":\"hidden\"}");
        assert_eq!(json("{\"a\":4111111111111111}"), "{\"a\":\"hidden\"}", "it stays JSON");
        assert_eq!(json("[\"a\\n9876543210\"]"), "[\"a\\nhidden\"]");
    }

    #[test]
    fn numbers_written_in_groups_are_hidden_as_one() {
        for number in [
            "+91 98765 43210",
            "98765 43210",
            "+91-98765-43210",
            "(022) 2765 4321",
            "022-2765-4321",
            "+1 (415) 555-0132",
            "1 415 555 0132",
            "415.555.0132",
            "98 76 54 32 10",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "3782 822463 10005",
            "+44 20 7946 0958",
            "98765\u{a0}43210",
        ] {
            assert_eq!(html(&format!("call {number} now")), "call hidden now", "{number}");
            assert_eq!(html(&format!("<b>{number}</b>")), "<b>hidden</b>", "{number}");
        }
        assert_eq!(html("?attr.phone=%2B91+98765+43210&x"), "?attr.phone=hidden&x");
        assert_eq!(html("?attr.phone=98765%2043210&x"), "?attr.phone=hidden&x");
        let json = veiled("{\"a\":\"call\\n98765 43210\",\"b\":[12345, 67890]}", Form::Json);
        assert_eq!(json, "{\"a\":\"call\\nhidden\",\"b\":[12345, 67890]}");
    }

    #[test]
    fn what_a_page_needs_stays() {
        for kept in [
            "<input value=\"0192f0c1-7f7e-7c3a-9a51-123456789012\">",
            "<input value=\"01920001-7000-7000-9000-123456789012\">",
            "<div data-now=\"2026-11-20T18:00:00.123Z\">",
            "run 0192f0c1-7f7e-7c3a-9a51-123456789012 of order MG-2026-000081",
            "2026-11-20 10:00:00 UTC, 1,000,000 runs",
            "before=2026-11-20T10:00:00.123456Z",
            "from 2026-11-20 18 runs, 1 234 567 890 bytes",
            "eve@shop.example",
            "<input value=\"a6012345678901234b\">",
            "<svg viewBox=\"0 0 1000 1340\"><path d=\"M120.5 40v26M124.5 40v26\"/>",
            "127.0.0.1:5432, 192.168.100.104 and version 15.18",
            "30 18 * * 1-5, attempt 3 of 10 in 1200 ms",
        ] {
            assert_eq!(html(kept), kept);
        }
    }
}
