//! The operators' commands on a real database: `migrate`, `audit`, `doctor` and `runs`.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod support;

use serde_json::Value;
use support::cell::TestCell;
use support::shop;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn migrating_twice_applies_every_file_once() {
    let cell = TestCell::unmade();
    let before = cell.run(&["audit"]);
    assert_eq!(before.code, Some(1), "a cell without tables cannot be audited");
    assert!(before.err.contains("makegood migrate"), "what to do is told: {}", before.err);
    let first = cell.run(&["migrate"]);
    assert_eq!(first.code, Some(0), "{}", first.err);
    assert_eq!(first.out.lines().count(), migrations::FILES.len(), "each file is told");
    let second = cell.run(&["migrate"]);
    assert_eq!((second.code, second.out.as_str()), (Some(0), ""), "nothing is left to apply");
    let status = json(&cell.run(&["migrate", "status", "-o", "json"]).out);
    let states: Vec<_> = status.as_array().unwrap().iter().map(|row| &row["state"]).collect();
    assert!(states.iter().all(|state| *state == "applied"), "{states:?}");
}

#[test]
fn a_clean_cell_passes_the_audit_and_a_planted_violation_fails_it_by_name() {
    let cell = TestCell::new();
    shop::place_order(&cell);
    let clean = cell.run(&["audit", "-o", "json"]);
    assert_eq!(clean.code, Some(0), "{}{}", clean.out, clean.err);
    let clean = json(&clean.out);
    assert!(clean["invariants"].as_array().unwrap().len() > 20, "all that was checked is listed");
    cell.sql("set session_replication_role = replica; delete from stock_movements");
    let broken = cell.run(&["audit"]);
    assert_eq!(broken.code, Some(1), "{}", broken.out);
    assert!(broken.out.contains("replayed movements equal the counters"), "{}", broken.out);
    assert!(broken.out.contains("TEA-1"), "the row is named: {}", broken.out);
    cell.sql("delete from tasks");
    let broken = json(&cell.run(&["audit", "-o", "json"]).out);
    let names: Vec<_> =
        broken["violations"].as_array().unwrap().iter().map(|v| v["invariant"].clone()).collect();
    assert!(names.contains(&Value::from("a live run has a task")), "the engine's too: {names:?}");
}

#[test]
fn doctor_tells_what_it_found_and_the_next_step() {
    let cell = TestCell::unmade();
    let sick = cell.run(&["doctor", "-o", "json"]);
    assert_eq!(sick.code, Some(1), "a cell without tables is a fault");
    let verdict = |findings: &Value, check: &str| {
        let found = findings.as_array().unwrap().iter().find(|f| f["check"] == check);
        found.map(|f| f["verdict"].clone()).unwrap_or_default()
    };
    let sick = json(&sick.out);
    assert_eq!(verdict(&sick, "migrations"), "fail");
    let cell = cell.migrated();
    let healthy = cell.run(&["doctor", "-o", "json"]);
    assert_eq!(healthy.code, Some(0), "{}{}", healthy.out, healthy.err);
    let healthy = json(&healthy.out);
    for check in ["database", "version", "planner settings", "encryption", "clock", "migrations"] {
        assert_eq!(verdict(&healthy, check), "ok", "{check}");
    }
    assert_eq!(verdict(&healthy, "workers"), "warn", "nobody serves the queue");
    for finding in healthy.as_array().unwrap() {
        let has_next = finding["next"].is_string();
        assert_eq!(has_next, finding["verdict"] != "ok", "a fault has a next step: {finding}");
    }
    let unreachable = support::run(&["doctor", "--database-url", "postgres://u@127.0.0.1:1/d"]);
    assert_eq!(unreachable.code, Some(1));
    assert!(unreachable.out.contains("FAIL"), "{}", unreachable.out);
}

