//! CODE-02: the owner's packages are there and used, and no manifest lists what nobody uses.
//! Reads manifests and sources only.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// Asked for by name.
const ASKED_FOR: &[&str] = &[
    "tokio",
    "sqlx",
    "serde",
    "apalis",
    "axum",
    "rust_decimal",
    "reqwest",
    "hmac",
    "tracing",
    "backoff",
];

/// Named in no source, and needed all the same.
const SILENT: &[(&str, &str)] = &[];

fn packages() -> Vec<Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap().packages
}

/// All Rust of a folder, as one text.
fn rust_of(folder: &Path) -> String {
    let Ok(entries) = std::fs::read_dir(folder) else { return String::new() };
    let mut text = String::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&rust_of(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    text
}

/// Whether the text names the crate as a whole word.
fn names(text: &str, dependency: &str) -> bool {
    let name = dependency.replace('-', "_");
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.split(|c| !is_part(c)).any(|word| word == name)
}

#[test]
fn no_manifest_lists_what_its_crate_does_not_use() {
    let mut unused = Vec::new();
    for package in packages() {
        let root = package.manifest_path.parent().unwrap().as_std_path().to_owned();
        let shipped = rust_of(&root.join("src"));
        let beside = ["tests", "examples", "benches"].map(|folder| rust_of(&root.join(folder)));
        let all = shipped.clone() + &beside.concat();
        for dependency in &package.dependencies {
            let text = match dependency.kind {
                DependencyKind::Development => &all,
                _ => &shipped,
            };
            let name = dependency.name.as_str();
            let silent = SILENT.contains(&(package.name.as_str(), name));
            if !names(text, name) && !silent {
                unused.push(format!("{} lists {name}", package.name));
            }
        }
    }
    assert_eq!(unused, Vec::<String>::new(), "what nobody uses is not listed");
}

#[test]
fn the_packages_asked_for_each_have_a_job() {
    let packages = packages();
    for asked in ASKED_FOR {
        let user = packages.iter().find(|package| {
            let root = package.manifest_path.parent().unwrap().as_std_path();
            let listed = package.dependencies.iter().any(|d| d.name == *asked);
            listed && names(&rust_of(&root.join("src")), asked)
        });
        assert!(user.is_some(), "{asked} is listed and used by some crate");
    }
}

#[test]
fn a_word_that_only_contains_a_name_does_not_count() {
    assert!(names("use serde::Serialize;", "serde"));
    assert!(names("gateway_sandbox::run()", "gateway-sandbox"));
    assert!(!names("use serde_json::json;", "serde"), "another crate's name begins like it");
    assert!(!names("a reserde", "serde"), "or ends like it");
}
