//! What the documents quote and point to is there. Judges no wording.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The fenced blocks of `language` in a document.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let rest = document.split(&opening).skip(1);
    rest.filter_map(|text| text.split_once("```")).map(|(block, _)| block.to_owned()).collect()
}

/// The targets of a document's links to files, without their anchors.
fn links(document: &str) -> Vec<&str> {
    let targets = document.split("](").skip(1).filter_map(|text| text.split(')').next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    files.map(|target| target.split('#').next().unwrap_or(target)).collect()
}

fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [root(), root().join("docs"), root().join("docs/adr"), root().join("examples")] {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        found.extend(files.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    found
}

#[test]
fn the_readme_shows_the_checkout_as_it_is_in_the_code() {
    let code = read("workflows/src/checkout.rs");
    let from = code.find("impl Workflow for Checkout").unwrap();
    let (_, saga) = code.split_at(from);
    let readme = read("README.md");
    let shown =
        blocks(&readme, "rust").into_iter().any(|block| block.trim_end() == saga.trim_end());
    assert!(shown, "README.md quotes workflows/src/checkout.rs from `impl Workflow` to its end");
}

#[test]
fn the_readme_names_the_two_commands() {
    let commands = blocks(&read("README.md"), "sh").join("\n");
    for command in ["cargo run --release -- demo", "cargo test --workspace"] {
        assert!(commands.contains(command), "README.md shows `{command}`");
    }
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let mut dead = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            if !document.parent().unwrap().join(link).exists() {
                dead.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new(), "links lead somewhere");
}

#[test]
fn planted_blocks_and_links_are_found() {
    let document = "a\n```rust\nimpl A {}\n```\n[x](docs/gone.md#part) [y](https://z) [w](#here)";
    assert_eq!(blocks(document, "rust"), ["impl A {}\n"]);
    assert_eq!(blocks(document, "sh"), [""; 0]);
    assert_eq!(links(document), ["docs/gone.md"]);
}
