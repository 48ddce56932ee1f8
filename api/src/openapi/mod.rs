//! The API's own description: OpenAPI 3.1, made from the types that handlers read and answer.
//! Never written by hand: `docs/openapi.json` is a copy that a test compares.

mod op;
mod operations;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

use self::op::Op;

/// `GET /openapi.json`
pub(crate) async fn show() -> impl IntoResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str())
}

/// The whole document.
pub fn document() -> Value {
    let mut schemas = op::refusal();
    let mut paths = Map::<String, Value>::new();
    let mut responses = BTreeMap::new();
    for op in operations::all() {
        let Op { path, method, .. } = op;
        let told = op.told(&mut schemas, &mut responses);
        let item = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(method.to_owned(), told);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Makegood",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": operations::TAGS.map(|(name, about)| json!({ "name": name, "description": about })),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
    })
}

const ABOUT: &str = "Every answer under /api/v1 and /internal/v1 is an envelope: status_code, \
    message, data, error. A program acts on error.code, which is stable, and on error.retryable: \
    whether the same request may succeed later; Retry-After says when. A fault of the service is \
    answered with 500 and the code INTERNAL. A request that is no HTTP, or whose head is over \
    32 KiB or 100 headers, is refused with a bare 400 or 431.";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    fn here(path: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    #[test]
    fn the_copy_among_the_documents_is_what_the_code_says() {
        let mut made = serde_json::to_string_pretty(&document()).expect("JSON");
        made.push('\n');
        let path = here("../docs/openapi.json");
        if std::env::var_os("MAKEGOOD_BLESS").is_some() {
            fs::write(path, made).expect("written");
            return;
        }
        let kept = fs::read_to_string(path).expect("a document");
        // As values: in which order an object is written is up to a feature of a library.
        let [kept, made] =
            [kept, made].map(|text| serde_json::from_str::<Value>(&text).expect("JSON"));
        assert!(kept == made, "MAKEGOOD_BLESS=1 cargo test -p api openapi writes it anew");
    }

    /// The routes that a router's source names, each with the prefix under which it is nested.
    fn routes(source: &str) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        let prefixes = [("let v1", "/api/v1"), ("let internal", "/internal/v1")];
        let mut prefix = "";
        for line in source.lines().map(str::trim) {
            if let Some((_, nested)) = prefixes.iter().find(|(begin, _)| line.starts_with(begin)) {
                prefix = nested;
            } else if line.starts_with("let webhooks") {
                prefix = "/api/v1";
            } else if line.starts_with("let small") {
                prefix = "";
            }
            let Some((_, rest)) = line.split_once(".route(\"") else { continue };
            let Some((path, handlers)) = rest.split_once('"') else { continue };
            for method in ["get", "post", "put", "delete"] {
                if handlers.contains(&format!("{method}(")) && path != "/console/" {
                    found.insert((method.to_owned(), format!("{prefix}{path}")));
                }
            }
        }
        found
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let source = fs::read_to_string(here("src/router.rs")).expect("the router");
        let told: BTreeSet<_> =
            operations::all().iter().map(|op| (op.method.to_owned(), op.path.to_owned())).collect();
        assert!(told.len() > 20, "the document describes: {told:?}");
        assert_eq!(routes(&source), told);
    }

    #[test]
    fn what_is_referred_to_is_there() {
        let document = document();
        let text = document.to_string();
        let named = text.split("\"#/components/schemas/").skip(1);
        let named: BTreeSet<&str> = named.filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() > 20, "schemas are referred to: {named:?}");
        for name in named {
            let schema = document.pointer(&format!("/components/schemas/{name}"));
            assert!(schema.is_some(), "there is no schema {name}");
        }
    }
}
