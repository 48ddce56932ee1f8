//! Names that the operator's document must list: metrics and settings, in code and in its tables.

use std::collections::BTreeSet;

/// The metrics that a text of code counts, sets or records.
pub(crate) fn metrics(code: &str) -> BTreeSet<String> {
    let calls = ["counter!(", "gauge!(", "histogram!("];
    calls.iter().flat_map(|call| literals_after(code, call)).collect()
}

/// The variables that a text of code reads settings from.
pub(crate) fn settings(code: &str) -> BTreeSet<String> {
    literals_after(code, "env = ").collect()
}

fn literals_after<'a>(code: &'a str, start: &'a str) -> impl Iterator<Item = String> + 'a {
    let places = code.split(start).skip(1).map(str::trim_start);
    places.filter_map(|rest| rest.strip_prefix('"')?.split('"').next()).map(str::to_owned)
}

/// The names with this prefix in the first cells of a document's tables.
pub(crate) fn listed(document: &str, prefix: &str) -> BTreeSet<String> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    let names = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
}

#[test]
fn names_are_found_in_code_and_in_tables() {
    let code = "metrics::counter!(\"makegood_a_total\").increment(1);\nmetrics::histogram!(\n    \
                \"makegood_b_seconds\", \"x\" => y)\n#[arg(long, env = \"MAKEGOOD_A\")]";
    assert_eq!(Vec::from_iter(metrics(code)), ["makegood_a_total", "makegood_b_seconds"]);
    assert_eq!(Vec::from_iter(settings(code)), ["MAKEGOOD_A"]);
    let text = "| name | what |\n| `makegood_a_total` | `makegood_b` |\nand `makegood_c` is none\n\
                | `MAKEGOOD_A`, `MAKEGOOD_B` | both |\n";
    assert_eq!(Vec::from_iter(listed(text, "makegood_")), ["makegood_a_total"]);
    assert_eq!(Vec::from_iter(listed(text, "MAKEGOOD_")), ["MAKEGOOD_A", "MAKEGOOD_B"]);
}
