//! What is around the runs, on a real database: following them, queues, schedules, the manual, and
//! a cell of the engine alone.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use makegood::{Client, Ctx, Database, Schedule, Scheduled, Workflow, WorkflowResult};
use serde_json::Value;
use support::cell::TestCell;
use support::shop;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_run_is_followed_until_it_ends_and_the_exit_code_tells_how() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    let id = format!("checkout:{order}:1");
    let mut command = support::command(&["runs", "watch", &id, "--every", "20ms"]);
    let mut watching = command.envs(cell.env()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("RUNNING: A worker takes it"), "how it stands comes first: {first}");
    let closed = cell.run(&["runs", "terminate", &id, "--reason", "to see", "--actor", "ada"]);
    assert_eq!(closed.code, Some(0), "{}", closed.err);
    let last = lines.next().unwrap().unwrap();
    assert!(last.contains("CLOSED: Nothing"), "{last}");
    assert!(lines.next().is_none(), "then it is over");
    assert_eq!(watching.wait().unwrap().code(), Some(1), "it did not reach its goal");
    cell.sql("update runs set ended_state = 'COMPLETED'");
    let done = cell.run(&["runs", "watch", &order.to_string(), "-o", "json"]);
    assert_eq!(done.code, Some(0), "a run that is over is told whole: {}", done.err);
    assert_eq!(json(done.out.lines().last().unwrap())["run"]["state"], "COMPLETED");
}

