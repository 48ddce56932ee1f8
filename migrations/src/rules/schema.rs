//! What the migration files say of tables: their names, and columns whose default is a function.
//! Never asks a database.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::tokens::Tokens;
use crate::{FILES, statements};

/// The columns of `table` whose default is `now()`.
pub(super) fn timed_columns(table: &str) -> Vec<String> {
    tables().get(table).cloned().unwrap_or_default()
}

/// Whether a migration makes a table of this name.
pub(super) fn is_table(word: &str) -> bool {
    tables().contains_key(word)
}

fn tables() -> &'static BTreeMap<String, Vec<String>> {
    static TABLES: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tables = BTreeMap::<String, Vec<String>>::new();
        for statement in FILES.iter().flat_map(|file| statements(file.sql)) {
            let tokens = Tokens::read(&statement);
            let (table, columns) = match (tokens.word(0), tokens.word(1)) {
                (Some("create" | "alter"), Some("table")) => (tokens.word(2), timed(&tokens)),
                (Some("create"), Some("unlogged")) => (tokens.word(3), timed(&tokens)),
                _ => (None, Vec::new()),
            };
            if let Some(table) = table {
                tables.entry(table.to_owned()).or_default().extend(columns);
            }
        }
        tables
    })
}

/// The columns with `default now()`, of CREATE TABLE and of ALTER TABLE .. ADD COLUMN.
fn timed(tokens: &Tokens) -> Vec<String> {
    let mut found = Vec::new();
    let mut column = String::new();
    for (at, token) in tokens.iter() {
        let begins = match tokens.before(at) {
            "(" | "," => token.depth == 1,
            "column" => true,
            _ => false,
        };
        if begins {
            column.clone_from(&token.text);
        }
        if token.text == "now" && tokens.before(at) == "default" {
            found.push(column.clone());
        }
    }
    found
}
