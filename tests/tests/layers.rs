//! Dependencies point one way: every manifest is compared with the table of layers.
//! Reads manifests only; what the code does with a dependency is the compiler's business.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What a crate's manifest may list. Each stands after those that it may use.
struct Layer {
    name: &'static str,
    /// Crates of ours.
    ours: &'static [&'static str],
    /// Crates of others that would break what this one promises.
    never: &'static [&'static str],
}

const TABLE: &[Layer] = &[
    Layer { name: "planted", ours: &[], never: &["tokio", "sqlx"] },
    Layer { name: "domain", ours: &[], never: &["tokio", "sqlx", "reqwest", "axum", "rand"] },
    Layer { name: "makegood", ours: &["planted"], never: &["axum", "reqwest", "rust_decimal"] },
    Layer { name: "migrations", ours: &[], never: &["axum", "reqwest"] },
    Layer { name: "devpg", ours: &[], never: &["axum", "sqlx"] },
    Layer { name: "gateway-sandbox", ours: &[], never: &["sqlx"] },
    Layer { name: "store", ours: &["domain", "planted"], never: &["axum", "reqwest"] },
    Layer {
        name: "activities",
        ours: &["domain", "store", "makegood", "planted"],
        never: &["sqlx", "axum", "rand"],
    },
    Layer {
        name: "workflows",
        ours: &["domain", "activities", "makegood"],
        never: &["sqlx", "axum", "tokio", "reqwest", "rand"],
    },
    Layer {
        name: "api",
        ours: &["domain", "store", "workflows", "makegood", "planted"],
        never: &["reqwest", "backoff"],
    },
    Layer {
        name: "worker",
        ours: &["domain", "store", "activities", "workflows", "makegood", "migrations"],
        never: &[],
    },
    Layer { name: "makegood-bench", ours: ANY, never: &[] },
    Layer { name: "makegood-cli", ours: ANY_AND_BENCH, never: &[] },
    Layer { name: "makegood-tests", ours: ANY_AND_CLI, never: &[] },
    Layer { name: "makegood-examples", ours: &["devpg", "makegood", "migrations"], never: &[] },
];

/// Any crate that others may depend on.
const ANY: &[&str] = &[
    "activities",
    "api",
    "devpg",
    "domain",
    "gateway-sandbox",
    "makegood",
    "migrations",
    "store",
    "worker",
    "workflows",
];

/// The binary's command for measuring is a library of its own.
const ANY_AND_BENCH: &[&str] = &[
    "activities",
    "api",
    "devpg",
    "domain",
    "gateway-sandbox",
    "makegood",
    "makegood-bench",
    "migrations",
    "store",
    "worker",
    "workflows",
];

/// The acceptance tests run the binary's own code, with points at which it can be killed.
const ANY_AND_CLI: &[&str] = &[
    "activities",
    "api",
    "devpg",
    "domain",
    "gateway-sandbox",
    "makegood",
    "makegood-cli",
    "migrations",
    "store",
    "worker",
    "workflows",
];

/// What any crate's tests may use besides what is below it: a database, its tables, and a gateway.
const TEST_STANDS: &[&str] = &["devpg", "gateway-sandbox", "migrations"];

/// One line of a manifest.
struct Listed {
    name: String,
    for_tests: bool,
}

/// What `listed` breaks in `layer`, a sentence each; `members` are the workspace's crates.
fn faults(layer: &Layer, listed: &[Listed], members: &BTreeSet<String>) -> Vec<String> {
    let refused = |dependency: &&Listed| {
        let name = dependency.name.as_str();
        let below = TABLE.iter().take_while(|other| other.name != layer.name);
        let for_tests = dependency.for_tests
            && (TEST_STANDS.contains(&name) || below.into_iter().any(|other| other.name == name));
        let ours = members.contains(name) && !layer.ours.contains(&name) && !for_tests;
        ours || (layer.never.contains(&name) && !dependency.for_tests)
    };
    let sentence = |dependency: &Listed| format!("{} lists {}", layer.name, dependency.name);
    listed.iter().filter(refused).map(sentence).collect()
}

/// Every member's manifest, by name.
fn manifests() -> BTreeMap<String, Vec<Listed>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let listed = |package: &cargo_metadata::Package| {
        let lines = package.dependencies.iter().map(|dependency| Listed {
            name: dependency.name.clone(),
            for_tests: dependency.kind == DependencyKind::Development,
        });
        lines.collect()
    };
    metadata.packages.iter().map(|p| (p.name.to_string(), listed(p))).collect()
}

#[test]
fn every_crate_lists_only_what_its_layer_may_use() {
    let manifests = manifests();
    let members: BTreeSet<String> = manifests.keys().cloned().collect();
    let mut broken = Vec::new();
    for layer in TABLE {
        let listed = manifests.get(layer.name).unwrap();
        broken.extend(faults(layer, listed, &members));
    }
    assert_eq!(broken, Vec::<String>::new(), "dependencies point one way");
}

#[test]
fn every_crate_has_a_layer() {
    let known: BTreeSet<String> = TABLE.iter().map(|layer| layer.name.to_owned()).collect();
    let members: BTreeSet<String> = manifests().into_keys().collect();
    assert_eq!(known, members, "the table names every member of the workspace, and no other");
}

#[test]
fn the_table_itself_points_one_way() {
    let mut below = BTreeSet::new();
    let uses_anything = |layer: &&Layer| [ANY, ANY_AND_BENCH, ANY_AND_CLI].contains(&layer.ours);
    for layer in TABLE.iter().filter(|layer| !uses_anything(layer)) {
        let later: Vec<_> = layer.ours.iter().filter(|name| !below.contains(*name)).collect();
        assert!(later.is_empty(), "{} uses {later:?}, which are not below it", layer.name);
        below.insert(layer.name);
    }
}

#[test]
fn planted_dependencies_are_refused_and_rightful_ones_are_not() {
    let members: BTreeSet<String> = TABLE.iter().map(|layer| layer.name.to_owned()).collect();
    let refused = |layer: &str, dependency: &str, for_tests: bool| {
        let layer = TABLE.iter().find(|known| known.name == layer).unwrap();
        let listed = [Listed { name: dependency.to_owned(), for_tests }];
        !faults(layer, &listed, &members).is_empty()
    };
    for (layer, dependency) in [
        ("api", "activities"),
        ("api", "reqwest"),
        ("domain", "sqlx"),
        ("makegood", "domain"),
        ("makegood", "store"),
        ("workflows", "store"),
        ("workflows", "sqlx"),
        ("activities", "workflows"),
        ("store", "makegood"),
        ("worker", "api"),
        ("makegood-cli", "makegood-tests"),
        ("makegood-bench", "makegood-cli"),
        ("makegood-examples", "workflows"),
        ("gateway-sandbox", "domain"),
    ] {
        assert!(refused(layer, dependency, false), "{layer} must not list {dependency}");
    }
    assert!(refused("store", "api", true), "a test does not reach up either");
    assert!(!refused("store", "migrations", true), "a test may make its tables");
    assert!(!refused("api", "activities", true), "a test may run what is below its crate");
    assert!(refused("store", "migrations", false), "shipped code may not");
    assert!(!refused("api", "workflows", false), "what the table names is allowed");
    assert!(!refused("api", "axum", false), "so is a crate of others that is not refused");
}
