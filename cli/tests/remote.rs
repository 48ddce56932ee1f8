//! The command line over the API: real processes, a token, and the same answers as on the database.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod support;

use std::fs;
use std::process::Stdio;

use makegood::{Client, Ctx, Database, Schedule, Scheduled, Workflow, WorkflowResult};
use serde_json::Value;
use support::cell::TestCell;
use support::desk::{Api, made, token};
use support::{Ended, command, ended, shop, terminal};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A workflow to be started by a schedule.
struct Nightly;

impl Workflow for Nightly {
    type Input = Scheduled<u32>;
    type Output = ();
    const NAME: &'static str = "nightly";

    async fn run(_: Ctx, _: Scheduled<u32>) -> WorkflowResult<()> {
        Ok(())
    }
}

/// A workflow of which there are many runs.
struct Errand;

impl Workflow for Errand {
    type Input = u32;
    type Output = ();
    const NAME: &'static str = "errand";

    async fn run(_: Ctx, _: u32) -> WorkflowResult<()> {
        Ok(())
    }
}

fn start_errands(cell: &TestCell, number: u32) {
    cell.runtime.block_on(async {
        let database = Database::new(&cell.url, cell.cell.name()).unwrap();
        let client = Client::connect(&database).await.unwrap();
        let pool = database.pool("test", 1).await.unwrap();
        let mut tx = pool.begin().await.unwrap();
        for n in 0..number {
            client.start::<Errand>(&mut tx, &format!("errand:{n}"), &n).await.unwrap();
        }
        tx.commit().await.unwrap();
    });
}

fn keep_schedule(cell: &TestCell) {
    cell.runtime.block_on(async {
        let database = Database::new(&cell.url, cell.cell.name()).unwrap();
        let client = Client::connect(&database).await.unwrap();
        let pool = database.pool("test", 1).await.unwrap();
        let schedule = Schedule::new("nightly books", "30 2 * * *").unwrap();
        let mut conn = pool.acquire().await.unwrap();
        client.schedule::<Nightly, _>(&mut conn, &schedule, &1).await.unwrap();
    });
}

/// Parks the cell's only checkout at its first step.
fn stick(cell: &TestCell) {
    cell.sql(
        "delete from queues;
         update tasks set due_at = coalesce(due_at, now()), state = 'RUNNING', incident_id = null;
         delete from incidents;
         insert into incidents (incident_id, run_id, class, step, occurrence, call, message,
           fingerprint)
         select gen_random_uuid(), run_id, 'retries_used_up', 'reserve_stock', 0,
           '{\"input\": 1}', 'no answer from +919876543210', 'f00dfeed'
         from runs
         where ended_state is null;
         update tasks
         set state = 'STUCK', due_at = null, incident_id = (select incident_id from incidents)",
    );
}

