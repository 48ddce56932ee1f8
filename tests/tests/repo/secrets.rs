//! Secrets in the tree: what looks like a key that opens something. Prints none of it.

use crate::sources::Source;

/// How a kind of secret begins, and how many letters and digits follow at least.
const SHAPES: &[(&str, &str, usize)] = &[
    ("a live gateway key", "rzp_live_", 12),
    ("a live payment key", "sk_live_", 12),
    ("a cloud access key", "AKIA", 16),
    ("a code host's token", "ghp_", 30),
    ("a code host's token", "github_pat_", 30),
    ("a registry token", "cio", 32),
    ("a chat token", "xoxb-", 10),
    ("a signed token", "eyJhbGciOi", 20),
];

/// The secrets of a file, by kind and line.
pub(crate) fn found(file: &Source) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(index, line)| Some(format!("{} in line {}", kind(line)?, index + 1)))
        .collect()
}

fn kind(line: &str) -> Option<&'static str> {
    let armoured = line.split("-----BEGIN ").nth(1).and_then(|rest| rest.split("-----").next());
    if armoured.is_some_and(|label| label.ends_with("PRIVATE KEY")) {
        return Some("a private key");
    }
    let follows = |start: &str, least: usize| {
        line.match_indices(start).any(|(at, _)| {
            let (before, rest) = line.split_at(at);
            let whole = !before.ends_with(|c: char| c.is_ascii_alphanumeric());
            let tail = rest.chars().skip(start.len());
            whole && tail.take_while(char::is_ascii_alphanumeric).count() >= least
        })
    };
    SHAPES.iter().find(|(_, start, least)| follows(start, *least)).map(|(kind, _, _)| *kind)
}

#[test]
fn planted_secrets_are_found_and_mentions_are_not() {
    // Put together here, so that this file does not hold them.
    let tail = "a1B2".repeat(9);
    for (_, start, _) in SHAPES {
        let line = format!("let key = \"{start}{tail}\";");
        assert!(kind(&line).is_some(), "{start} with a tail is a secret");
        assert!(kind(&format!("starts_with(\"{start}\")")).is_none(), "{start} alone is none");
    }
    assert!(kind(&format!("-----BEGIN RSA {} KEY-----", "PRIVATE")).is_some());
    assert!(kind("let key = \"rzp_live_1\";").is_none(), "a made-up key in a test is short");
}
