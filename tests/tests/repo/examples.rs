//! Whether every public function and type of the engine has an example in its documentation.

use crate::sources::Source;

/// Public items without an example. Fields, variants and constants need none.
pub(crate) fn lacking(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let (mut docs, mut attributes) = (String::new(), String::new());
    let until_tests = file.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    for line in until_tests.map(str::trim) {
        let is_open = attributes.matches('[').count() > attributes.matches(']').count();
        if let Some(doc) = line.strip_prefix("///") {
            docs.push_str(doc);
        } else if is_open || line.starts_with("#[") {
            attributes.push_str(line);
        } else {
            let shown = docs.contains("```") || attributes.contains("doc(hidden)");
            found.extend(item(line).filter(|_| !shown).map(|item| format!("no example: {item}")));
            docs.clear();
            attributes.clear();
        }
    }
    found
}

/// The public function or type that a line declares.
fn item(line: &str) -> Option<&str> {
    let declared = line.strip_prefix("pub ")?;
    let kinds = ["fn ", "async fn ", "const fn ", "struct ", "enum ", "trait ", "type "];
    let is_item = kinds.iter().any(|kind| declared.starts_with(kind));
    is_item
        .then(|| declared.split(['(', '{', ';', '=', '<', ':']).next().unwrap_or(declared).trim())
}

#[test]
fn an_item_has_an_example_in_its_own_documentation() {
    let text = "/// A.\n///\n/// ```\n/// a();\n/// ```\npub fn a() {}\n\n/// B.\n#[derive(Debug)]\n\
                #[serde(bound(\n    x,\n))]\npub struct B<T> {\n    /// C.\n    pub c: T,\n}\n\n\
                impl B {\n    /// D.\n    pub async fn d(&self) {}\n    /// E.\n    pub(crate) fn e() {}\n\
                }\n\n/// F.\n#[doc(hidden)]\npub struct F;\n\npub use a::A;\n#[cfg(test)]\npub fn g() {}\n";
    let file = Source { path: "a.rs".to_owned(), text: text.to_owned() };
    assert_eq!(lacking(&file), ["no example: struct B", "no example: async fn d"]);
}