/// Without what depends on the moment, or is new each time.
fn steady(text: &str) -> String {
    if let Ok(mut value) = serde_json::from_str::<Value>(text) {
        forget(&mut value);
        return value.to_string();
    }
    let words = text.split(' ').map(|word| {
        let is_id = word.trim_matches(|c: char| !c.is_alphanumeric()).len() == 36;
        if is_id && word.matches('-').count() == 4 { "ID" } else { word }
    });
    let words: Vec<_> =
        words.filter(|word| word.trim_start_matches('(').parse::<u32>().is_err()).collect();
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn forget(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(forget),
        Value::Object(all) => {
            for name in ["read_at", "at", "id", "version", "forked", "due_at", "next_at"] {
                all.remove(name);
            }
            all.values_mut().for_each(forget);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn alike(what: &[&str], direct: &Ended, remote: &Ended) {
    let told = |ended: &Ended| (ended.code, steady(&ended.out), steady(&ended.err));
    assert_eq!(told(direct), told(remote), "{what:?} tells the same over the API");
}

#[test]
fn each_look_tells_the_same_directly_and_over_the_api() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    keep_schedule(&cell);
    stick(&cell);
    let api = Api::of(&cell);
    let ada = token(&cell, "ada", "operator");
    let (id, part) = (format!("checkout:{order}:1"), order.to_string());
    let looks: &[&[&str]] = &[
        &["runs", "list"],
        &["runs", "list", "--state", "stuck", "--attribute", "customer=ada", "--since", "1h"],
        &["runs", "list", "--state", "paused"],
        &["runs", "list", "--not", "planet=mars"],
        &["runs", "show", &id],
        &["runs", "show", &part, "--full"],
        &["runs", "show", "nobody"],
        &["incidents", "list"],
        &["incidents", "show", "f00d"],
        &["incidents", "show", "beef"],
        &["workers", "list"],
        &["queues", "list"],
        &["schedules", "list"],
        &["schedules", "show", "nightly books"],
        &["schedules", "show", "daily"],
    ];
    for look in looks {
        for format in ["table", "json"] {
            let look = [*look, &["-o", format]].concat();
            let (direct, remote) = (cell.run(&look), api.run(&ada, &look));
            assert!(matches!(direct.code, Some(0 | 2 | 3)), "{look:?}: {direct:?}");
            alike(&look, &direct, &remote);
        }
    }
}

#[test]
fn each_verb_does_and_tells_the_same_directly_and_over_the_api() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    keep_schedule(&cell);
    let api = Api::of(&cell);
    let ada = token(&cell, "ada", "admin");
    let (id, long) = (format!("checkout:{order}:1"), "x".repeat(300));
    let verbs: &[&[&str]] = &[
        &["runs", "resume", &id],
        &["runs", "retry", &id, "--dry-run"],
        &["runs", "retry", &id],
        &["runs", "resume-forward", &id],
        &["runs", "skip", &id],
        &["runs", "skip", &id, "--step", "charge", "--result", "1"],
        &["runs", "edit", &id, "--input", "{\"a\": 1}", "--dry-run"],
        &["runs", "edit", &id, "--input", "{\"a\": 1}"],
        &["runs", "skip", &id, "--result", "null", "--dry-run"],
        &["runs", "fork", &id, "--from-row", "0", "--as", "{}:again", "--dry-run"],
        &["runs", "fork", &id, "--from-row", "7"],
        &["runs", "pause", &id],
        &["runs", "compensate", &id, "--dry-run"],
        &["runs", "cancel", &id, "--dry-run"],
        &["runs", "terminate", &id, "--dry-run"],
        &["runs", "close", &id, "--dry-run"],
        &["runs", "close", "nobody"],
        &["queues", "set", "mail", "--concurrency", "3", "--rate", "100/1m", "--dry-run"],
        &["queues", "set", "mail", "--concurrency", "0"],
        &["queues", "set", &long, "--concurrency", "1"],
        &["queues", "pause", "mail"],
        &["queues", "resume", "mail"],
        &["schedules", "pause", "daily"],
        &["schedules", "pause", "nightly books", "--dry-run"],
        &["schedules", "resume", "nightly books"],
    ];
    for verb in verbs {
        for format in ["table", "json"] {
            let verb = [*verb, &["--reason", "to compare", "-o", format]].concat();
            stick(&cell);
            let direct = cell.run(&verb);
            stick(&cell);
            let remote = api.run(&ada, &verb);
            alike(&verb, &direct, &remote);
        }
    }
    let done = "select string_agg(distinct verb, ' ' order by verb)
                from operator_actions
                where actor = 'ada (token desk)' and request_id is not null";
    assert_eq!(cell.text(done).as_deref(), Some("edit_input retry"), "token and request are named");
    let set = "select string_agg(distinct verb, ' ' order by verb)
               from setting_actions
               where actor = 'ada (token desk)'";
    let set = cell.text(set);
    assert_eq!(set.as_deref(), Some("pause_queue resume_queue resume_schedule"));
}

#[test]
fn a_verb_that_ends_a_run_does_so_over_the_api_and_a_fork_goes_on() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    let api = Api::of(&cell);
    let ada = token(&cell, "ada", "admin");
    let id = format!("checkout:{order}:1");
    let closed = api.run(&ada, &["runs", "terminate", &id, "--reason", "it was a test"]);
    assert_eq!(closed.code, Some(0), "{}", closed.err);
    assert!(closed.err.contains("is closed. Nothing was undone."), "{}", closed.err);
    let watched = api.run(&ada, &["runs", "watch", &order.to_string()]);
    assert_eq!(watched.code, Some(1), "it did not reach its goal: {}", watched.err);
    assert!(watched.out.contains("CLOSED: Nothing"), "{}", watched.out);
    let fork = ["runs", "fork", &id, "--from-row", "0", "--as", "{}:again", "--reason", "anew"];
    let forked = api.run(&ada, &[&fork[..], &["-o", "json"]].concat());
    assert_eq!(forked.code, Some(0), "{}", forked.err);
    let new = json(&forked.out)["forked"].as_str().unwrap().to_owned();
    let shown = api.run(&ada, &["runs", "show", &new, "-o", "json"]);
    assert_eq!(json(&shown.out)["run"]["workflow_id"], format!("{id}:again").as_str());
    let fork = api.run(&ada, &fork);
    assert_eq!(fork.code, Some(4), "its id is taken: {}", fork.err);
    assert!(fork.err.contains("choose another workflow id"), "{}", fork.err);
}

