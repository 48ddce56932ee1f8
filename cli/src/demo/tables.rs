//! The report as a person reads it, on standard output.

use comfy_table::{CellAlignment, Table, presets::UTF8_BORDERS_ONLY};
use makegood_bench::figures::Percentiles;

use super::{
    comparison::Compared,
    ends::End,
    report::{ChaosReport, Report},
};
use crate::output::data;

const LISTED: usize = 40;

/// Prints outcomes, figures and the audit.
pub(crate) fn print(report: &Report) {
    data(&format!("\nHow {} checkouts ended (seed {})", report.checkouts, report.seed));
    data(&outcomes(report).to_string());
    data("\nFigures");
    data(&figures(report).to_string());
    if let Some(chaos) = &report.chaos {
        data("\nChaos");
        data(&troubles(report, chaos).to_string());
    }
    data("\nAudit: each promise, and how often it is broken");
    data(&audit(report).to_string());
}

/// Prints what did not hold, if anything, and the conclusion.
pub(crate) fn conclude(report: &Report) {
    for fault in report.faults.iter().take(LISTED) {
        data(&format!("  ✗ {fault}"));
    }
    if let Some(more @ 1..) = report.faults.len().checked_sub(LISTED) {
        data(&format!("  ✗ and {more} more"));
    }
    let (kills, taken_over) = (report.worker_kills, report.runs_taken_over);
    let workers = if kills == 1 { "one worker" } else { &format!("{kills} workers") };
    data(&if report.held {
        format!(
            "\nEvery promise held: {} checkouts, {workers} killed in the middle of {taken_over} \
             runs, every saga ended as it must, {} captured payments kept or returned, \
             0 violations.",
            report.checkouts, report.gateway.captured_payments,
        )
    } else {
        format!("\nNot everything held; faults, listed above: {}", report.faults.len())
    });
}

/// An empty table with a frame.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(header);
    table
}

/// Puts a column's cells to its right edge.
pub(crate) fn align_right(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn outcomes(report: &Report) -> Table {
    let mut table = table(&["the customer", "checkouts", "ended as"]);
    for (scenario, ends) in &report.scenarios {
        let words = ends.iter().map(|(end, count)| format!("{count} {end}"));
        let sum: u64 = ends.values().sum();
        let words = words.collect::<Vec<_>>().join(", ");
        table.add_row([scenario.to_string(), sum.to_string(), words]);
    }
    let all = report.outcomes.iter().map(|(end, count)| format!("{count} {end}"));
    let sum: u64 = report.outcomes.values().sum();
    table.add_row(["all".to_owned(), sum.to_string(), all.collect::<Vec<_>>().join("\n")]);
    align_right(&mut table, 1);
    table
}

fn figures(report: &Report) -> Table {
    let mut table = table(&["figure", "value", "meaning"]);
    let waits = |wait: Percentiles| format!("p50 {:.0} ms, p99 {:.0} ms", wait.p50, wait.p99);
    let paid = report.outcomes.get(&End::Paid).copied().unwrap_or(0);
    let returned = match report.chaos {
        Some(_) => "late, beside, or asked back",
        None => "late, or beside a cancellation",
    };
    let rows = [
        ("placed to reserved", waits(report.reserve_ms), "as the customer's browser sees it"),
        ("paid to settled", waits(report.settle_ms), "from the gateway's receipt to PAID"),
        ("placed to paid", waits(report.latency_ms), "for those who pay at once"),
        ("paid orders", paid.to_string(), "by exactly one payment each"),
        ("throughput", format!("{}/s", report.checkouts_per_s), "checkouts while the crowd came"),
        (
            "commits a checkout",
            report.commits_per_checkout.to_string(),
            "starts, signals and turns; claims and reads aside",
        ),
        ("sagas", report.sagas.to_string(), "checkouts, and returns of late money"),
        ("workers killed", report.worker_kills.to_string(), "by SIGKILL, in the middle of work"),
        ("runs taken over", report.runs_taken_over.to_string(), "held by them at that moment"),
        ("money kept", rupees(report.gateway.kept_minor), "equal in the gateway's books and ours"),
        ("money returned", rupees(report.gateway.returned_minor), returned),
        ("not ended", report.stuck.to_string(), "sagas parked or still open"),
        ("elapsed", format!("{} s", report.elapsed_s), "from the first start to the audit"),
    ];
    for (figure, value, meaning) in rows {
        table.add_row([figure.to_owned(), value, meaning.to_owned()]);
    }
    align_right(&mut table, 1);
    table
}

fn troubles(report: &Report, chaos: &ChaosReport) -> Table {
    let mut table = table(&["what went wrong", "times"]);
    let mut row = |what: &str, times: u64| {
        table.add_row([what.replace('_', " "), times.to_string()]);
    };
    for (fault, times) in &chaos.faults_met {
        row(fault, *times);
    }
    row("call refused in the outage", chaos.calls_refused);
    row("webhook unsent while none was", chaos.webhooks_unsent);
    for (incident, times) in &chaos.decided {
        row(&format!("{incident}, decided by a person"), *times);
    }
    let Compared { reports, payments_found, .. } = chaos.compared;
    let payments = format!("payment found by one of {reports} comparisons");
    row(&payments, u64::try_from(payments_found).unwrap_or_default());
    let Compared { refunds_unwatched, refunds_differing, .. } = chaos.compared;
    let refunds = refunds_unwatched.saturating_add(refunds_differing);
    row("refund found by a sweep at the end", u64::try_from(refunds).unwrap_or_default());
    row("refund failed, or sent back by a bank", report.gateway.refunds_failed);
    let asked_back = rupees(report.gateway.asked_back_minor);
    table.add_row(["money asked back from paid orders, of what was returned", &asked_back]);
    align_right(&mut table, 1);
    table
}

fn audit(report: &Report) -> Table {
    let mut table = table(&["promise", "broken"]);
    for (name, count) in &report.audit.counts {
        table.add_row([(*name).to_owned(), count.to_string()]);
    }
    align_right(&mut table, 1);
    table
}

fn rupees(minor: i64) -> String {
    domain::Money::from_minor(minor, domain::Currency::Inr).to_string()
}
