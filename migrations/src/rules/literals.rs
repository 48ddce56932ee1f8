//! Finds the SQL in Rust source: string literals that begin like a statement.
//! Never looks into comments.

/// The string literals of `source` that begin with select, insert, update, delete or with.
pub fn literals_in(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut in_word = false;
    while let Some(first) = rest.chars().next() {
        let mut literal = None;
        let after = if rest.starts_with("//") {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if rest.starts_with("/*") {
            rest.split_once("*/").map_or("", |(_, after)| after)
        } else if first == '\'' {
            after_quote(rest)
        } else if first == '"' {
            let (text, after) = plain(skip(rest, 1));
            literal = Some(text);
            after
        } else if let Some((text, after)) = raw(rest).filter(|_| !in_word) {
            literal = Some(text.to_owned());
            after
        } else {
            skip(rest, first.len_utf8())
        };
        found.extend(literal.filter(|text| is_statement(text)));
        in_word = first.is_alphanumeric() || first == '_';
        rest = after;
    }
    found
}

fn is_statement(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or("").to_lowercase();
    let several = text.split_whitespace().nth(1).is_some();
    several && matches!(first.as_str(), "select" | "insert" | "update" | "delete" | "with")
}

fn skip(rest: &str, bytes: usize) -> &str {
    rest.get(bytes..).unwrap_or("")
}

/// What follows a character literal, or the quote of a lifetime.
fn after_quote(rest: &str) -> &str {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let after = skip(rest, at + escaped.len_utf8());
            after.split_once('\'').map_or("", |(_, after)| after)
        }
        (Some(_), Some((at, '\''))) => skip(rest, at + 1),
        _ => skip(rest, 1),
    }
}

/// A raw literal that begins here, and what follows it.
fn raw(rest: &str) -> Option<(&str, &str)> {
    let opening = rest.strip_prefix('r')?;
    let inside = opening.trim_start_matches('#');
    let hashes = opening.len() - inside.len();
    let closing = format!("\"{}", "#".repeat(hashes));
    inside.strip_prefix('"')?.split_once(&closing)
}

/// The text of a literal whose opening quote has been read, and what follows it.
fn plain(rest: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, skip(rest, at + 1)),
            '\\' => match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, '\n')) => {
                    let blank = chars.as_str().len() - chars.as_str().trim_start().len();
                    for _ in chars.as_str().chars().take(blank).collect::<Vec<_>>() {
                        chars.next();
                    }
                }
                Some((_, escaped)) => text.push(escaped),
                None => break,
            },
            other => text.push(other),
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found_in_plain_and_raw_literals_only() {
        let source = r##"
            // "select 1 from comment"
            /* "delete from comment" */
            fn f<'a>(c: char) -> bool { c == '"' || c == '\'' || c == 'x' }
            let a = "select 1
                     from t";
            let b = r#"update t set a = '"' where b"#;
            let c = "insert into t \
                     values (1)";
            let d = "hello select"; let e = "with"; let bar"";
        "##;
        let found = literals_in(source);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[1], "update t set a = '\"' where b");
        assert_eq!(found[2], "insert into t values (1)", "a continued line is one line");
    }
}
