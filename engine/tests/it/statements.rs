//! Every statement of the engine is understood by PostgreSQL and keeps the rules for cells.

use std::path::Path;

use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};

use crate::support::TestCell;

fn literals() -> Vec<(String, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut found = Vec::new();
    for path in files {
        let source = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let sql = migrations::rules::literals_in(&source);
        found.extend(sql.into_iter().map(|sql| (name.clone(), sql)));
    }
    found
}

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let cell = TestCell::new().await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let literals = literals();
    assert!(literals.len() > 25, "the whole store is read: {}", literals.len());
    for (file, sql) in literals {
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
fn sql_lives_in_the_store_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let known = ["wake.rs", "config.rs", "runtime.rs"];
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() || known.contains(&name.as_str()) {
            continue; // NOTIFY, and the settings of a connection.
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let mut code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        assert!(!code.any(|line| line.contains("sqlx::query")), "{name} has SQL of its own");
    }
}
