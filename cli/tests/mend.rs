//! The verbs that mend runs, one and many, on a real database.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod support;

use std::process::{Command, Stdio};

use serde_json::Value;
use support::cell::TestCell;
use support::{shop, terminal};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Parks the cell's only run at the first step of a checkout.
fn stick(cell: &TestCell) {
    cell.sql(
        "insert into incidents (incident_id, run_id, class, step, occurrence, call, message,
           fingerprint)
         select gen_random_uuid(), run_id, 'retries_used_up', 'reserve_stock', 0, '{\"input\": 1}', 'no', 'f'
         from runs;
         update tasks
         set state = 'STUCK', due_at = null, incident_id = (select incident_id from incidents)",
    );
}

#[test]
fn what_is_tried_is_told_and_changes_nothing() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    let id = format!("checkout:{order}:1");
    let tried = cell.run(&["runs", "terminate", &id, "--dry-run", "-o", "json"]);
    assert_eq!(tried.code, Some(0), "no reason is needed to try: {}", tried.err);
    let tried = json(&tried.out);
    assert_eq!(
        (&tried["dry_run"], &tried["would"]["after"]["state"]),
        (&json("true"), &json("\"CLOSED\""))
    );
    let told = cell.run(&["runs", "terminate", &id, "--dry-run"]);
    for part in ["from RUNNING to CLOSED", "Nothing was changed"] {
        assert!(told.out.contains(part), "{part:?} is told: {}", told.out);
    }
    let refused = cell.run(&["runs", "retry", &id, "--dry-run"]);
    assert_eq!(refused.code, Some(4), "a refusal is one in a rehearsal too: {}", refused.err);
    let bulk = cell.run(&["runs", "bulk", "pause", "--workflow", "checkout", "--dry-run"]);
    assert!(bulk.out.contains("1 runs match"), "{}{}", bulk.out, bulk.err);
    assert_eq!(cell.text("select state from tasks").as_deref(), Some("RUNNING"));
    let written = "select count(*)::text from operator_actions";
    assert_eq!(cell.text(written).as_deref(), Some("0"), "nothing was done");
    let silent = cell.run(&["runs", "terminate", &id]);
    assert_eq!(silent.code, Some(2), "to do it takes a reason: {}", silent.err);
}

#[test]
fn who_acts_is_the_systems_user_or_is_named_and_is_never_unknown() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    let id = format!("checkout:{order}:1");
    let paused = cell.run(&["runs", "pause", &id, "--reason", "to see"]);
    assert_eq!(paused.code, Some(0), "the environment is empty: {}", paused.err);
    let me = Command::new("id").arg("-un").output().unwrap().stdout;
    let me = String::from_utf8(me).unwrap();
    let actor = "select actor from operator_actions order by at desc limit 1";
    assert_eq!(cell.text(actor).as_deref(), Some(me.trim()));
    let named = cell.run(&["runs", "resume", &id, "--reason", "to see", "--actor", "ada"]);
    assert_eq!(named.code, Some(0), "{}", named.err);
    assert_eq!(cell.text(actor).as_deref(), Some("ada"));
}

#[test]
fn a_stuck_step_need_not_be_named_but_its_result_must_be_given() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    let id = format!("checkout:{order}:1");
    let skip = |more: &[&str]| {
        let mut whole = vec!["runs", "skip", &id, "--reason", "seen by hand"];
        whole.extend(more);
        cell.run(&whole)
    };
    let moving = skip(&["--result", "null"]);
    assert_eq!(moving.code, Some(4), "{}", moving.err);
    assert!(moving.err.contains("stuck at no step"), "{}", moving.err);
    stick(&cell);
    let shown = cell.run(&["runs", "show", &id]);
    assert!(
        shown.out.contains("You may: retry, skip --result ... (reserve_stock)"),
        "{}",
        shown.out
    );
    let nothing = skip(&[]);
    assert_eq!(nothing.code, Some(2), "{}", nothing.err);
    assert!(
        nothing.err.contains("the result of reserve_stock"),
        "it says of which: {}",
        nothing.err
    );
    let skipped = skip(&["--result", "7"]);
    assert_eq!(skipped.code, Some(0), "{}", skipped.err);
    assert!(skipped.err.contains("It is stuck at reserve_stock"), "{}", skipped.err);
    let row = "select kind || ' ' || name || ' ' || result from steps order by seq desc limit 1";
    assert_eq!(cell.text(row).as_deref(), Some("skipped reserve_stock 7"));
}

#[test]
fn on_a_terminal_a_verb_that_cannot_be_taken_back_is_shown_and_asked_for() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    let id = format!("checkout:{order}:1");
    let ask = |verb: &str, answer: &str, more: &[&str]| {
        let mut whole = vec!["runs", verb, &id, "--reason", "to see"];
        whole.extend(more);
        let mut command = support::command(&whole);
        command.envs(cell.env()).stdin(Stdio::from(terminal::typing(answer)));
        support::ended(&mut command)
    };
    let unsure = ask("terminate", "no\n", &[]);
    assert_eq!(unsure.code, Some(1), "{}", unsure.err);
    assert!(unsure.err.contains("goes from RUNNING to CLOSED"), "{}", unsure.err);
    assert_eq!(
        cell.text("select state from tasks").as_deref(),
        Some("RUNNING"),
        "nothing was done"
    );
    assert_eq!(ask("pause", "", &[]).code, Some(0), "what can be taken back is not asked for");
    assert_eq!(ask("terminate", "yes\n", &[]).code, Some(0), "it was meant");
    assert_eq!(cell.text("select count(*)::text from tasks").as_deref(), Some("0"));
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
    let groups = json(&cell.run(&["incidents", "list", "-o", "json"]).out);
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
    assert_eq!(again.code, Some(1), "it was done to none: {}", again.err);
    let bulk_id = told["bulk"]["bulk_id"].as_str().unwrap();
    let shown = cell.run(&["runs", "bulk-show", bulk_id]);
    assert!(shown.out.contains("PAUSED"), "{}", shown.out);
    let over = cell.run(&["runs", "bulk-resume", bulk_id]);
    assert_eq!(over.code, Some(3), "it is over: {}", over.err);
    let over = cell.run(&["runs", "bulk-cancel", bulk_id, "--reason", "late"]);
    assert_eq!(over.code, Some(3), "it is over: {}", over.err);
    let resumed = bulk("resume", &["--class", "paused", "--rate", "1000", "--yes"]);
    assert_eq!(json(&resumed.out)["states_now"], json(r#"[["RUNNING", 3]]"#));
    let one = cell.text("select run_id::text from runs limit 1").unwrap();
    assert_eq!(cell.run(&["runs", "pause", &one, "--reason", "first"]).code, Some(0));
    let partly = bulk("pause", &["--workflow", "checkout", "--rate", "1000", "--yes"]);
    assert_eq!(partly.code, Some(6), "two of three were left to be paused: {}", partly.err);
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
