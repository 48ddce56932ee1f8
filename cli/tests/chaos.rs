//! `makegood demo --chaos` as a process: every trouble comes, and no promise breaks.

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