#[test]
fn runs_are_listed_shown_and_a_stuck_one_is_retried_once() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    let workflow_id = format!("checkout:{order}:1");
    let listed = json(&cell.run(&["runs", "list", "--workflow", "checkout", "-o", "json"]).out);
    let listed = &listed["runs"][0];
    assert_eq!(listed["workflow_id"], workflow_id.as_str());
    let run_id = listed["run_id"].as_str().unwrap();
    let of = |who: &str| cell.run(&["runs", "list", "--attribute", &format!("customer={who}")]);
    assert!(of("ada").out.contains(run_id), "it is found by what it was started with");
    assert!(!of("eve").out.contains(run_id), "and by nothing else");
    assert_eq!(cell.run(&["runs", "list", "--attribute", "ada"]).code, Some(2));

    assert_eq!(cell.run(&["runs", "show", "nobody"]).code, Some(3), "not found is 3");
    let early = cell.run(&["runs", "retry", run_id, "--reason", "why not"]);
    assert_eq!(early.code, Some(4), "a run that is not stuck is a conflict: {}", early.err);

    cell.sql(&format!(
        "insert into incidents (incident_id, run_id, class, step, message, fingerprint)
         values (gen_random_uuid(), '{run_id}', 'retries_used_up', 'reserve_stock', 'no', 'f');
         update tasks
         set state = 'STUCK', due_at = null, incident_id = (select incident_id from incidents)"
    ));
    let shown = cell.run(&["runs", "show", &workflow_id]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    for part in ["STUCK", "retries_used_up at reserve_stock", "makegood runs retry"] {
        assert!(shown.out.contains(part), "{part:?} is shown: {}", shown.out);
    }
    let stuck = cell.run(&["runs", "list", "--state", "stuck"]);
    assert!(stuck.out.contains(run_id), "{}", stuck.out);
    let doctor = cell.run(&["doctor"]);
    assert!(doctor.out.contains("1 retries_used_up"), "{}", doctor.out);

    let retried = cell.run(&["runs", "retry", run_id, "--reason", "the cause is removed"]);
    assert_eq!(retried.code, Some(0), "{}", retried.err);
    let audited = cell.text("select verb || ': ' || reason from operator_actions");
    assert_eq!(audited.as_deref(), Some("retry: the cause is removed"), "it is written down");
    assert_eq!(cell.text("select state from tasks").as_deref(), Some("RUNNING"));
    let again = cell.run(&["runs", "retry", run_id, "--reason", "again"]);
    assert_eq!(again.code, Some(4), "the second finds nothing to do");
    assert_eq!(cell.run(&["runs", "list", "--limit", "0"]).code, Some(2));
}

#[test]
fn operators_are_added_ranked_and_kept_out_and_all_of_it_is_written_down() {
    let cell = TestCell::new();
    let added = cell.run(&["operators", "add", "ada", "--rank", "operator", "--actor", "root"]);
    assert_eq!(added.code, Some(0), "{}", added.err);
    let password = added.out.trim();
    assert_eq!(password.len(), 32, "the one that was made up is shown: {password:?}");
    let kept = cell.text("select password_hash from operators where name = 'ada'").unwrap();
    assert!(kept.starts_with("$argon2id$") && !kept.contains(password), "only its hash is kept");
    let again = cell.run(&["operators", "add", "ada", "--rank", "admin"]);
    assert_eq!(again.code, Some(4), "the name is taken: {}", again.err);
    assert_eq!(cell.run(&["operators", "add", "Ada Lovelace", "--rank", "admin"]).code, Some(2));
    assert_eq!(cell.run(&["operators", "set-rank", "bob", "admin"]).code, Some(3), "no such one");
    for args in [["set-rank", "ada", "admin"].as_slice(), &["disable", "ada"]] {
        let args: Vec<_> =
            ["operators"].iter().chain(args).chain(&["--actor", "root"]).copied().collect();
        assert_eq!(cell.run(&args).code, Some(0), "{args:?}");
    }
    let listed = json(&cell.run(&["operators", "list", "-o", "json"]).out);
    assert_eq!((&listed[0]["name"], &listed[0]["rank"]), (&"ada".into(), &"admin".into()));
    assert!(listed[0]["disabled_at"].is_string(), "{listed}");
    assert!(listed[0].get("password_hash").is_none(), "nobody needs to see it");
    let kept = "select string_agg(verb || ' ' || target, ', ' order by at)
                from console_actions
                where actor = 'root'";
    let kept = cell.text(kept).unwrap();
    assert_eq!(kept, "add_operator ada, set_rank ada, disable_operator ada");
}
