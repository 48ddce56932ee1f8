//! docs/requirements.md names a test for every requirement, docs/comparison.md for whatever it says
//! that we have, and every test that they name exists.
//! Reads files only; whether a test shows what its row says is its reader's business.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A family of requirements with the numbers that have a row.
const REQUIRED: &[(&str, &[u32])] = &[
    ("SAGA", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17]),
    ("INV", &[1, 2, 3, 4, 5, 6, 7, 8, 13, 14]),
    ("PAY", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22]),
    ("REF", &[1, 2, 3, 4, 5, 6]),
    ("LED", &[1, 2, 3, 4, 5]),
    ("CFG", &[1, 2, 3, 4, 6]),
    ("DB", &[1, 2, 4, 7, 8]),
    ("CODE", &[1, 2, 3, 4, 5]),
    ("REC", &[1, 2, 4, 5, 6, 7]),
    ("RES", &[1, 2, 3, 4, 5, 6]),
    ("OBS", &[1, 2, 3, 6]),
    ("ADM", &[2]),
    ("AUD", &[1]),
];

/// One row of the document.
struct Row<'a> {
    id: &'a str,
    what: &'a str,
    /// Each `file::function`.
    tests: Vec<&'a str>,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn required() -> BTreeSet<String> {
    let numbered = |(family, numbers): &(&str, &[u32])| {
        numbers.iter().map(|number| format!("{family}-{number:02}")).collect::<Vec<_>>()
    };
    REQUIRED.iter().flat_map(numbered).collect()
}

/// The rows that begin with an id.
fn rows(document: &str) -> Vec<Row<'_>> {
    let row = |line| {
        let mut parts = str::strip_prefix(line, "| ")?.splitn(3, " | ");
        let (id, what, last) = (parts.next()?, parts.next()?, parts.next()?);
        let (family, number) = id.split_once('-')?;
        let is_id = family.chars().all(|c| c.is_ascii_uppercase())
            && number.chars().all(|c| c.is_ascii_digit());
        is_id.then(|| Row { id, what, tests: last.split('`').skip(1).step_by(2).collect() })
    };
    document.lines().filter_map(row).collect()
}

/// Whether `function` is a test in this source that is run: a function right below an attribute
/// for tests, and below none that leaves it out.
fn has_test(source: &str, function: &str) -> bool {
    let start = format!("fn {function}(");
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_it = |line: &str| line.trim_start_matches("async ").starts_with(&start);
    lines.iter().enumerate().filter(|(_, line)| is_it(line)).any(|(at, _)| {
        let above = lines.iter().take(at).rev().take_while(|line| line.starts_with("#["));
        let attributes: Vec<&str> = above.copied().collect();
        let has = |start: &str| attributes.iter().any(|line| line.starts_with(start));
        (has("#[test]") || has("#[tokio::test")) && !has("#[ignore")
    })
}

/// What is wrong with a document, the files being read by `read`.
fn faults(document: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let (rows, mut faults) = (rows(document), Vec::new());
    let mut seen = BTreeSet::new();
    for Row { id, what, tests } in &rows {
        if !seen.insert((*id).to_owned()) {
            faults.push(format!("{id} has two rows"));
        }
        if what.is_empty() || tests.is_empty() {
            faults.push(format!("{id} says nothing, or names no test"));
        }
        for test in tests {
            if !exists(test, &read) {
                faults.push(format!("{id} names {test}, which is no test"));
            }
        }
    }
    faults.extend(required().difference(&seen).map(|id| format!("{id} has no row")));
    faults.extend(seen.difference(&required()).map(|id| format!("{id} is not asked for here")));
    faults
}

/// Whether a name is `file::function` of a test that is run, the files being read by `read`.
fn exists(test: &str, read: &impl Fn(&str) -> Option<String>) -> bool {
    let named = test.split_once("::");
    named.is_some_and(|(file, function)| read(file).is_some_and(|text| has_test(&text, function)))
}

/// What is wrong with a comparison: features that we claim, wholly or partly, and promises.
fn unfounded(document: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| "));
    for row in rows.filter(|row| !row.starts_with("feature |") && !row.starts_with("promise |")) {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        let (what, tests) = match cells.as_slice() {
            [what, "yes" | "partly", _, _, tests] | [what, tests] => (*what, *tests),
            [_, "no", why, _, "-"] if !why.is_empty() => continue,
            _ => {
                faults.push(format!("{row} is no row of either table"));
                continue;
            }
        };
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            faults.push(format!("{what} names no test"));
        }
        let missing = named.into_iter().filter(|test| !exists(test, &read));
        faults.extend(missing.map(|test| format!("{what} names {test}, which is no test")));
    }
    faults
}

#[test]
fn whatever_the_comparison_claims_is_shown_by_tests_that_exist() {
    let document = fs::read_to_string(root().join("docs/comparison.md")).unwrap();
    let found = unfounded(&document, |file| fs::read_to_string(root().join(file)).ok());
    assert_eq!(found, Vec::<String>::new());
    let promises = document.split("| promise |").nth(1).unwrap().lines();
    assert_eq!(promises.filter(|line| line.starts_with("| ") && line.contains("::")).count(), 8);
}

