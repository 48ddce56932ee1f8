//! Splits a file into statements, because a distributed server takes DDL one statement a call.
//! Never understands SQL beyond comments, quotes and `$$` bodies.

/// The statements of `sql`, without comments and without the closing `;`.
///
/// A statement ends at a `;` outside quotes, comments and dollar-quoted bodies.
pub fn statements(sql: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let piece = piece_length(rest, first);
        let (piece, after) = rest.split_at_checked(piece).unwrap_or((rest, ""));
        rest = after;
        if piece.starts_with("--") || piece.starts_with("/*") {
            current.push(' ');
        } else if piece == ";" {
            keep(&mut found, &mut current);
        } else {
            current.push_str(piece);
        }
    }
    keep(&mut found, &mut current);
    found
}

fn keep(found: &mut Vec<String>, current: &mut String) {
    let statement = current.trim();
    if !statement.is_empty() {
        found.push(statement.to_owned());
    }
    current.clear();
}

/// The length in bytes of what begins here: a comment, a quoted text, a body, or one character.
pub(crate) fn piece_length(rest: &str, first: char) -> usize {
    let closed_by = |opening: usize, closing: &str| {
        let inside = rest.get(opening..).unwrap_or("");
        inside.find(closing).map_or(rest.len(), |at| opening + at + closing.len())
    };
    match first {
        '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
        '/' if rest.starts_with("/*") => closed_by(2, "*/"),
        '\'' => closed_by(1, "'"),
        '"' => closed_by(1, "\""),
        '$' => dollar_tag(rest).map_or(1, |tag| closed_by(tag.len(), tag)),
        other => other.len_utf8(),
    }
}

/// The opening tag of a dollar-quoted body: `$$` or `$name$`, but not a parameter like `$1`.
fn dollar_tag(rest: &str) -> Option<&str> {
    let name = rest.get(1..)?;
    let end = name.find('$')?;
    let name = name.get(..end)?;
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_number = name.starts_with(|c: char| c.is_ascii_digit());
    if plain && !is_number { rest.get(..end + 2) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_a_semicolon() {
        assert_eq!(statements("a;\nb\n c;\n"), ["a", "b\n c"]);
        assert_eq!(statements("a"), ["a"], "the last one needs none");
        assert!(statements(" ;; -- nothing\n").is_empty(), "nothing is no statement");
    }

    #[test]
    fn semicolons_in_bodies_quotes_and_comments_end_nothing() {
        let sql =
            "create function f() returns trigger as $$ begin; end; $$;\nselect ';', $1; -- x;\n";
        let found = statements(sql);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|s| !s.contains("--")), "comments are dropped");
        assert_eq!(statements("do $a$ x; $b$ ; $a$; y").len(), 2, "a tag ends only itself");
        assert_eq!(statements("/* a; */ b; \"c;d\"").len(), 2);
        assert_eq!(statements("values ('it''s; fine'); c").len(), 2, "doubled quotes");
        assert_eq!(statements("select $1; select $2").len(), 2, "parameters are no tags");
    }

    #[test]
    fn an_unclosed_quote_takes_the_rest_and_does_not_panic() {
        assert_eq!(statements("select 'a; b"), ["select 'a; b"]);
        assert_eq!(statements("$$ a; \u{e9}"), ["$$ a; \u{e9}"]);
    }
}
