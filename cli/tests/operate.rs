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
    assert_eq!(listed[0]["workflow_id"], workflow_id.as_str());
    let run_id = listed[0]["run_id"].as_str().unwrap();
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
fn each_verb_mends_a_run_or_tells_why_not_and_what_to_do_instead() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    let id = format!("checkout:{order}:1");
    let run = |args: &[&str]| {
        let mut whole = vec!["runs"];
        whole.extend(args);
        whole.extend(["--reason", "to see", "--actor", "ada"]);
        cell.run(&whole)
    };
    let paused = run(&["pause", &id, "-o", "json"]);
    assert_eq!(paused.code, Some(0), "{}", paused.err);
    assert_eq!(json(&paused.out)["carried"], "done");
    let twice = run(&["pause", &id]);
    assert_eq!(twice.code, Some(4), "a refusal is a conflict: {}", twice.err);
    for part in ["it is paused", "next: resume it first"] {
        assert!(twice.err.contains(part), "{part:?} is told: {}", twice.err);
    }
    let shown = cell.run(&["runs", "show", &id]);
    for part in ["PAUSED", "makegood runs resume", "ada"] {
        assert!(shown.out.contains(part), "{part:?} is shown: {}", shown.out);
    }
    let groups = json(&cell.run(&["runs", "incidents", "-o", "json"]).out);
    assert_eq!((&groups[0]["class"], &groups[0]["count"]), (&json("\"paused\""), &json("1")));
    assert_eq!(run(&["resume", &id]).code, Some(0));
    let skipped = run(&["skip", &id, "--step", "reserve_stock", "--result", "null"]);
    assert_eq!(skipped.code, Some(4), "it is not stuck: {}", skipped.err);
    let not_json = run(&["edit", &id, "--step", "reserve_stock", "--input", "{"]);
    assert_eq!(not_json.code, Some(2), "{}", not_json.err);
    assert_eq!(run(&["compensate", &id]).code, Some(0));
    assert_eq!(run(&["resume-forward", &id]).code, Some(0), "nothing is undone yet");
    assert_eq!(run(&["fork", &id, "--from-row", "0"]).code, Some(4), "it lives");
    assert_eq!(run(&["terminate", &id]).code, Some(0));
    assert_eq!(run(&["cancel", &id]).code, Some(4), "it has ended");
    let forked = run(&["fork", &id, "--from-row", "0", "--as", "{}:again", "-o", "json"]);
    assert_eq!(forked.code, Some(0), "{}", forked.err);
    let new = json(&forked.out)["forked"].as_str().unwrap().to_owned();
    let id = cell.text(&format!("select workflow_id from runs where run_id = '{new}'"));
    assert_eq!(id, Some(format!("checkout:{order}:1:again")));
    let unsigned = cell.run(&["runs", "pause", &new, "--reason", " "]);
    assert_eq!(unsigned.code, Some(2), "a reason is needed: {}", unsigned.err);
}

#[test]
fn a_bulk_action_is_shown_carried_out_and_reported() {
    let cell = TestCell::new();
    shop::place_order(&cell);
    cell.sql(
        "insert into runs (run_id, workflow, workflow_id, input)
         select gen_random_uuid(), workflow, workflow_id || n, input
         from runs, generate_series(2, 3) n;
         insert into tasks (run_id, lane)
         select r.run_id, l.lane from runs r join lanes l on l.workflow = r.workflow
         on conflict do nothing",
    );
    let bulk = |verb: &str, more: &[&str]| {
        let mut whole = vec!["runs", "bulk", verb, "--reason", "to see", "-o", "json"];
        whole.extend(more);
        cell.run(&whole)
    };
    assert_eq!(bulk("pause", &[]).code, Some(2), "everything is not selected by mistake");
    let dry = bulk("pause", &["--workflow", "checkout", "--dry-run"]);
    assert_eq!(json(&dry.out)["total"], 3, "{}", dry.err);
    assert_eq!(cell.text("select count(*)::text from bulk_actions").as_deref(), Some("0"));
    let unasked = bulk("pause", &["--workflow", "checkout"]);
    assert_eq!(unasked.code, Some(2), "nobody is there to be asked: {}", unasked.err);
    let paused = bulk("pause", &["--workflow", "checkout", "--rate", "1000", "--yes"]);
    assert_eq!(paused.code, Some(0), "{}", paused.err);
    let told = json(&paused.out);
    assert_eq!(told["bulk"]["done"], 3);
    assert_eq!(told["states_now"], json(r#"[["PAUSED", 3]]"#));
    let again = bulk("pause", &["--state", "paused", "--rate", "1000", "--yes"]);
    assert_eq!(json(&again.out)["not_done"].as_array().unwrap().len(), 3, "each says why");
    let bulk_id = told["bulk"]["bulk_id"].as_str().unwrap();
    let shown = cell.run(&["runs", "bulk-show", bulk_id]);
    assert!(shown.out.contains("PAUSED"), "{}", shown.out);
    let over = cell.run(&["runs", "bulk-resume", bulk_id]);
    assert_eq!(over.code, Some(3), "it is over: {}", over.err);
    let over = cell.run(&["runs", "bulk-cancel", bulk_id, "--reason", "late"]);
    assert_eq!(over.code, Some(3), "it is over: {}", over.err);
    let resumed = bulk("resume", &["--class", "paused", "--rate", "1000", "--yes"]);
    assert_eq!(json(&resumed.out)["states_now"], json(r#"[["RUNNING", 3]]"#));
    assert_eq!(cell.run(&["audit"]).code, Some(0), "every promise holds");
}

#[test]
fn a_verb_acts_on_the_run_that_is_named_and_on_no_other() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell).to_string();
    let id = format!("checkout:{order}:1");
    let looked = cell.run(&["runs", "show", &order]);
    assert_eq!(looked.code, Some(0), "a part of the id is enough for a look: {}", looked.err);
    let terminate = |id: &str| cell.run(&["runs", "terminate", id, "--reason", "over"]);
    assert_eq!(terminate(&order).code, Some(3), "and not for more");
    cell.sql(
        "insert into runs (run_id, workflow, workflow_id, input, started_at, ended_at, ended_state)
         select gen_random_uuid(), workflow, workflow_id || ':part', input, started_at - interval '1 day',
           started_at, 'COMPLETED'
         from runs;
         insert into runs (run_id, workflow, workflow_id, input, started_at, ended_at, ended_state)
         select gen_random_uuid(), workflow, run_id || ':captured', input, started_at - interval '1 day',
           started_at, 'COMPLETED'
         from runs",
    );
    let run_id = format!("select run_id::text from runs where workflow_id = '{id}'");
    let run_id = cell.text(&run_id).unwrap();
    let shown = |id: &str| json(&cell.run(&["runs", "show", id, "-o", "json"]).out);
    for named in [&id, &run_id] {
        assert_eq!(
            shown(named)["run"]["run_id"],
            run_id.as_str(),
            "it is not one that has it as a part"
        );
    }
    cell.sql(&format!(
        "insert into runs (run_id, workflow, workflow_id, input, ended_at, ended_state)
         select gen_random_uuid(), 'another', workflow_id, input, now(), 'COMPLETED'
         from runs
         where workflow_id = '{id}'"
    ));
    let several = terminate(&id);
    assert_eq!(several.code, Some(4), "two workflows have one of this id: {}", several.err);
    assert!(several.err.contains(&run_id), "each is named: {}", several.err);
    assert_eq!(terminate(&run_id).code, Some(0), "by its run id it is one");
    assert_eq!(cell.text("select count(*)::text from tasks").as_deref(), Some("0"), "that one");
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
