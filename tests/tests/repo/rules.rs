//! Small rules on one file each: its first line, unfinished work, SQL and pools.

use crate::sources::Source;

/// A file begins with what it is for.
pub(crate) fn first_line(file: &Source) -> Vec<String> {
    let said = file.text.starts_with("//! ");
    if said { Vec::new() } else { vec!["its first line does not say what it is for".to_owned()] }
}

/// Marks of unfinished work, also in comments.
pub(crate) fn unfinished(file: &Source) -> Vec<String> {
    let marks = |line: &str| {
        let words: Vec<&str> =
            line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '!').collect();
        ["TODO", "FIXME", "XXX", "todo!", "unimplemented!"]
            .into_iter()
            .find(|mark| words.iter().any(|w| w == mark || w.trim_end_matches('!') == *mark))
    };
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(index, line)| Some(format!("{} in line {}", marks(line)?, index + 1)))
        .collect()
}

/// A statement outside the stores.
pub(crate) fn sql(file: &Source) -> Vec<String> {
    let calls = ["sqlx::query", "sqlx::raw_sql", "QueryBuilder", "query_scalar(", "query_as("];
    with_any(file, &calls)
}

/// A pool that is made where requests or steps are served.
pub(crate) fn pools(file: &Source) -> Vec<String> {
    let opens = ["PgPoolOptions", "PgPool::connect", "PgConnection::connect", "Pool::<Postgres>"];
    let asks = [".pool("];
    let may_open = ["engine/src/config.rs", "cli/src/"];
    let may_ask = [
        "engine/src/client.rs",
        "engine/src/replay_check.rs",
        "engine/src/runtime.rs",
        "cli/src/",
        "api/src/server.rs",
        "worker/src/process.rs",
    ];
    let among = |places: &[&str]| places.iter().any(|place| file.path.starts_with(place));
    let mut faults = Vec::new();
    if !among(&may_open) {
        faults.extend(with_any(file, &opens));
    }
    if !among(&may_ask) {
        faults.extend(with_any(file, &asks));
    }
    faults
}

fn with_any(file: &Source, words: &[&str]) -> Vec<String> {
    let found = |line: &str| words.iter().find(|word| line.contains(**word)).copied();
    file.lines().filter_map(|(n, line)| Some(format!("{} in line {n}", found(line)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn planted_faults_are_found() {
        assert_eq!(first_line(&source("a.rs", "use std::fs;\n//! Late.")).len(), 1);
        for text in ["// TODO: later", "todo!()", "unimplemented!(\"x\")", "/* FIXME */", "// XXX"]
        {
            assert_eq!(unfinished(&source("a.rs", text)).len(), 1, "{text}");
        }
        for text in ["sqlx::query(\"x\")", "sqlx::query_as::<_, A>(x)", "sqlx::raw_sql(x)"] {
            assert_eq!(sql(&source("api/src/v1/a.rs", text)).len(), 1, "{text}");
        }
        let opened = "let pool = PgPoolOptions::new();\nlet b = db.pool(\"a\", 1);";
        assert_eq!(pools(&source("store/src/orders.rs", opened)).len(), 2);
        assert_eq!(pools(&source("api/src/v1/orders.rs", opened)).len(), 2);
    }

    #[test]
    fn rightful_lines_are_left_alone() {
        assert!(first_line(&source("a.rs", "//! What it is.\n")).is_empty());
        for text in ["let method = TODO_LIST;", "let key = \"rzp_test_XXXX\";", "mod todo;"] {
            assert!(unfinished(&source("a.rs", text)).is_empty(), "{text}");
        }
        assert!(sql(&source("api/src/v1/a.rs", "//! No sqlx::query here.")).is_empty());
        assert!(pools(&source("cli/src/serve.rs", "PgPoolOptions::new()")).is_empty());
        assert!(pools(&source("engine/src/config.rs", "PgPoolOptions::new()")).is_empty());
    }
}