#[test]
fn a_token_gives_no_more_than_its_rank_and_its_owner_have() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    stick(&cell);
    let api = Api::of(&cell);
    let (eve, ada) = (token(&cell, "eve", "viewer"), token(&cell, "ada", "admin"));
    let looking = made(&cell, &["ada", "--name", "looking", "--rank", "viewer"]);
    let mending = made(&cell, &["ada", "--name", "mending", "--rank", "operator"]);
    let id = format!("checkout:{order}:1");
    let act = |token: &str, verb: &str| {
        api.run(token, &["runs", verb, &id, "--reason", "to see", "--yes"])
    };
    for token in [&eve, &looking] {
        let refused = act(token, "retry");
        assert_eq!(refused.code, Some(1), "a viewer looks: {}", refused.err);
        assert!(refused.err.contains("this needs operator") && refused.err.contains("next:"));
        let shown = api.run(token, &["runs", "show", &id, "-o", "json"]);
        assert_eq!(shown.code, Some(0), "{}", shown.err);
        assert!(!shown.out.contains("9876543210"), "no telephone number: {}", shown.out);
        let input = json(&shown.out)["detail"]["input"].to_string();
        assert!(input.contains("hidden from viewers"), "no recorded value: {input}");
        assert!(!input.contains(&order.to_string()), "{input}");
        let queue = ["queues", "pause", "mail", "--reason", "to see"];
        assert_eq!(api.run(token, &queue).code, Some(1), "nor on queues");
    }
    let shown = api.run(&mending, &["runs", "show", &id, "-o", "json"]);
    assert!(shown.out.contains("9876543210"), "an operator sees them: {}", shown.out);
    let refused = act(&mending, "close");
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("this needs admin"), "{}", refused.err);
    let lower = ["operators", "set-rank", "ada", "operator", "--actor", "root"];
    assert_eq!(cell.run(&lower).code, Some(0));
    assert_eq!(act(&ada, "close").code, Some(1), "the token of an admin who is one no more");
    let written = "select count(*)::text from operator_actions";
    assert_eq!(cell.text(written).as_deref(), Some("0"), "nothing was done");
    assert_eq!(act(&ada, "retry").code, Some(0), "but what an operator may");
    let above = ["operators", "token", "create", "ada", "--name", "above", "--rank", "admin"];
    let above = cell.run(&above);
    assert_eq!(above.code, Some(4), "none above its owner: {}", above.err);
}

#[test]
fn a_token_that_works_no_more_is_told_so_and_why() {
    let cell = TestCell::new();
    let api = Api::of(&cell);
    let ada = token(&cell, "ada", "operator");
    let tried = |token: &str, part: &str| {
        let tried = api.run(token, &["runs", "list"]);
        assert_eq!(tried.code, Some(1), "{}", tried.err);
        assert!(tried.err.contains(part), "{part:?} is told: {}", tried.err);
        assert!(tried.err.contains("next:"), "and what to do: {}", tried.err);
    };
    let made_twice = ["operators", "token", "create", "ada", "--name", "desk"];
    assert_eq!(cell.run(&made_twice).code, Some(4), "one token of a name");
    let listed = json(&cell.run(&["operators", "token", "list", "-o", "json"]).out);
    assert_eq!(listed[0]["name"], "desk");
    assert!(!listed.to_string().contains(&ada), "a token is shown once");
    let kept = cell.text("select encode(token_hash, 'escape') from console_tokens").unwrap();
    assert!(!ada.contains(&kept), "only its hash is kept");
    assert_eq!(api.run(&ada, &["runs", "list"]).code, Some(0));
    let used = "select (used_at is not null)::text from console_tokens";
    assert_eq!(cell.text(used).as_deref(), Some("true"), "its owner sees that it was used");
    tried("makegood_0000", "nobody has this token");
    cell.sql("update console_tokens set expires_at = now()");
    tried(&ada, "the token desk of ada expired at");
    let anew = made(&cell, &["ada", "--name", "desk"]);
    assert_eq!(api.run(&anew, &["runs", "list"]).code, Some(0), "its name is free again");
    let revoke = ["operators", "token", "revoke", "ada", "--name", "desk", "--actor", "root"];
    assert_eq!(cell.run(&revoke).code, Some(0));
    tried(&anew, "the token desk of ada was revoked at");
    assert_eq!(cell.run(&revoke).code, Some(3), "it works no more");
    let before = made(&cell, &["ada", "--name", "before"]);
    assert_eq!(cell.run(&["operators", "set-password", "ada", "--actor", "root"]).code, Some(0));
    tried(&before, "was revoked at");
    let last = made(&cell, &["ada", "--name", "last"]);
    assert_eq!(cell.run(&["operators", "disable", "ada", "--actor", "root"]).code, Some(0));
    tried(&last, "revoked at");
    assert_eq!(cell.run(&["operators", "enable", "ada", "--actor", "root"]).code, Some(0));
    tried(&last, "revoked at");
    let kept = "select string_agg(verb || ' ' || coalesce(after ->> 'token', before ->> 'token'),
                  ', ' order by at)
                from console_actions
                where actor = 'root' and verb like '%token'";
    let kept = cell.text(kept).unwrap();
    assert_eq!(
        kept,
        "create_token desk, create_token desk, revoke_token desk, create_token before, \
         create_token last"
    );
}

