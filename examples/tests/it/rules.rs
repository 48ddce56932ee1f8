//! The statements of the examples keep the rules for cells, like all others.

use std::path::Path;

use migrations::rules::{check_statement, literals_in};

#[test]
fn the_tables_keep_the_rules_for_cells() {
    let tables = migrations::statements(include_str!("../../tables.sql"));
    assert!(tables.len() > 4, "the tables are read: {tables:?}");
    for table in tables {
        assert_eq!(check_statement(&table), [], "{table}");
    }
}

#[test]
fn the_statements_keep_the_rules_for_cells() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut statements = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                statements.extend(literals_in(&std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(statements.len() > 8, "the statements are found: {statements:?}");
    for statement in statements {
        assert_eq!(check_statement(&statement), [], "{statement}");
    }
}