#[test]
fn a_watched_list_tells_each_change_once() {
    let cell = TestCell::new();
    let empty = cell.run(&["runs", "list"]);
    assert!(empty.err.contains("No runs yet."), "{}", empty.err);
    let narrowed = cell.run(&["runs", "list", "--state", "stuck"]);
    assert!(narrowed.err.contains("No run is like that."), "{}", narrowed.err);
    let mut command = support::command(&["runs", "list", "--watch", "--every", "20ms"]);
    let mut watching = command.envs(cell.env()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let order = shop::place_order(&cell);
    let begun = lines.next().unwrap().unwrap();
    assert!(begun.contains(&format!("RUNNING checkout:{order}:1")), "{begun}");
    let id = format!("checkout:{order}:1");
    let paused = cell.run(&["runs", "pause", &id, "--reason", "to see", "--actor", "ada"]);
    assert_eq!(paused.code, Some(0), "{}", paused.err);
    let next = lines.next().unwrap().unwrap();
    assert!(next.contains("PAUSED (paused)"), "nothing between: {next}");
    // Nothing more is to be told: that nobody reads is noticed all the same.
    drop(lines);
    assert_eq!(watching.wait().unwrap().code(), Some(0), "it ends with its reader");
    let mut command = support::command(&["runs", "watch", &id, "--every", "20ms"]);
    let mut watching = command.envs(cell.env()).stdout(Stdio::piped()).spawn().unwrap();
    drop(watching.stdout.take());
    assert_eq!(watching.wait().unwrap().code(), Some(0), "and so does a watched run");
}

#[test]
fn a_database_that_takes_too_long_has_an_exit_code_of_its_own() {
    let cell = TestCell::new();
    shop::place_order(&cell);
    let held = cell.hold("lock table incidents in access exclusive mode");
    let late = cell.run(&["runs", "list"]);
    assert_eq!(late.code, Some(5), "{}", late.err);
    assert!(late.err.contains("next: try again"), "{}", late.err);
    drop(held);
    assert_eq!(cell.run(&["runs", "list"]).code, Some(0));
}

#[test]
fn a_made_good_run_tells_its_cause_and_values_are_whole_for_programs() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    let long = "x".repeat(200);
    cell.sql(&format!(
        r#"insert into steps (run_id, seq, kind, name, result, next, at)
           select run_id, 0, 'done', 'reserve_stock', '"{long}"'::jsonb, null::jsonb, now() from runs
           union all
           select run_id, 1, 'intent', '', null,
             '[{{"name": "charge", "occurrence": 0, "input": {{"amount": 81}}}}]', now() from runs
           union all
           select run_id, 2, 'compensating', '',
             '{{"cause": "rejected", "step": "charge", "code": "DECLINED", "message": "no money"}}',
             null, now() from runs"#
    ));
    let shown = cell.run(&["runs", "show", &order.to_string()]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(
        shown.out.contains("Cause        charge was refused: DECLINED: no money"),
        "{}",
        shown.out
    );
    assert!(shown.out.contains(&long), "nobody looks, so nothing is cut: {}", shown.out);
    let intent = shown.out.lines().find(|line| line.contains("intent")).unwrap();
    assert!(intent.contains("charge") && intent.contains(r#"{"amount":81}"#), "{intent}");
}

#[test]
fn a_queue_is_limited_paused_and_resumed_and_who_did_so_is_recorded() {
    let cell = TestCell::new();
    let queues = |args: &[&str]| {
        let mut whole = vec!["queues"];
        whole.extend(args);
        cell.run(&whole)
    };
    let sign = ["--reason", "the mail server is slow", "--actor", "ada"];
    let set = |limits: &[&str]| {
        let set = queues(&[&["set", "mail"], limits, &sign].concat());
        assert_eq!(set.code, Some(0), "{}", set.err);
    };
    let mail = || {
        let all = json(&queues(&["list", "-o", "json"]).out);
        all.as_array().unwrap().iter().find(|queue| queue["name"] == "mail").cloned()
    };
    let tried = queues(&["set", "mail", "--concurrency", "3", "--dry-run"]);
    assert!(
        tried.out.contains("concurrency") && tried.err.contains("Nothing was changed"),
        "{}",
        tried.err
    );
    assert_eq!(mail(), None, "nothing was changed");
    set(&["--concurrency", "3", "--rate", "100/1m"]);
    set(&["--concurrency", "5"]);
    let now = mail().unwrap();
    assert_eq!(
        (&now["concurrency"], &now["rate"], &now["per_ms"]),
        (&json("5"), &json("100"), &json("60000")),
        "what is not named stays"
    );
    set(&["--no-rate"]);
    assert_eq!(mail().unwrap()["rate"], Value::Null);
    assert_eq!(queues(&[&["pause", "mail"], &sign[..]].concat()).code, Some(0));
    assert_eq!(mail().unwrap()["paused"], true);
    let again = queues(&[&["pause", "mail"], &sign[..]].concat());
    assert!(again.err.contains("It stands so already."), "{}", again.err);
    assert_eq!(queues(&[&["resume", "mail"], &sign[..]].concat()).code, Some(0));
    assert_eq!(mail().unwrap()["paused"], false);
    let who = cell.text("select distinct actor || ': ' || reason from setting_actions");
    assert_eq!(who.as_deref(), Some("ada: the mail server is slow"));
    assert_eq!(
        queues(&["set", "mail", "--rate", "100", "--dry-run"]).code,
        Some(2),
        "100 in what?"
    );
    assert_eq!(queues(&["set", "mail", "--concurrency", "0", "--dry-run"]).code, Some(2));
}

#[test]
fn runs_are_found_by_what_they_are_and_by_what_they_are_not() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    cell.sql(
        r#"insert into runs (run_id, workflow, workflow_id, input, started_at, attributes)
           select gen_random_uuid(), case n % 2 when 0 then 'even' else 'odd' end, 'n:' || n, '1',
             now() - n * interval '1 hour', jsonb_build_object('tenant', 't' || n % 3)
           from generate_series(1, 6) n;
           insert into lanes (queue, workflow, version, priority, share)
           values ('default', 'even', 1, 0, ''), ('default', 'odd', 1, 0, '');
           insert into tasks (run_id, lane, state, tries)
           select r.run_id, l.lane, 'RUNNING',
             case when r.workflow = 'odd' then '{"charge#0": {"failed": 2}}'::jsonb end
           from runs r
           join lanes l on l.workflow = r.workflow
           where r.workflow in ('even', 'odd')"#,
    );
    cell.sql(
        "insert into incidents (incident_id, run_id, class, step, message, fingerprint)
         select gen_random_uuid(), run_id, 'retries_used_up', 'charge', 'a timeout', 'abcdef'
         from runs
         where workflow_id in ('n:2', 'n:4');
         update tasks k
         set state = 'STUCK', due_at = null, incident_id = i.incident_id
         from incidents i
         where i.run_id = k.run_id",
    );
    let found = |words: &[&str]| {
        let listed = cell.run(&[&["runs", "list", "-o", "json"], words].concat());
        assert_eq!(listed.code, Some(0), "{words:?}: {}", listed.err);
        let listed = json(&listed.out);
        let ids = listed["runs"].as_array().unwrap().iter();
        let mut ids: Vec<_> =
            ids.map(|run| run["workflow_id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids.join(" ")
    };
    assert_eq!(found(&["--state", "stuck"]), "n:2 n:4");
    assert_eq!(found(&["--state", "needs-attention"]), "n:2 n:4");
    assert_eq!(found(&["--state", "retrying"]), "n:1 n:3 n:5");
    assert_eq!(found(&["--not-state", "stuck,retrying", "--workflow", "even"]), "n:6");
    assert_eq!(found(&["--workflow", "even", "--not", "tenant=t0"]), "n:2 n:4");
    assert_eq!(found(&["--tenant", "t1"]), "n:1 n:4");
    assert_eq!(found(&["--error", "timeout", "--id", "n:2"]), "n:2");
    assert_eq!(
        found(&["--since", "210m", "--workflow", "even", "--workflow", "odd"]),
        "n:1 n:2 n:3"
    );
    assert_eq!(found(&["--quiet-for", "5h", "--not-state", "stuck"]), "n:5 n:6");
    assert_eq!(found(&["--id", &format!("checkout:{order}")]), format!("checkout:{order}:1"));
    let unread = cell.run(&["runs", "list", "--since", "soon"]);
    assert_eq!(unread.code, Some(2), "{}", unread.err);
    assert!(unread.err.contains("2h (ago)"), "it says how it is written: {}", unread.err);
}

#[test]
fn a_list_goes_on_behind_its_last_run() {
    let cell = TestCell::new();
    shop::place_order(&cell);
    cell.sql(
        "insert into runs (run_id, workflow, workflow_id, input, ended_at, ended_state)
         select gen_random_uuid(), 'old', 'old:' || n, '1', now(), 'COMPLETED'
         from generate_series(1, 6) n",
    );
    let mut seen = Vec::new();
    let mut after: Vec<String> = Vec::new();
    loop {
        let mut words = vec!["runs", "list", "--limit", "3", "-o", "json"];
        words.extend(after.iter().map(String::as_str));
        let page = json(&cell.run(&words).out);
        let runs = page["runs"].as_array().unwrap();
        seen.extend(runs.iter().map(|run| run["run_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = vec!["--after".to_owned(), next.to_owned()];
    }
    assert_eq!(seen.len(), 7, "every run is on a page");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7, "and on one only");
}

#[test]
fn alike_incidents_are_shown_with_what_helps_and_their_runs() {
    let cell = TestCell::new();
    shop::place_order(&cell);
    cell.sql(
        "insert into incidents (incident_id, run_id, class, step, message, fingerprint)
         select gen_random_uuid(), run_id, 'retries_used_up', 'reserve_stock', 'no answer',
           'abcdef0123456789'
         from runs;
         update tasks
         set state = 'STUCK', due_at = null, incident_id = (select incident_id from incidents)",
    );
    let run_id = cell.text("select run_id::text from runs").unwrap();
    let listed = cell.run(&["incidents", "list"]);
    assert!(listed.out.contains(&run_id), "such as this one: {}", listed.out);
    let shown = cell.run(&["incidents", "show", "abcd"]);
    assert_eq!(shown.code, Some(0), "the beginning is enough: {}", shown.err);
    for part in
        ["reserve_stock", "no answer", "What helps", &run_id, "bulk retry --fingerprint abcdef"]
    {
        assert!(shown.out.contains(part), "{part:?} is shown: {}", shown.out);
    }
    assert_eq!(cell.run(&["incidents", "show", "ffff"]).code, Some(3));
    let doctor = cell.run(&["doctor"]).out;
    assert!(doctor.contains("makegood incidents list"), "it says where to look: {doctor}");
}

#[test]
fn a_silent_worker_is_named() {
    let cell = TestCell::new();
    assert!(cell.run(&["workers", "list"]).err.contains("No worker was ever here."));
    cell.sql(
        "insert into workers (incarnation, name, host, pid, lease_until)
         values (gen_random_uuid(), 'anna', 'host-1', 7, now() + interval '1 minute'),
           (gen_random_uuid(), 'bert', 'host-2', 8, now() - interval '1 minute')",
    );
    let listed = cell.run(&["workers", "list"]).out;
    let line = |name: &str| listed.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(line("anna").contains("alive") && line("bert").contains("silent"), "{listed}");
    let doctor = cell.run(&["doctor"]).out;
    assert!(doctor.contains("1 alive, 1 silent: bert (host-2/8, 0 runs)"), "{doctor}");
}

struct Books;

impl Workflow for Books {
    const NAME: &'static str = "books";
    type Input = Scheduled<()>;
    type Output = ();

    async fn run(_: Ctx, _: Scheduled<()>) -> WorkflowResult<()> {
        Ok(())
    }
}

#[test]
fn a_schedule_is_shown_paused_resumed_and_triggered() {
    let cell = TestCell::new();
    assert!(cell.run(&["schedules", "list"]).err.contains("No schedules yet."));
    cell.runtime.block_on(async {
        let database = Database::new(&cell.url, cell.cell.name()).unwrap();
        let client = Client::connect(&database).await.unwrap();
        let mut conn = database.pool("test", 1).await.unwrap().acquire().await.unwrap();
        let nightly = Schedule::new("nightly", "30 2 * * *").unwrap();
        client.schedule::<Books, _>(&mut conn, &nightly, &()).await.unwrap();
    });
    let act = |verb: &str| {
        let done =
            cell.run(&["schedules", verb, "nightly", "--reason", "to see", "--actor", "ada"]);
        assert_eq!(done.code, Some(0), "{verb}: {}", done.err);
    };
    let shown = || cell.run(&["schedules", "show", "nightly"]).out;
    assert_eq!(shown().matches("T02:30:00Z").count(), 5, "the next firings: {}", shown());
    act("pause");
    assert!(shown().contains("State        paused"), "{}", shown());
    let tried = cell.run(&["schedules", "trigger", "nightly", "--dry-run"]);
    assert_eq!(tried.code, Some(0), "{}", tried.err);
    assert_eq!(cell.text("select count(*)::text from runs").as_deref(), Some("0"), "it was a try");
    act("trigger");
    assert_eq!(cell.text("select workflow from runs").as_deref(), Some("books"), "paused or not");
    act("resume");
    let shown = shown();
    for part in ["State        firing", "RUNNING", "fire_schedule", "ada", "to see"] {
        assert!(shown.contains(part), "{part:?} is shown: {shown}");
    }
    assert_eq!(cell.run(&["schedules", "show", "none"]).code, Some(3));
    let none = cell.run(&["schedules", "pause", "none", "--reason", "to see"]);
    assert_eq!(none.code, Some(3), "{}", none.err);
}

#[test]
fn the_manual_is_written_for_shells_and_for_man() {
    for shell in ["bash", "zsh", "fish"] {
        let written = support::run(&["completions", shell]);
        assert_eq!(written.code, Some(0), "{}", written.err);
        for word in ["makegood", "schedules", "dry-run", "resume-forward"] {
            assert!(written.out.contains(word), "{shell} completes {word}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let written = support::run(&["man", folder.path().to_str().unwrap()]);
    assert_eq!(written.code, Some(0), "{}", written.err);
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(page("makegood.1").contains("schedules"), "the first page names the others");
    assert!(page("makegood-runs-skip.1").contains("forget"), "each command has one");
    assert!(!folder.path().join("makegood-bench-worker.1").exists(), "but what is for programs");
    assert!(support::run(&["man"]).out.starts_with(".ie"), "one page goes to standard output");
}

#[test]
fn a_cell_of_the_engine_alone_is_migrated_audited_and_examined() {
    let cell = TestCell::unmade();
    let unmade = cell.run(&["queues", "list"]);
    assert_eq!(unmade.code, Some(1));
    let command = format!("makegood migrate --cell {}", cell.cell);
    assert!(unmade.err.contains(&command), "what makes its tables is told: {}", unmade.err);
    let migrated = cell.run(&["migrate", "--engine-only"]);
    assert_eq!(migrated.code, Some(0), "{}", migrated.err);
    assert!(migrated.out.lines().all(|line| line.contains("engine/")), "{}", migrated.out);
    assert_eq!(cell.text("select to_regclass('orders') is null || ''").as_deref(), Some("true"));
    let audited = cell.run(&["audit"]);
    assert_eq!(audited.code, Some(0), "{}{}", audited.out, audited.err);
    let examined = json(&cell.run(&["doctor", "-o", "json"]).out);
    let migrations = examined.as_array().unwrap().iter().find(|f| f["check"] == "migrations");
    assert_eq!(migrations.unwrap()["verdict"], "ok", "{migrations:?}");
    let whole = cell.run(&["migrate"]);
    assert!(
        whole.out.lines().all(|line| line.contains("shop/")),
        "it may become whole: {}",
        whole.out
    );
}
