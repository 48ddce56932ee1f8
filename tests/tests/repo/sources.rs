//! The files of the tree, and the part of each that is shipped. Judges nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders whose `src` ends up in the binary.
pub(crate) const SHIPPED: &[&str] = &[
    "activities",
    "api",
    "cli",
    "devpg",
    "domain",
    "engine",
    "gateway-sandbox",
    "migrations",
    "planted",
    "store",
    "worker",
    "workflows",
];

/// What a build, an editor or a person leaves behind; .gitignore names the same.
const IGNORED: &[&str] = &["target", ".git", ".env"];

/// One text file.
pub(crate) struct Source {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn is_rust(&self) -> bool {
        self.is("rs")
    }

    /// Whether the file's name ends with this.
    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|end| end == extension)
    }

    /// The lines that are shipped, numbered from 1: no comments, and nothing from the first
    /// `#[cfg(test)]` on, which stands at the end of a file.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let until_tests = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        let numbered = until_tests.enumerate().map(|(index, line)| (index + 1, line));
        numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The same as one text.
    pub(crate) fn shipped_text(&self) -> String {
        self.lines().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every text file of the repository.
pub(crate) fn tree() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if IGNORED.contains(&name.as_str()) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Behind features that no release build turns on, or for tests alone.
const NEVER_SHIPPED: &[&str] =
    &["engine/src/simulation", "engine/src/testkit", "planted/src/armed.rs"];

/// The Rust files of the shipped crates, without those that hold only tests.
pub(crate) fn shipped() -> Vec<Source> {
    let in_src = |file: &Source| {
        SHIPPED.iter().any(|folder| file.path.starts_with(&format!("{folder}/src/")))
    };
    let tests_only = |file: &Source| {
        let path = file.path.as_str();
        path.ends_with("/tests.rs") || NEVER_SHIPPED.iter().any(|place| path.starts_with(place))
    };
    tree().into_iter().filter(|file| file.is_rust() && in_src(file) && !tests_only(file)).collect()
}

#[test]
fn comments_and_tests_are_not_shipped() {
    let text = "//! A.\nlet a = 1;\n    // why\nlet b = 2;\n#[cfg(test)]\nlet c = 3;\n".to_owned();
    let source = Source { path: "a.rs".to_owned(), text };
    assert_eq!(source.lines().collect::<Vec<_>>(), [(2, "let a = 1;"), (4, "let b = 2;")]);
}
