//! The report of a run as a person reads it, on standard output.

use makegood_bench::figures::Percentiles;

use super::report::{Report, RunReport};
use crate::{
    demo::tables::{align_right, table},
    output::data,
};

const LISTED: usize = 40;

/// Prints what struck, what it met and how long recoveries took.
pub(crate) fn print(run: &RunReport) {
    data(&format!("\nWhat struck in {} checkouts (seed {})", run.checkouts, run.seed));
    let mut struck = table(&["fault", "times", "in the middle of"]);
    for (fault, times) in &run.struck {
        let met = run.met.get(fault).into_iter().flatten();
        let mut met: Vec<_> = met.map(|(what, times)| (times, what)).collect();
        met.sort_unstable_by(|one, other| other.cmp(one));
        let met: Vec<_> =
            met.iter().take(4).map(|(times, what)| format!("{times} {what}")).collect();
        struck.add_row([fault.replace('_', " "), times.to_string(), met.join("; ")]);
    }
    align_right(&mut struck, 1);
    data(&struck.to_string());
    data("\nRecovery");
    let mut waits = table(&["from", "times", "median", "p99", "longest"]);
    for (what, wait) in [
        ("a worker's death to the next claim of its runs", run.orphans_ms),
        ("the same while wires or the database were struck too", run.orphans_disturbed_ms),
        ("the database's death to its being up", run.database_restart_ms),
        ("there to the next promise to a customer", run.promise_after_restart_ms),
    ] {
        let Percentiles { count, p50, p99, max, .. } = wait;
        let ms = |wait: f64| format!("{wait:.0} ms");
        waits.add_row([what.to_owned(), count.to_string(), ms(p50), ms(p99), ms(max)]);
    }
    (1..5).for_each(|column| align_right(&mut waits, column));
    data(&waits.to_string());
    for fault in run.faults.iter().take(LISTED) {
        data(&format!("  ✗ {fault}"));
    }
    if let Some(more @ 1..) = run.faults.len().checked_sub(LISTED) {
        data(&format!("  ✗ and {more} more"));
    }
    if !run.held {
        data(&format!("\nNot everything held. Again with: {}", run.replay));
    }
}

/// Prints what all runs came to.
pub(crate) fn conclude(report: &Report) {
    let Report { sagas, kills, violations, lost, stuck, .. } = report;
    let answers: u64 = report.runs.iter().map(|run| run.acknowledged.answers).sum();
    let verdict = if report.held { "Every promise held" } else { "Not everything held" };
    data(&format!(
        "\n{verdict}: {sagas} sagas, {kills} processes killed or frozen, {violations} violations, \
         {lost} of {answers} answers lost, {stuck} sagas stuck."
    ));
}
