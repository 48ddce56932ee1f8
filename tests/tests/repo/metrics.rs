//! Names of metrics, in code and in the operator's document.

use std::collections::BTreeSet;

const PREFIX: &str = "makegood_";

/// The metrics that a text of code counts, sets or records.
pub(crate) fn emitted(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for call in ["counter!(", "gauge!(", "histogram!("] {
        let calls = code.split(call).skip(1).map(str::trim_start);
        let literals = calls.filter_map(|rest| rest.strip_prefix('"')?.split('"').next());
        names.extend(literals.map(str::to_owned));
    }
    names
}

/// The metrics that a document names in its tables: the first cell of a row.
pub(crate) fn documented(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split('`').next());
    names.filter(|name| name.starts_with(PREFIX)).map(str::to_owned).collect()
}

#[test]
fn names_are_found_in_code_and_in_tables() {
    let code = "metrics::counter!(\"makegood_a_total\").increment(1);\nmetrics::histogram!(\n    \
                \"makegood_b_seconds\", \"x\" => y)";
    assert_eq!(Vec::from_iter(emitted(code)), ["makegood_a_total", "makegood_b_seconds"]);
    let text = "| name | what |\n| `makegood_a_total` | a |\nand `makegood_c` is none\n";
    assert_eq!(Vec::from_iter(documented(text)), ["makegood_a_total"]);
}
