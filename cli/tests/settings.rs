//! What the binary refuses to start with, and how it says so.

mod support;

use std::time::{Duration, Instant};

use support::{Ended, KEY_ID, SECRET, command, ended, run};

const URL: &str = "postgres://nobody:hush@127.0.0.1:1/shop";

/// `makegood api` with all that it needs, one setting changed.
fn api_with(name: &str, value: &str) -> Ended {
    let mut command = command(&["api"]);
    command.env("MAKEGOOD_DATABASE_URL", URL).env("MAKEGOOD_JWT_SECRET", SECRET);
    command.env("MAKEGOOD_GATEWAY_KEY_ID", KEY_ID).env("MAKEGOOD_GATEWAY_KEY_SECRET", SECRET);
    command.env("MAKEGOOD_WEBHOOK_SECRET", SECRET).env(name, value);
    ended(&mut command)
}

fn refused(name: &str, value: &str) -> Ended {
    let refused = api_with(name, value);
    assert_eq!(refused.code, Some(2), "{name}={value} is refused: {}", refused.err);
    assert!(refused.err.contains(name), "the setting is named: {}", refused.err);
    assert!(refused.err.contains("1 setting is"), "and no other: {}", refused.err);
    assert!(refused.err.contains("next:"), "with what to do: {}", refused.err);
    refused
}

#[test]
fn an_unknown_flag_ends_with_2_and_a_misspelt_command_with_a_suggestion() {
    assert_eq!(run(&["worker", "--no-such-flag"]).code, Some(2));
    let misspelt = run(&["wrker"]);
    assert_eq!(misspelt.code, Some(2));
    assert!(misspelt.err.contains("'worker'"), "what was meant is told: {}", misspelt.err);
}

#[test]
fn every_missing_setting_is_named_at_once() {
    let bare = run(&["api"]);
    assert_eq!(bare.code, Some(2));
    for name in
        ["DATABASE_URL", "JWT_SECRET", "GATEWAY_KEY_ID", "GATEWAY_KEY_SECRET", "WEBHOOK_SECRET"]
    {
        let line = format!("MAKEGOOD_{name} (--");
        assert!(bare.err.contains(&line), "{name} is named in: {}", bare.err);
    }
    let mut wrong = vec!["worker", "--lease-secs", "0", "--drain-secs", "soon", "--cell", "No"];
    wrong.extend(["--archive-after-days", "0", "--delete-after-days", "ever"]);
    let bare = run(&wrong);
    assert_eq!(bare.code, Some(2));
    for name in ["ARCHIVE_AFTER_DAYS", "DELETE_AFTER_DAYS"] {
        assert!(bare.err.contains(&format!("MAKEGOOD_{name} (--")), "{name}: {}", bare.err);
    }
    for name in ["DATABASE_URL", "GATEWAY_URL", "LEASE_SECS", "DRAIN_SECS", "CELL"] {
        assert!(bare.err.contains(&format!("MAKEGOOD_{name} (--")), "{name}: {}", bare.err);
    }
}

#[test]
fn settings_that_fit_are_not_complained_about() {
    let fine = api_with("MAKEGOOD_LOG", "warn");
    assert_eq!(fine.code, Some(1), "only the database is missing: {}", fine.err);
    assert!(fine.err.contains("cannot reach PostgreSQL"), "{}", fine.err);
}

#[test]
fn weak_and_placeholder_secrets_are_refused() {
    refused("MAKEGOOD_JWT_SECRET", "only-31-bytes-of-something-rand");
    for weak in [
        "changeme-changeme-changeme-changeme",
        "your-256-bit-secret-goes-right-here",
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    ] {
        let refused = refused("MAKEGOOD_JWT_SECRET", weak);
        assert!(!refused.err.contains(weak), "the secret is not repeated: {}", refused.err);
    }
    refused("MAKEGOOD_WEBHOOK_SECRET", "changeme");
    refused("MAKEGOOD_WEBHOOK_SECRET_PREVIOUS", "placeholder");
    refused("MAKEGOOD_GATEWAY_KEY_SECRET", "your-key-secret");
    refused("MAKEGOOD_GATEWAY_KEY_ID", "rzp_test_xxxxxxxx");
}

