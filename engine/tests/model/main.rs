//! Random programs, driven by the real engine on a real PostgreSQL while its workers are buried
//! and replaced, and compared with a simple model of what a program may do.
//!
//! `MAKEGOOD_CASES=10000` drives so many, `MAKEGOOD_FIRST=n` from another seed on, and
//! `MAKEGOOD_SEED=n` drives the case of one seed, in many copies, with its program printed.
#![allow(clippy::match_same_arms, reason = "odds are a table, a line each")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first fault")]
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first fault")]
#![allow(clippy::print_stderr, reason = "a difference is told in full")]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no outside")]

mod acts;
mod chance;
mod check;
mod dice;
mod drive;
mod facts;
mod machine;
mod planted;
mod program;
mod replay;
mod script;
mod storm;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "the cells of all engine tests are alike; not all is used here")]
mod support;
mod trades;
mod world;

use std::time::Instant;

use facts::Facts;
use program::Case;
use storm::Weather;
use support::TestCell;
use uuid::Uuid;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A panic that a program plans is no news.
fn hush() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let planned = panic.payload().downcast_ref::<&str>().is_some_and(|text| *text == "planned");
        if !planned {
            loud(panic);
        }
    }));
}

/// The cases that were asked for.
fn cases() -> Vec<Case> {
    let Some(seed) = setting("MAKEGOOD_SEED") else {
        let first = setting("MAKEGOOD_FIRST").unwrap_or(1);
        let count = setting("MAKEGOOD_CASES").unwrap_or(1_000);
        return (first..first + count).map(chance::case).collect();
    };
    // Its fate hangs on chance too: many copies meet many fates.
    let copy = |number| {
        let mut case = chance::case(seed);
        rename(&mut case.program, &format!("c{seed}"), &format!("c{seed}-{number}"));
        case
    };
    (0..setting("MAKEGOOD_CASES").unwrap_or(200)).map(copy).collect()
}

fn rename(program: &mut program::Program, from: &str, to: &str) {
    let text = serde_json::to_string(program).unwrap();
    let text = text.replace(&format!("\"case\":\"{from}"), &format!("\"case\":\"{to}"));
    *program = serde_json::from_str(&text).unwrap();
}

/// All that is known of a case that differs.
fn report(facts: &Facts, case: &Case, faults: &[String]) -> String {
    let program = serde_json::to_string(case).unwrap();
    let mut lines = vec![format!("seed {}: {faults:#?}\n{program}", case.seed)];
    let mut runs: Vec<Uuid> = facts.run_of("script", &case.program.case).into_iter().collect();
    while let Some(run_id) = runs.pop() {
        runs.extend(facts.children.get(&run_id).into_iter().flatten());
        let run = &facts.runs[&run_id];
        lines.push(format!("{run_id} {} {:?} {:?}", run.state, run.output, run.cause));
        for row in facts.records.get(&run_id).into_iter().flatten() {
            let result = row.result.as_ref().map(ToString::to_string).unwrap_or_default();
            let next: Vec<String> =
                row.next.iter().map(|i| format!("{}#{}", i.name, i.occurrence)).collect();
            let (kind, name, occurrence) = (&row.kind, &row.name, row.occurrence);
            lines.push(format!("  {} {kind} {name}#{occurrence} {result} -> {next:?}", row.at));
        }
        lines.push(format!("  incidents {:?}", facts.incidents.get(&run_id)));
        lines.push(format!("  letters {:?}", facts.signals.get(&run_id)));
        lines.push(format!("  shows {:?}", facts.published.get(&run_id)));
    }
    lines.push(format!("  told {:?}\n", facts.told.get(&case.program.case)));
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_its_workers_a_program_does_what_the_model_says() {
    hush();
    let cases = cases();
    if setting("MAKEGOOD_SEED").is_some() {
        eprintln!("{}", serde_json::to_string_pretty(&cases[0]).unwrap());
    }
    let cell = TestCell::new().await;
    let begun = Instant::now();
    let seed = cases[0].seed;
    let facts = drive::drive(&cell, &cases, Weather::Storm { every: 150 }, seed).await;
    let driven = begun.elapsed();
    let mut differences = 0;
    for case in &cases {
        let faults = check::faults(&facts, case);
        if !faults.is_empty() {
            differences += 1;
            if differences <= 8 {
                eprintln!("{}", report(&facts, case, &faults));
            }
        }
    }
    let (rows, runs) = (facts.records.values().map(Vec::len).sum::<usize>(), facts.runs.len());
    eprintln!("{} cases, {runs} runs, {rows} records in {driven:?}", cases.len());
    assert_eq!(differences, 0, "the engine does what the model says");
    cell.audited().await;
    let replayed = replay::differences(&cell).await;
    assert_eq!(replayed, [""; 0], "another worker replays every record to the same end");
}
