//! Bugs on purpose: each has a test that must notice it, and no shipped build can switch one on.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::sources::{SHIPPED, Source, root, shipped, tree};

/// The bugs that a text of code has.
fn planted(code: &str) -> impl Iterator<Item = String> + '_ {
    let calls = code.split("planted::has(").skip(1).map(str::trim_start);
    calls.filter_map(|rest| rest.strip_prefix('"')?.split('"').next()).map(str::to_owned)
}

/// The bugs in the tables of tests: the first of two texts behind a bracket.
fn noticed(code: &str) -> impl Iterator<Item = String> + '_ {
    code.split('(').filter_map(|rest| {
        let (bug, rest) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        let second = rest.strip_prefix(',')?.trim_start();
        let names = ["\"", "seeds)", "model)"];
        let test = names.iter().any(|name| second.starts_with(name));
        (test && bug.contains(' ')).then(|| bug.to_owned())
    })
}

#[test]
fn each_planted_bug_has_a_test_that_must_notice_it() {
    let bugs: Vec<String> =
        shipped().iter().flat_map(|f| planted(&f.text).collect::<Vec<_>>()).collect();
    let known: BTreeSet<String> = bugs.iter().cloned().collect();
    assert!(known.len() >= 20, "the bugs are found: {known:?}");
    let is_table = |file: &&Source| file.is_rust() && file.text.contains("planted::caught(");
    let tree = tree();
    let tables = tree.iter().filter(|file| !file.path.contains("/repo/")).filter(is_table);
    let rows: BTreeSet<String> =
        tables.flat_map(|f| noticed(&f.text).collect::<Vec<_>>()).collect();
    assert_eq!(known, rows, "those that are planted and those that tests must notice");
    let document = std::fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let missing = known.iter().filter(|bug| !document.contains(&format!("| {bug} |")));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0], "the document has a row for each");
}

#[test]
fn no_shipped_build_can_be_killed_at_a_point_or_has_a_bug_switched_on() {
    let manifest = root().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let (mut looked, only_tests) = (0, ["makegood", "planted"]);
    for package in &metadata.packages {
        let ours = only_tests.contains(&package.name.as_str());
        assert!(!ours || !package.features.contains_key("default"), "nothing is on by itself");
        let folder = package.manifest_path.parent().and_then(|path| path.file_name());
        if !folder.is_some_and(|folder| SHIPPED.contains(&folder)) {
            continue;
        }
        let built = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
        for dependency in built.filter(|d| only_tests.contains(&d.name.as_str())) {
            looked += 1;
            let (name, features) = (&dependency.name, &dependency.features);
            assert_eq!(*features, [""; 0], "{} asks {name} for no feature", package.name);
        }
    }
    assert!(looked >= 8, "the manifests are read, {looked} lines of them");
}

#[test]
fn bugs_are_found_in_code_and_in_tables() {
    let code = "if planted::has(\"a cat barks\") && planted::has(\n  \"a dog\") {}";
    assert_eq!(planted(code).collect::<Vec<_>>(), ["a cat barks", "a dog"]);
    let table = "caught(&[(\n \"a cat barks\",\n \"cats::bark\"), (\"a dog\", seeds)]).expect(\"can tell\")";
    assert_eq!(noticed(table).collect::<Vec<_>>(), ["a cat barks", "a dog"]);
}
