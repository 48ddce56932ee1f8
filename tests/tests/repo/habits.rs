//! Habits that the compiler's and the formatter's settings keep, and that nobody may switch off:
//! prints in libraries, things that only pretend, lints in manifests.

use crate::sources::Source;

/// Something printed, where only a log or an answer may go out.
pub(crate) fn prints(file: &Source) -> Vec<String> {
    let calls = ["println!", "print!", "eprintln!", "eprint!", "dbg!"];
    let named = |line: &str| {
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '!');
        words.find(|word| calls.contains(word)).map(str::to_owned)
    };
    file.lines().filter_map(|(n, line)| Some(format!("{} in line {n}", named(line)?))).collect()
}

/// Where a word for pretending is right, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("gateway-sandbox/", "it is a gateway of its own, not a part of the shop"),
    ("cli/src/secrets.rs", "it lists what it refuses"),
];

/// A part of the product that only pretends.
pub(crate) fn pretends(file: &Source) -> Vec<String> {
    if EXCEPTIONS.iter().any(|(place, _)| file.path.starts_with(place)) {
        return Vec::new();
    }
    let named = |line: &str| {
        let line = line.to_ascii_lowercase();
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned);
        words.find(|word| ["mock", "mocked", "fake", "faked", "stub", "dummy"].contains(&&**word))
    };
    file.lines().filter_map(|(n, line)| Some(format!("{} in line {n}", named(line)?))).collect()
}

/// A crate that does not take the workspace's lints.
pub(crate) fn own_lints(manifest: &Source) -> Vec<String> {
    let takes = manifest.text.contains("[lints]\nworkspace = true");
    if takes { Vec::new() } else { vec!["it does not take the workspace's lints".to_owned()] }
}

/// The lints among `wanted` that a workspace's manifest does not turn on.
pub(crate) fn lacking<'a>(manifest: &str, wanted: &[&'a str]) -> Vec<&'a str> {
    let set = |lint: &str| {
        let levels = ["\"warn\"", "\"deny\"", "\"forbid\"", "{ level = \"warn\""];
        manifest.lines().any(|line| {
            let (name, level) = line.split_once(" = ").unwrap_or_default();
            name == lint && levels.iter().any(|known| level.starts_with(known))
        })
    };
    wanted.iter().copied().filter(|lint| !set(lint)).collect()
}

#[test]
fn planted_prints_pretences_and_loose_lints_are_found() {
    let file = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    for line in ["println!(\"x\");", "    eprint!(\"{x}\")", "let a = dbg!(b);"] {
        assert_eq!(prints(&file("api/src/a.rs", line)).len(), 1, "{line}");
    }
    for line in ["writeln!(out, \"x\")", "// println!", "let println = 1;"] {
        assert!(prints(&file("api/src/a.rs", line)).is_empty(), "{line}");
    }
    for line in ["struct Mock;", "fn fake_payment() {}", "if dummy { return Ok(()) }"] {
        assert_eq!(pretends(&file("api/src/a.rs", line)).len(), 1, "{line}");
        assert!(pretends(&file("gateway-sandbox/src/a.rs", line)).is_empty(), "{line}");
    }
    assert!(pretends(&file("api/src/a.rs", "let stubborn = true;")).is_empty());
    assert_eq!(own_lints(&file("api/Cargo.toml", "[package]\n")).len(), 1);
    assert!(own_lints(&file("api/Cargo.toml", "[lints]\nworkspace = true\n")).is_empty());
    let root = "a = \"warn\"\nb = \"allow\"\nc = { level = \"warn\", priority = -1 }\n";
    assert_eq!(lacking(root, &["a", "b", "c", "d"]), ["b", "d"]);
}
