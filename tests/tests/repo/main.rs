//! The repository keeps its own rules: layout, first lines, unfinished work, SQL, addresses, secrets.
//! Reads files, and asks the formatter. Each rule is a function with planted faults beside it.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod addresses;
mod documented;
mod examples;
mod habits;
mod planted;
mod rules;
mod secrets;
mod sources;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

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
    "examples",
    "planted",
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
fn every_public_item_of_the_engine_has_an_example() {
    let tree = tree();
    let engine = tree.iter().filter(|file| file.path.starts_with("engine/src/") && file.is_rust());
    // What benchmarks call is hidden from everybody else.
    let engine = engine.filter(|file| file.path != "engine/src/microbench.rs");
    assert_eq!(all(engine, examples::lacking), none(), "what is public is shown in use");
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

#[test]
fn libraries_print_nothing() {
    assert_eq!(all(&shipped(), habits::prints), none(), "a library logs or answers");
}

#[test]
fn no_shipped_part_only_pretends() {
    assert_eq!(all(&shipped(), habits::pretends), none(), "what is shipped is real");
}

#[test]
fn every_crate_is_held_to_the_workspace_s_lints() {
    let tree = tree();
    let manifests: Vec<&Source> =
        tree.iter().filter(|file| file.path.ends_with("/Cargo.toml")).collect();
    assert!(manifests.len() >= 13, "the manifests are read, not {}", manifests.len());
    assert_eq!(all(manifests, habits::own_lints), none());
    let root_manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let wanted = ["unsafe_code", "missing_docs", "unreachable_pub", "pedantic", "unwrap_used"];
    assert_eq!(habits::lacking(&root_manifest, &wanted), [""; 0]);
    let silent = ["print_stdout", "print_stderr", "dbg_macro", "todo", "unimplemented"];
    assert_eq!(habits::lacking(&root_manifest, &silent), [""; 0]);
    let check = fs::read_to_string(root().join(".ci/run")).unwrap();
    for (start, end) in [("cargo clippy", "-- -D warnings"), ("cargo fmt", "--check")] {
        let runs = check.lines().any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(runs, "every change passes `{start} ... {end}`");
    }
}

#[test]
fn the_peers_workspace_repeats_the_lints_of_this_one() {
    let lints = |manifest: &str| {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let (_, lints) = text.split_once("[workspace.lints.rust]").unwrap();
        let (lints, _) = lints.split_once("[profile.").unwrap();
        let lines = lints.lines().filter(|line| line.contains(" = ") || line.contains('['));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let ours = lints("Cargo.toml");
    assert!(ours.len() > 20, "the lints are read: {ours:?}");
    let theirs = lints("bench/peers/Cargo.toml");
    let lacking: Vec<&String> = ours.iter().filter(|line| !theirs.contains(line)).collect();
    assert_eq!(lacking, [""; 0], "a workspace of its own inherits none");
}

#[test]
fn the_tree_is_formatted() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    for folder in ["", "bench/peers"] {
        let mut check = Command::new(&cargo);
        check.args(["fmt", "--all", "--check"]).current_dir(root().join(folder));
        let output = check.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn files_with_settings_of_a_machine_are_not_kept() {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == ".env"), "git leaves .env alone");
}