#[test]
fn a_run_that_moved_on_while_somebody_was_asked_is_left_alone() {
    let cell = TestCell::new();
    let order = shop::place_order(&cell);
    let api = Api::of(&cell);
    let ada = token(&cell, "ada", "admin");
    let id = format!("checkout:{order}:1");
    let mut asked = command(&["runs", "terminate", &id, "--reason", "to see"]);
    asked.env("MAKEGOOD_API_URL", api.url()).env("MAKEGOOD_API_TOKEN", &ada);
    let (terminal, mut typist) = terminal::open();
    asked.stdin(Stdio::from(terminal)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut asking = asked.spawn().unwrap();
    let mut told = std::io::BufReader::new(asking.stderr.take().unwrap());
    support::read_until(&mut told, "Type yes");
    let paused = cell.run(&["runs", "pause", &id, "--reason", "meanwhile", "--actor", "bob"]);
    assert_eq!(paused.code, Some(0), "{}", paused.err);
    std::io::Write::write_all(&mut typist, b"yes\n").unwrap();
    let rest = support::read_until(&mut told, "next:");
    assert_eq!(asking.wait().unwrap().code(), Some(4), "{rest}");
    assert!(rest.contains("it has moved on since you looked, and is PAUSED now"), "{rest}");
    assert_eq!(cell.text("select state from tasks").as_deref(), Some("PAUSED"), "nothing was done");
}

#[test]
fn where_to_ask_and_with_what_is_told_before_anything_is_asked() {
    let cell = TestCell::new();
    let api = Api::of(&cell);
    let ada = token(&cell, "ada", "operator");
    let list = ["runs", "list"];
    let asked = |name: &str, value: &str, args: &[&str]| {
        ended(command(args).env("MAKEGOOD_API_URL", api.url()).env(name, value))
    };
    let bare = asked("NOTHING", "", &list);
    assert_eq!(bare.code, Some(2));
    assert!(bare.err.contains("MAKEGOOD_API_TOKEN") && bare.err.contains("next:"), "{}", bare.err);
    let file = std::env::temp_dir().join(format!("token-{}", cell.cell));
    fs::write(&file, format!("{ada}\nand words\n")).unwrap();
    let by_file = asked("MAKEGOOD_API_TOKEN_FILE", file.to_str().unwrap(), &list);
    assert_eq!(by_file.code, Some(0), "its first line counts: {}", by_file.err);
    fs::remove_file(&file).unwrap();
    let gone = asked("MAKEGOOD_API_TOKEN_FILE", file.to_str().unwrap(), &list);
    assert!(gone.code == Some(2) && gone.err.contains("cannot be read"), "{}", gone.err);
    let flag = ended(
        command(&["runs", "list", "--api", &api.url(), "--cell", "nothing_here"])
            .env("MAKEGOOD_API_TOKEN", &ada)
            .env("MAKEGOOD_DATABASE_URL", "postgres://u@127.0.0.1:1/d"),
    );
    assert_eq!(flag.code, Some(0), "the API wins: {}", flag.err);
    let typed = ended(
        command(&["runs", "list", "--database-url", &cell.url, "--cell", &cell.cell.to_string()])
            .env("MAKEGOOD_API_URL", "https://127.0.0.1:1")
            .env("MAKEGOOD_API_TOKEN", &ada),
    );
    assert_eq!(typed.code, Some(0), "unless the database is typed: {}", typed.err);
    let clear =
        asked("MAKEGOOD_API_TOKEN", &ada, &["runs", "list", "--api-url", "http://10.0.0.1"]);
    assert_eq!(clear.code, Some(2), "a token does not travel in the clear");
    assert!(clear.err.contains("is not https"), "{}", clear.err);
    let nobody = ended(
        command(&list)
            .env("MAKEGOOD_API_URL", "http://127.0.0.1:1")
            .env("MAKEGOOD_API_TOKEN", &ada),
    );
    assert!(
        nobody.code == Some(1) && nobody.err.contains("cannot reach the API"),
        "{}",
        nobody.err
    );
    let elsewhere = asked(
        "MAKEGOOD_API_TOKEN",
        &ada,
        &["runs", "list", "--api-url", &format!("{}/x", api.url())],
    );
    assert!(elsewhere.err.contains("no such route"), "{}", elsewhere.err);
    let other = ["runs", "pause", "x", "--reason", "y", "--actor", "bob"];
    let other = asked("MAKEGOOD_API_TOKEN", &ada, &other);
    assert_eq!(other.code, Some(2), "nobody acts under another's name");
    assert!(other.err.contains("whoever's token it is acts"), "{}", other.err);
}

const MANY: u32 = 30;

#[test]
fn a_bulk_action_over_the_api_is_looked_at_carried_out_followed_and_stopped() {
    let cell = TestCell::new();
    start_errands(&cell, MANY);
    let api = Api::of(&cell);
    let (ada, eve) = (token(&cell, "ada", "operator"), token(&cell, "eve", "viewer"));
    let bulk = |verb: &'static str| {
        ["runs", "bulk", verb, "--workflow", "errand", "--reason", "the road is shut"]
    };
    let look = [&bulk("pause")[..], &["--dry-run"]].concat();
    alike(&look, &cell.run(&look), &api.run(&ada, &look));
    let unasked = api.run(&ada, &bulk("pause"));
    assert_eq!(unasked.code, Some(2), "nobody can be asked: {}", unasked.err);
    let meant = [&bulk("pause")[..], &["--yes", "--rate", "1000", "-o", "json"]].concat();
    let refused = api.run(&eve, &meant);
    assert_eq!(refused.code, Some(1), "a viewer looks: {}", refused.err);
    let paused = api.run(&ada, &meant);
    assert_eq!(paused.code, Some(0), "{}", paused.err);
    let shown = json(&paused.out);
    assert_eq!((&shown["bulk"]["done"], &shown["bulk"]["state"]), (&MANY.into(), &"DONE".into()));
    let written = "select count(*)::text
                   from operator_actions
                   where verb = 'pause' and actor = 'ada' and bulk_id is not null";
    assert_eq!(cell.text(written), Some(MANY.to_string()), "each run has its action");
    let named = "select string_agg(verb, ' ' order by at)
                 from console_actions
                 where actor = 'ada (token desk)'";
    assert_eq!(cell.text(named).as_deref(), Some("freeze_bulk begin_bulk"), "the token is named");

    let mut slowly = command(&[&bulk("resume")[..], &["--yes", "--rate", "2"]].concat());
    slowly.env("MAKEGOOD_API_URL", api.url()).env("MAKEGOOD_API_TOKEN", &ada);
    let mut slowly = slowly.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = slowly.stderr.take().unwrap();
    let line = support::read_until(&mut told, "\n");
    let bulk_id = line.trim().strip_prefix("Bulk action ").unwrap();
    let bob = token(&cell, "bob", "admin");
    let others = api.run(&bob, &["runs", "bulk-resume", bulk_id]);
    assert_eq!(others.code, Some(1), "it would bear another's name: {}", others.err);
    assert!(others.err.contains("it is ada's"), "{}", others.err);
    let stop = ["runs", "bulk-cancel", bulk_id, "--reason", "it does not help"];
    let stopped = api.run(&bob, &stop);
    assert_eq!(stopped.code, Some(0), "but anybody who may act stops it: {}", stopped.err);
    assert_eq!(slowly.wait().unwrap().code(), Some(0), "whoever looks on is told of its end");
    let out = support::read_until(&mut slowly.stdout.take().unwrap(), "CANCELLED");
    assert!(out.ends_with("CANCELLED"), "{out}");
    let left = cell.text("select count(*)::text from tasks where state = 'PAUSED'").unwrap();
    assert!(left.parse::<u32>().unwrap() > 0, "runs whose turn had not come are as they were");
    assert_eq!(api.run(&bob, &stop).code, Some(3), "it is over");
    let shown = ["runs", "bulk-show", bulk_id];
    alike(&shown, &cell.run(&shown), &api.run(&ada, &shown));
}
