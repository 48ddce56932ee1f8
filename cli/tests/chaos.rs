//! `makegood demo --chaos` and `makegood chaos` as processes: every trouble comes, and no promise breaks.

mod support;

use serde_json::Value;
use support::run;

/// What must have happened for the rest to prove anything.
const TROUBLES: [&str; 9] = [
    "/worker_kills",
    "/chaos/calls_refused",
    "/chaos/webhooks_unsent",
    "/chaos/decided/amount_mismatch",
    "/chaos/faults_met/answer_lost",
    "/chaos/faults_met/webhook_lost",
    "/chaos/faults_met/webhook_duplicated",
    "/gateway/asked_back_minor",
    "/gateway/refunds_failed",
];

// RES-02, REC-05, REF-02
#[test]
fn in_chaos_every_promise_holds_to_the_last_paisa_and_nothing_is_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let line = ["demo", "--chaos", "--checkouts", "60", "--seed", "7", "--report"];
    let ended = run(&[&line[..], &[file.to_str().unwrap()]].concat());
    let told = format!("{}\n{}", ended.out, ended.err);
    assert_eq!(ended.code, Some(0), "{told}");
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(report["faults"], Value::Array(Vec::new()), "{told}");
    assert_eq!((&report["held"], &report["stuck"]), (&true.into(), &0.into()), "{told}");
    assert_eq!(report["audit"]["violations"], 0, "{told}");
    assert_eq!(report["chaos"]["compared"]["is_clean"], true, "{told}");
    for trouble in TROUBLES {
        let count = report.pointer(trouble).and_then(Value::as_u64).unwrap_or_default();
        assert!(count > 0, "{trouble} came: {told}");
    }
    let scenarios = report["scenarios"].as_object().unwrap();
    assert_eq!(scenarios.len(), 29, "every kind of customer came: {told}");
}

#[test]
fn under_attack_from_all_sides_no_answer_is_lost_and_every_saga_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let line = ["chaos", "--sagas", "60", "--minutes", "0", "--seed", "11", "--report"];
    let ended = run(&[&line[..], &[file.to_str().unwrap()]].concat());
    let told = format!("{}\n{}", ended.out, ended.err);
    assert_eq!(ended.code, Some(0), "{told}");
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for nothing in ["violations", "lost", "stuck"] {
        assert_eq!(report[nothing], 0, "{nothing}: {told}");
    }
    let first = &report["runs"][0];
    assert_eq!(first["faults"], Value::Array(Vec::new()), "{told}");
    let struck = first["struck"].as_object().unwrap();
    assert!(struck.len() >= 5, "a storm came over them: {told}");
    assert_eq!(first["processes_replaced"], 5, "all were replaced in the middle: {told}");
    let answers = first["acknowledged"]["answers"].as_u64().unwrap();
    assert!(answers > 60, "customers wrote down what they were told: {told}");
}

#[test]
fn a_wrong_extent_of_chaos_is_refused_with_the_reason() {
    let wrong = [
        ["--sagas", "9", "--sagas"],
        ["--workers", "1", "--workers"],
        ["--minutes", "601", "--minutes"],
        ["--tier", "endless", "--tier"],
    ];
    for [flag, value, named] in wrong {
        let ended = run(&["chaos", flag, value]);
        assert_eq!(ended.code, Some(2), "{flag} {value}: {}", ended.err);
        assert!(ended.err.contains(named), "{flag} {value}: {}", ended.err);
    }
    let ended = run(&["chaos", "--report", "/nowhere/at/all/report.json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("its folder"), "{}", ended.err);
}
