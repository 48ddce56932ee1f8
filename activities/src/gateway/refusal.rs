//! What an error body says, in whichever of its shapes it comes.
//! It never decides what the error means: that is in `error`.

use serde_json::Value;

/// The longest description kept, in characters.
const DESCRIPTION_LIMIT: usize = 200;

/// The words of a refusal that we keep.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) description: Option<String>,
}

impl Refusal {
    /// The one place where a description decides: the gateway documents refused keys as a plain
    /// bad request with this text, and undoing every sale for it would be worse.
    pub(super) fn is_about_keys(&self) -> bool {
        self.description.as_deref().is_some_and(|text| {
            text.trim_end_matches('.').eq_ignore_ascii_case("authentication failed")
        })
    }
}

/// Reads an error body: the error object, `{message}`, or a bare string. `None` if it is none of
/// these, so not the gateway's own (a proxy's page of HTML, or nothing).
pub(super) fn read(body: &[u8]) -> Option<Refusal> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        let is_sentence = !text.is_empty() && !text.starts_with(['<', '{', '[', '"']);
        return is_sentence.then(|| Refusal { description: shortened(text), ..Refusal::default() });
    };
    let word = |field: &str| {
        let word = value.get("error").and_then(|error| error.get(field)).and_then(Value::as_str);
        word.and_then(meaningful).and_then(shortened)
    };
    let description = word("description").or_else(|| {
        let bare = value.as_str().or_else(|| value.get("error").and_then(Value::as_str));
        bare.or_else(|| value.get("message").and_then(Value::as_str)).and_then(shortened)
    });
    let refusal = Refusal { code: word("code"), reason: word("reason"), description };
    (refusal != Refusal::default()).then_some(refusal)
}

/// The gateway writes "nothing" as null, as an empty string or as `NA`.
pub(super) fn meaningful(word: &str) -> Option<&str> {
    (!word.is_empty() && word != "NA").then_some(word)
}

fn shortened(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(DESCRIPTION_LIMIT).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> Refusal {
        Refusal { description: Some(text.to_owned()), ..Refusal::default() }
    }

    #[test]
    fn every_shape_of_an_error_body_is_read() {
        let full = br#"{"error":{"code":"BAD_REQUEST_ERROR","description":"Too low","field":null,
            "source":"business","step":"NA","reason":"amount_too_low","metadata":[]}}"#;
        let refusal = read(full).unwrap();
        assert_eq!(refusal.code.as_deref(), Some("BAD_REQUEST_ERROR"));
        assert_eq!(refusal.reason.as_deref(), Some("amount_too_low"));
        assert_eq!(refusal.description.as_deref(), Some("Too low"));
        assert_eq!(read(br#"{"message":"no Route"}"#), Some(described("no Route")));
        assert_eq!(read(br#"{"error":"nope"}"#), Some(described("nope")));
        assert_eq!(read(br#""nope""#), Some(described("nope")));
        assert_eq!(read(b"nope\r\n"), Some(described("nope")));
    }

    #[test]
    fn nothing_is_said_by_a_page_an_empty_body_or_a_fragment() {
        for body in ["", "  ", "<html>No</html>", "{\"error\":{\"co", "{}", "null", "[]", "7"] {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(read(&[0xff, 0xfe]), None, "not text");
    }

    #[test]
    fn a_description_is_kept_short_and_in_one_line() {
        let kept = read("x\ny".repeat(300).as_bytes()).unwrap().description.unwrap();
        assert_eq!(kept.chars().count(), DESCRIPTION_LIMIT);
        assert!(!kept.contains('\n'), "a log line stays one line");
    }

    #[test]
    fn an_absent_reason_has_three_spellings() {
        for reason in ["null", "\"\"", "\"NA\""] {
            let body = format!(r#"{{"error":{{"code":"SERVER_ERROR","reason":{reason}}}}}"#);
            assert_eq!(read(body.as_bytes()).unwrap().reason, None, "{reason}");
        }
    }
}
