//! A report as a person reads it, on standard output.

use makegood_bench::Report;
use serde_json::Value;

use crate::demo::tables::{align_right, table};
use crate::output::data;

/// Prints every figure that the load has.
pub(super) fn print(report: &Report) {
    let settings = &report.settings;
    data(&title(report));
    let mut shown = table(&["figure", "value", "meaning"]);
    for (figure, value, meaning) in rows(report) {
        if let Some(value) = value {
            shown.add_row([figure, value, meaning]);
        }
    }
    for (name, value) in &report.particular {
        shown.add_row([name.replace('_', " "), plain(value), String::new()]);
    }
    align_right(&mut shown, 1);
    data(&shown.to_string());
    data(&format!(
        "makegood {}{}, PostgreSQL {} ({}{}), {} processors, workers: {}{}",
        settings.version,
        settings.commit.as_ref().map(|commit| format!(" ({commit})")).unwrap_or_default(),
        report.postgresql,
        settings.database,
        match settings.commit_delay_ms {
            0 => String::new(),
            delay => format!(", each commit {delay} ms slower"),
        },
        settings.processors,
        settings.workers,
        if settings.release { "" } else { "; not a release build: these figures mean nothing" },
    ));
}

fn title(report: &Report) -> String {
    let mut words = vec![format!("\n{}: {}", report.settings.command, report.work)];
    if report.runs > 0 {
        words.push(format!("{} runs in {} s", report.runs, report.elapsed_s));
    }
    words.extend(report.settings.concurrency.map(|runs| format!("{runs} in flight")));
    words.join(", ")
}

type Row = (String, Option<String>, String);

fn rows(report: &Report) -> Vec<Row> {
    let row = |figure: &str, value: Option<f64>, meaning: &str| {
        (figure.to_owned(), value.map(|value| value.to_string()), meaning.to_owned())
    };
    let times = |value: Option<f64>| match value {
        Some(value) => format!("{value} times PostgreSQL's own rate of inserts"),
        None => String::new(),
    };
    let mut rows = vec![
        row("runs/s", report.runs_per_s, &times(report.runs_per_insert_commit)),
        row("steps/s", report.steps_per_s, &times(report.steps_per_insert_commit)),
        row("inserts/s", Some(report.insert_commits_per_s), "one row a commit, 16 clients"),
        row("commits a run", report.commits_per_run, "of all parts: claims, polls and reads too"),
        row("statements a run", report.statements_per_run, "begin and commit included"),
        row("WAL bytes a run", report.wal_bytes_per_run, "from a checkpoint on"),
        row("worker CPU ms a run", report.worker_cpu_ms_per_run, "of all workers"),
        row("starter CPU ms a run", report.starter_cpu_ms_per_run, "of this process"),
        row("database CPU ms a run", report.database_cpu_ms_per_run, "of all its processes"),
        row("worker peak MiB", report.worker_peak_rss_mib, "resident, of the largest worker"),
    ];
    if let Some(waits) = report.latency_ms {
        let value = format!("{} / {} / {}", waits.p50, waits.p99, waits.p999);
        let meaning = "p50 / p99 / p99.9, from a run's start until its end is seen";
        rows.push(("latency ms".to_owned(), Some(value), meaning.to_owned()));
    }
    rows
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
