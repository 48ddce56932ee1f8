//! Every statement of the store is understood by the database and keeps the rules for cells.
#![expect(clippy::unwrap_used, reason = "test helpers stop at the first fault")]

mod support;

use std::fs;
use std::path::Path;

use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use support::test_database;

fn literals() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let sql = migrations::rules::literals_in(&source);
            found.extend(sql.into_iter().map(|sql| (name.clone(), sql)));
        }
    }
    found
}

#[test]
fn the_statements_are_found() {
    let source = include_str!("../src/outbox.rs");
    let queries = source.matches("sqlx::query(").count();
    let found = migrations::rules::literals_in(source).len();
    assert_eq!(found, queries, "each query of a file is one literal");
    assert!(literals().len() > 60, "the whole crate is read");
}

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let db = test_database().await;
    let mut conn = db.conn().await;
    for (file, sql) in literals() {
        let prepared = conn.prepare(AssertSqlSafe(sql.clone()).into_sql_str()).await;
        assert!(prepared.is_ok(), "{file}: {sql}\n{:?}", prepared.err());
    }
}

#[test]
fn every_statement_keeps_the_rules_for_cells() {
    for (file, sql) in literals() {
        assert_eq!(migrations::rules::check_statement(&sql), [], "{file}: {sql}");
    }
}

#[test]
fn statements_are_lower_case() {
    for (file, sql) in literals() {
        for word in ["SELECT", "INSERT", "UPDATE", "DELETE", "FROM", "WHERE", "RETURNING"] {
            let shouted = sql.split_whitespace().any(|w| w == word);
            assert!(!shouted, "{file}: {word} in {sql}");
        }
    }
}
