//! `makegood bench` as a process: its figures add up, it names wrong sizes, and leaves nothing.
#![expect(clippy::float_arithmetic, reason = "a test stops at the first fault")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::cell::TestCell;
use support::{command, run, until};

const PATIENCE: Duration = Duration::from_mins(1);

/// What every measurement says, if only with null.
const FIELDS: [&str; 18] = [
    "work",
    "runs",
    "elapsed_s",
    "runs_per_s",
    "steps_per_s",
    "insert_commits_per_s",
    "steps_per_insert_commit",
    "runs_per_insert_commit",
    "commits_per_run",
    "statements_per_run",
    "wal_bytes_per_run",
    "latency_ms",
    "worker_cpu_ms_per_run",
    "starter_cpu_ms_per_run",
    "database_cpu_ms_per_run",
    "worker_peak_rss_mib",
    "settings",
    "postgresql",
];

/// The one object that a measurement prints.
fn report(out: &str, err: &str) -> Value {
    let report: Value = serde_json::from_str(out).unwrap_or_else(|_| panic!("{out:?}\n{err}"));
    for field in FIELDS {
        assert!(report.get(field).is_some(), "{field} is there: {report}");
    }
    report
}

/// Measures on the tests' server.
fn measured(args: &[&str]) -> Value {
    let cell = TestCell::unmade();
    let mut line = vec!["bench"];
    line.extend(args);
    line.extend(["--json", "--database-url", &cell.url]);
    let ended = run(&line);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    report(&ended.out, &ended.err)
}

fn number(report: &Value, pointer: &str) -> f64 {
    report.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}: {report}"))
}

fn near(one: f64, other: f64) -> bool {
    (one / other - 1.0).abs() < 0.02
}

#[test]
fn the_figures_of_a_throughput_run_add_up() {
    let args = ["bench", "engine", "--work", "checkout", "--runs", "200", "--concurrency", "32"];
    let ended = run(&[&args[..], &["--json"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let report = report(&ended.out, &ended.err);
    assert_eq!(report["work"], "checkout-shaped");
    assert_eq!((&report["runs"], &report["latency_ms"]["count"]), (&200.into(), &200.into()));
    let per_s = number(&report, "/runs_per_s");
    assert!(near(per_s * number(&report, "/elapsed_s"), 200.0), "runs by time: {report}");
    assert!(near(number(&report, "/steps_per_s"), 4.0 * per_s), "four steps a run: {report}");
    let inserts = number(&report, "/insert_commits_per_s");
    let ratio = number(&report, "/steps_per_insert_commit");
    assert!(near(ratio, 4.0 * per_s / inserts), "as a multiple of inserts: {report}");
    let [p50, p99, p999] =
        ["p50", "p99", "p999"].map(|name| number(&report, &format!("/latency_ms/{name}")));
    assert!(0.0 < p50 && p50 <= p99 && p99 <= p999, "in their order: {report}");
    // Five rows of a step and one of a run cannot be less; a statement or a commit may carry many.
    assert!(number(&report, "/wal_bytes_per_run") > 1_000.0, "{report}");
    assert!(number(&report, "/commits_per_run") > 0.0, "{report}");
    assert!(number(&report, "/worker_peak_rss_mib") > 1.0, "{report}");
    assert_eq!(report["settings"]["database"], "private");
}

#[test]
fn an_even_pace_is_kept_and_what_the_server_does_not_count_is_null() {
    let report = measured(&["latency", "--runs", "40", "--rate", "40"]);
    assert_eq!(report["work"], "steps4");
    assert_eq!(report["latency_ms"]["count"], 40);
    assert!(number(&report, "/elapsed_s") >= 0.97, "40 at 40 a second take a second: {report}");
    assert_eq!(report["statements_per_run"], Value::Null, "that server does not count them");
    assert_eq!(report["settings"]["database"], "given");
}

#[test]
fn exactly_the_units_there_are_are_sold() {
    let report = measured(&["flash-sale", "--runs", "120", "--units", "50"]);
    assert_eq!((&report["sold"], &report["refused"]), (&50.into(), &70.into()), "{report}");
    assert!(number(&report, "/one_row_sales_per_s") > 0.0, "{report}");
}

#[test]
fn every_timer_fires_and_none_early() {
    let report = measured(&["timers", "--runs", "200"]);
    assert_eq!((&report["early"], &report["latency_ms"]["count"]), (&0.into(), &200.into()));
}

#[test]
fn the_runs_of_a_killed_worker_move_again_within_two_leases() {
    let report = measured(&["recovery", "--runs", "20", "--lease", "2"]);
    assert_eq!(report["latency_ms"]["count"], 20, "each of them");
    let most = number(&report, "/max_leases");
    assert!(most > 0.0 && most <= 2.0, "after {most} leases: {report}");
}

#[test]
fn checkouts_are_paid_over_http() {
    let report = measured(&["checkout", "--runs", "6", "--concurrency", "3"]);
    assert_eq!(report["latency_ms"]["count"], 6, "each was seen to be paid");
    assert!(number(&report, "/carrying_commits_per_run") >= 1.0, "{report}");
}

#[test]
fn a_size_that_makes_no_sense_is_named() {
    for args in [
        ["engine", "--runs", "0"],
        ["engine", "--concurrency", "many"],
        ["latency", "--rate", "0"],
        ["flash-sale", "--units", "0"],
        ["recovery", "--lease", "301"],
        ["checkout", "--workers", "17"],
    ] {
        let ended = run(&[&["bench"], &args[..]].concat());
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.err);
        assert!(ended.err.contains(args[1]), "{} is named: {}", args[1], ended.err);
    }
}

#[test]
fn an_interrupted_measurement_leaves_no_cell_and_no_worker() {
    let cell = TestCell::unmade();
    let mut bench = command(&["bench", "idle", "--seconds", "600", "--database-url", &cell.url]);
    let mut bench = bench.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(bench.stderr.take().unwrap()).lines();
    let migrated =
        lines.find(|line| line.as_ref().unwrap().contains(" migrated")).unwrap().unwrap();
    let name = migrated.split(' ').find(|word| word.starts_with("bench_")).unwrap().to_owned();
    let reader = std::thread::spawn(move || lines.count());
    let worker = format!("select pid::text from {name}.workers where alive");
    let pid = until("its worker is at work", PATIENCE, || cell.text(&worker));
    let sent = Command::new("kill").args(["-INT", &bench.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let code = until("it ends", PATIENCE, || bench.try_wait().unwrap()).code();
    reader.join().unwrap();
    assert_eq!(code, Some(130), "as interrupted");
    let cells = format!("select 1::text from pg_namespace where nspname = '{name}'");
    assert_eq!(cell.text(&cells), None, "its cell is dropped");
    let alive = std::path::Path::new("/proc").join(pid).exists();
    assert!(!alive, "its worker has ended");
}

#[test]
fn every_page_of_the_console_is_timed_over_runs_that_are_there() {
    let report = measured(&["console", "--runs", "2000", "--requests", "2"]);
    assert_eq!(
        (&report["work"], &report["runs_in_the_tables"]),
        (&"console".into(), &2_000.into())
    );
    for page in ["overview", "all runs", "runs stuck", "runs by a text that none has", "one run"] {
        let [p50, p95, max] =
            ["p50", "p95", "max"].map(|which| number(&report, &format!("/{page}/{which}")));
        assert!(0.0 < p50 && p50 <= p95 && p95 <= max, "{page}: {report}");
    }
}
