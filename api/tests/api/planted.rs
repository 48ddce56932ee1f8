//! Whether these tests could tell: each bug that can be switched on, and a test that must notice.

const TABLE: &[(&str, &str)] = &[
    ("an order is confirmed before its commit", "atomic::neither_remains_when_the_commit_fails"),
    ("any signature fits", "webhooks::a_wrong_or_missing_signature_stores_nothing"),
];

#[test]
fn each_planted_bug_is_noticed() {
    assert_eq!(planted::caught(TABLE).unwrap(), [""; 0], "these tests can tell");
}
