//! The repository keeps its own rules: layout, first lines, unfinished work, SQL, addresses, secrets.
//! Reads files only. Each rule is a function with planted faults beside it.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod addresses;
mod documented;
mod rules;
mod secrets;
mod sources;

use std::collections::BTreeSet;
use std::fs;

use sources::{SHIPPED, Source, root, shipped, tree};

/// The folders of the top level; the first six are fixed, for whoever looks for them by name.
const FOLDERS: &[&str] = &[
    "workflows",
    "activities",
    "api",
    "worker",
    "migrations",
    "tests",
    "engine",
    "domain",
    "store",
    "cli",
    "devpg",
    "gateway-sandbox",
    "bench",
    "docs",
];

/// Every fault that `rule` finds in `files`, with its place.
fn all<'a>(
    files: impl IntoIterator<Item = &'a Source>,
    rule: impl Fn(&Source) -> Vec<String>,
) -> Vec<String> {
    let place = |file: &Source| {
        let found = rule(file);
        found.into_iter().map(|fault| format!("{}: {fault}", file.path)).collect::<Vec<_>>()
    };
    files.into_iter().flat_map(place).collect()
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn the_top_level_holds_the_known_folders_and_no_other() {
    let hidden = |name: &String| name.starts_with('.') || name == "target";
    let entries = fs::read_dir(root()).unwrap().map(Result::unwrap);
    let found: BTreeSet<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !hidden(name))
        .collect();
    let known: BTreeSet<String> = FOLDERS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, known, "the layout is as ARCHITECTURE.md says");
    assert!(root().join("Cargo.toml").is_file(), "the workspace has one manifest at its top");
}

#[test]
fn every_rust_file_says_first_what_it_is_for() {
    let tree = tree();
    let rust: Vec<&Source> = tree.iter().filter(|file| file.is_rust()).collect();
    assert!(rust.len() > 150, "the whole tree is read, not {} files", rust.len());
    assert_eq!(all(rust, rules::first_line), none());
}

#[test]
fn shipped_code_is_finished() {
    let files = shipped();
    for folder in SHIPPED {
        let start = format!("{folder}/");
        assert!(files.iter().any(|file| file.path.starts_with(&start)), "{folder} is read");
    }
    assert_eq!(all(&files, rules::unfinished), none());
}

#[test]
fn the_api_holds_no_sql() {
    let files = shipped();
    let api = files.iter().filter(|file| file.path.starts_with("api/"));
    assert_eq!(all(api, rules::sql), none(), "statements stand in store/ or engine/src/store/");
}

#[test]
fn only_start_up_code_makes_pools() {
    assert_eq!(all(&shipped(), rules::pools), none());
}

#[test]
fn no_address_of_a_dependency_is_fixed_in_code() {
    assert_eq!(all(&shipped(), addresses::fixed), none(), "addresses are settings");
}

#[test]
fn no_secret_is_in_the_tree() {
    assert_eq!(all(&tree(), secrets::found), none());
}

#[test]
fn every_migration_is_listed_in_the_order_of_its_number() {
    let tree = tree();
    let list = tree.iter().find(|file| file.path == "migrations/src/files.rs").unwrap();
    let mut last = 0;
    let sql = tree.iter().filter(|file| file.is("sql"));
    let mut names: Vec<&str> =
        sql.filter_map(|file| file.path.strip_prefix("migrations/")).collect();
    names.sort_unstable();
    assert!(names.len() > 5, "the migrations are read: {names:?}");
    for name in names {
        let at = list.text.find(&format!("\"{name}\""));
        assert!(at.is_some_and(|at| at > last), "{name} is listed, after the ones before it");
        last = at.unwrap();
    }
}

#[test]
fn the_workflows_own_lint_settings_repeat_the_root_s() {
    let own = fs::read_to_string(root().join("workflows/clippy.toml")).unwrap();
    let general = fs::read_to_string(root().join("clippy.toml")).unwrap();
    let lacking: Vec<&str> = general.lines().filter(|line| !own.contains(line)).collect();
    assert_eq!(lacking, [""; 0], "clippy reads only the nearest of the two files");
}

#[test]
fn the_operators_document_lists_every_metric_and_no_other() {
    let document = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let metrics = |file: &Source| documented::metrics(&file.shipped_text());
    let emitted: BTreeSet<String> = shipped().iter().flat_map(metrics).collect();
    assert!(emitted.len() > 10, "the metrics are found: {emitted:?}");
    assert_eq!(documented::listed(&document, "makegood_"), emitted);
}

#[test]
fn the_operators_document_lists_every_setting_and_no_other() {
    let document = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let settings = |file: &Source| documented::settings(&file.shipped_text());
    let read: BTreeSet<String> = shipped().iter().flat_map(settings).collect();
    assert!(read.len() > 20, "the settings are found: {read:?}");
    assert_eq!(documented::listed(&document, "MAKEGOOD_"), read);
}