#[test]
fn planted_claims_are_found() {
    let read = |file: &str| (file == "a.rs").then(|| "#[test]\nfn it_holds() {}".to_owned());
    let good = "| pause | yes | it stops | others too | `a.rs::it_holds` |\n\
                | colour | no | nobody asked | all | - |\n| it holds | `a.rs::it_holds` |";
    assert_eq!(unfounded(good, read), Vec::<String>::new(), "nothing is wrong");
    for (from, to) in [
        ("a.rs::it_holds", "a.rs::it_hold"),
        ("`a.rs::it_holds` |\n", "- |\n"),
        ("| no |", "| yes |"),
        ("| no |", "| perhaps |"),
        ("nobody asked", ""),
    ] {
        let found = unfounded(&good.replacen(from, to, 1), read);
        assert_eq!(found.len(), 1, "{to} for {from}: {found:?}");
    }
}

/// How many edge cases are known.
const EDGE_CASES: u32 = 86;

/// What is wrong with the table of edge cases: those that are missing, and tests that are none.
fn disorder(document: &str, all: u32, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let (mut faults, mut last) = (Vec::new(), 0);
    for row in document.lines().filter_map(|line| line.strip_prefix("| ")) {
        let mut cells = row.trim_end_matches(" |").splitn(3, " | ");
        let (Some(case), Some(_), Some(tests)) = (cells.next(), cells.next(), cells.next()) else {
            faults.push(format!("{row} is no row"));
            continue;
        };
        let Ok(case) = case.parse::<u32>() else { continue };
        if case != last + 1 {
            faults.push(format!("{case} comes after {last}"));
        }
        last = case;
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        if named.is_empty() && tests != "-" {
            faults.push(format!("{case} names no test, and does not say so"));
        }
        let missing = named.into_iter().filter(|test| !exists(test, &read));
        faults.extend(missing.map(|test| format!("{case} names {test}, which is no test")));
    }
    if last != all {
        faults.push(format!("{last} is the last of {all}"));
    }
    faults
}

#[test]
fn every_edge_case_has_one_row_and_names_tests_that_exist() {
    let document = fs::read_to_string(root().join("docs/edge-cases.md")).unwrap();
    let read = |file: &str| fs::read_to_string(root().join(file)).ok();
    let found = disorder(&document, EDGE_CASES, read);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn planted_edge_cases_are_found() {
    let read = |file: &str| (file == "a.rs").then(|| "#[test]\nfn it_holds() {}".to_owned());
    let good = "| case | what happens | test |\n| 1 | a | `a.rs::it_holds` |\n| 2 | none | - |";
    assert_eq!(disorder(good, 2, read), Vec::<String>::new(), "nothing is wrong");
    assert_eq!(disorder(good, 3, read), ["2 is the last of 3"]);
    for (from, to) in [("it_holds", "it_hold"), ("| - |", "| later |"), ("| 1", "| 0")] {
        assert!(!disorder(&good.replacen(from, to, 1), 2, read).is_empty(), "{to} for {from}");
    }
}

#[test]
fn every_requirement_names_tests_that_exist() {
    let document = fs::read_to_string(root().join("docs/requirements.md")).unwrap();
    let found = faults(&document, |file| fs::read_to_string(root().join(file)).ok());
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn planted_faults_in_the_document_are_found() {
    let source = "#[test]\nfn it_holds() {}\n\n/// Not one.\nfn helper() {}\n\n\
                  #[tokio::test(flavor = \"multi_thread\")]\nasync fn it_waits() {}\n\n\
                  #[test]\n#[ignore = \"slow\"]\nfn left_out() {}\n";
    let read = |file: &str| (file == "a.rs").then(|| source.to_owned());
    let good: Vec<String> = required()
        .iter()
        .map(|id| format!("| {id} | what it is | `a.rs::it_holds`<br>`a.rs::it_waits` |"))
        .collect();
    let with = |from: &str, to: &str| {
        let document = good.join("\n").replacen(from, to, 1);
        assert_ne!(document, good.join("\n"), "{from} is in the document");
        faults(&document, read)
    };
    assert_eq!(faults(&good.join("\n"), read), Vec::<String>::new(), "nothing is wrong");
    for (from, to, fault) in [
        ("a.rs::it_holds", "a.rs::it_hold", "ADM-02 names a.rs::it_hold, which is no test"),
        ("a.rs::it_holds", "a.rs::helper", "ADM-02 names a.rs::helper, which is no test"),
        ("a.rs::it_holds", "a.rs::left_out", "ADM-02 names a.rs::left_out, which is no test"),
        ("a.rs::it_holds", "b.rs::it_holds", "ADM-02 names b.rs::it_holds, which is no test"),
        ("a.rs::it_holds", "it_holds", "ADM-02 names it_holds, which is no test"),
        ("| OBS-03 |", "| three |", "OBS-03 has no row"),
        ("| OBS-03 |", "| OBS-02 |", "OBS-02 has two rows"),
        ("| OBS-03 |", "| OBS-99 |", "OBS-99 is not asked for here"),
        ("`a.rs::it_holds`<br>`a.rs::it_waits`", "some", "ADM-02 says nothing, or names no test"),
    ] {
        let found = with(from, to);
        assert!(found.contains(&fault.to_owned()), "{fault}: {found:?}");
    }
}