#[test]
fn the_test_profile_admits_placeholders() {
    let mut command = command(&["api", "--profile", "test", "--database-url", URL]);
    let placeholder = "test-test-test-test-test-test-test-test";
    command.env("MAKEGOOD_JWT_SECRET", placeholder).env("MAKEGOOD_WEBHOOK_SECRET", placeholder);
    command.env("MAKEGOOD_GATEWAY_KEY_ID", "rzp_test_x");
    command.env("MAKEGOOD_GATEWAY_KEY_SECRET", placeholder);
    let started = ended(&mut command);
    assert_eq!(started.code, Some(1), "only the database is missing: {}", started.err);
}

#[test]
fn gateway_keys_fit_their_profile() {
    refused("MAKEGOOD_GATEWAY_KEY_ID", "rzp_live_k3Jq8");
    let production = api_with("MAKEGOOD_PROFILE", "production");
    assert_eq!(production.code, Some(2), "a test key in production: {}", production.err);
    let told = "MAKEGOOD_GATEWAY_KEY_ID (--gateway-key-id) is a test key";
    assert!(production.err.contains(told), "{}", production.err);
    refused("MAKEGOOD_GATEWAY_KEY_ID", "pk_k3Jq8");
}

#[test]
fn another_database_is_refused_by_name() {
    let refused = refused("MAKEGOOD_DATABASE_URL", "mysql://shop:hush@127.0.0.1/shop");
    assert!(refused.err.contains("mysql"), "{}", refused.err);
    assert!(!refused.err.contains("hush"), "the password is not repeated: {}", refused.err);
}

#[test]
fn no_command_takes_a_file_for_a_database() {
    for args in [
        &["api"][..],
        &["worker"],
        &["migrate"],
        &["migrate", "status"],
        &["runs", "list"],
        &["audit"],
        &["doctor"],
    ] {
        let mut command = command(args);
        let refused = ended(command.env("MAKEGOOD_DATABASE_URL", "sqlite://shop.db"));
        assert_ne!(refused.code, Some(0), "{args:?} must not run");
        let said = format!("{}{}", refused.out, refused.err);
        assert!(said.contains("sqlite is not supported"), "{args:?} says why: {said}");
    }
}

#[test]
fn a_gateway_address_that_cannot_be_used_is_refused_beside_the_other_faults() {
    let bare = run(&["worker", "--gateway-url", "ftp://gateway.example"]);
    assert_eq!(bare.code, Some(2));
    assert!(
        bare.err.contains("MAKEGOOD_GATEWAY_URL (--gateway-url) cannot be used"),
        "{}",
        bare.err
    );
}

#[test]
fn an_unreachable_database_is_told_within_seconds_with_what_was_tried() {
    let begun = Instant::now();
    let refused = run(&["audit", "--database-url", URL]);
    assert!(begun.elapsed() < Duration::from_secs(8), "it does not wait for ever");
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("127.0.0.1:1, database shop"), "{}", refused.err);
    assert!(refused.err.contains("why:") && refused.err.contains("next:"), "{}", refused.err);
    assert!(!refused.err.contains("hush"), "the password is not shown: {}", refused.err);
}

#[test]
fn a_database_that_never_answers_ends_with_a_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://nobody@{}/shop?sslmode=disable", silent.local_addr().unwrap());
    let begun = Instant::now();
    let refused = run(&["runs", "list", "--database-url", &url]);
    assert_eq!(refused.code, Some(5), "{}", refused.err);
    assert!(begun.elapsed() < Duration::from_secs(8), "it does not wait for ever");
}

#[test]
fn help_names_units_ranges_and_defaults() {
    let help = run(&["worker", "--help"]);
    assert_eq!(help.code, Some(0));
    let words = help.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "in seconds, 1 to 300",
        "in milliseconds, 100 to 60000",
        "[default: 15]",
        "MAKEGOOD_LEASE_SECS",
    ] {
        assert!(words.contains(part), "{part:?} is in the help: {words}");
    }
    assert!(!words.contains("exit-with-parent"), "what is for programs only is hidden");
    let mut command = command(&["api", "--help"]);
    let help = ended(command.env("MAKEGOOD_JWT_SECRET", SECRET));
    assert!(!help.out.contains(SECRET), "the help does not show a secret that is set");
}

#[test]
fn a_flag_wins_over_its_variable() {
    let mut command = command(&["audit", "--database-url", "postgres://u@127.0.0.1:1/flag"]);
    let refused = ended(command.env("MAKEGOOD_DATABASE_URL", "postgres://u@127.0.0.1:1/env"));
    assert!(refused.err.contains("database flag"), "{}", refused.err);
}
