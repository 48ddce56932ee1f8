//! What a run of chaos came to, for programs and for people.
//!
//! `struck` counts each fault, `met` says in the middle of what it struck: where the runs stood that
//! a killed process held, which calls were under way, how many connections were open.
//! `orphans_ms` is from the death of a worker to the next claim of each of its runs; where something
//! else kept workers from the database in that time, the wait counts among `orphans_disturbed_ms`.

use std::{collections::BTreeMap, time::Duration};

use makegood_bench::figures::Percentiles;
use serde::Serialize;

use super::{
    acknowledged::Acknowledged,
    args::Tier,
    tally::{Book, Met},
};
use crate::{
    audit::Audit,
    demo::{
        comparison::Compared, ends::End, gateway_books::GatewayBooks, journey::Journey,
        settle::Settled, truth::Verdict,
    },
};

/// Below this many checkouts not every fault can be asked for.
const MUCH: u32 = 500;
/// What an orphan may wait: leases, and what a look at it takes.
const LEASES: u32 = 2;
const LOOKED: Duration = Duration::from_millis(100);
/// Every fault that must have come: five blows, five troubles of five wires.
const KINDS: usize = 30;

/// All runs.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) tier: Tier,
    pub(crate) held: bool,
    pub(crate) sagas: u64,
    pub(crate) kills: u64,
    pub(crate) violations: usize,
    pub(crate) lost: usize,
    pub(crate) stuck: u64,
    /// What cannot be done to a process on this machine.
    pub(crate) left_out: [&'static str; 1],
    pub(crate) runs: Vec<RunReport>,
}

/// One run.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    pub(crate) seed: u64,
    pub(crate) held: bool,
    pub(crate) replay: String,
    pub(crate) checkouts: u32,
    pub(crate) sagas: u64,
    pub(crate) stuck: u64,
    pub(crate) violations: usize,
    pub(crate) invariants: usize,
    pub(crate) acknowledged: Acknowledged,
    pub(crate) outcomes: BTreeMap<End, u64>,
    pub(crate) captured_payments: u64,
    pub(crate) kept_minor: i64,
    pub(crate) returned_minor: i64,
    pub(crate) struck: BTreeMap<String, u64>,
    pub(crate) met: Met,
    /// Faults of calls and webhooks at the gateway.
    pub(crate) gateway_faults: BTreeMap<String, u64>,
    /// What a person decided, by the kind of incident.
    pub(crate) decided: BTreeMap<String, u64>,
    pub(crate) compared: Compared,
    pub(crate) workers_gave_up: u64,
    pub(crate) processes_replaced: u64,
    /// Of those, the ones that a troubled wire kept from handing their work over.
    pub(crate) left_in_haste: u64,
    pub(crate) lease_s: u64,
    pub(crate) orphans_ms: Percentiles,
    pub(crate) orphans_disturbed_ms: Percentiles,
    pub(crate) database_restart_ms: Percentiles,
    pub(crate) promise_after_restart_ms: Percentiles,
    pub(crate) crowd_s: f64,
    pub(crate) elapsed_s: f64,
    /// Everything that must not be; empty when all held.
    pub(crate) faults: Vec<String>,
}

/// What was found, before it is put in order.
pub(crate) struct Findings<'a> {
    pub(crate) seed: u64,
    pub(crate) replay: String,
    pub(crate) checkouts: u32,
    pub(crate) lease: Duration,
    pub(crate) journeys: &'a [Journey],
    pub(crate) settled: Settled,
    pub(crate) audit: Audit,
    pub(crate) verdict: Verdict,
    pub(crate) acknowledged: Acknowledged,
    pub(crate) books: &'a GatewayBooks,
    pub(crate) decided: BTreeMap<String, u64>,
    pub(crate) compared: Compared,
    pub(crate) book: Book,
    pub(crate) crowd: Duration,
    pub(crate) elapsed: Duration,
}

impl RunReport {
    /// Puts the findings in order and judges them.
    pub(crate) fn of(findings: Findings<'_>) -> Self {
        let faults = findings.faults();
        let Findings { settled, audit, verdict, acknowledged, book, .. } = findings;
        let mut outcomes: BTreeMap<End, u64> = BTreeMap::new();
        for (end, count) in verdict.ends.values().flatten() {
            let sum = outcomes.entry(*end).or_default();
            *sum = sum.saturating_add(*count);
        }
        Self {
            seed: findings.seed,
            held: faults.is_empty(),
            replay: findings.replay,
            checkouts: findings.checkouts,
            sagas: settled.started,
            stuck: settled.stuck.saturating_add(settled.open),
            violations: audit.violations.len(),
            invariants: audit.invariants.len(),
            acknowledged,
            outcomes,
            captured_payments: verdict.captured,
            kept_minor: verdict.kept_minor,
            returned_minor: verdict.returned_minor,
            struck: book.struck,
            met: book.met,
            gateway_faults: findings.books.faults_met.clone(),
            decided: findings.decided,
            compared: findings.compared,
            workers_gave_up: book.gave_up,
            processes_replaced: book.deployed,
            left_in_haste: book.left_in_haste,
            lease_s: findings.lease.as_secs(),
            orphans_ms: Percentiles::of(book.orphans),
            orphans_disturbed_ms: Percentiles::of(book.orphans_disturbed),
            database_restart_ms: Percentiles::of(book.restarts),
            promise_after_restart_ms: Percentiles::of(book.promises),
            crowd_s: seconds(findings.crowd),
            elapsed_s: seconds(findings.elapsed),
            faults,
        }
    }

    /// A fault found after the figures were put in order.
    pub(crate) fn add_fault(&mut self, fault: String) {
        self.faults.push(fault);
        self.held = false;
    }

    /// Processes killed or frozen, the database's included.
    pub(crate) fn kills(&self) -> u64 {
        let of = |fault: &&str| self.struck.get(*fault).copied().unwrap_or_default();
        ["kill_worker", "freeze_worker", "kill_api", "freeze_api", "crash_database"]
            .iter()
            .map(of)
            .sum()
    }
}

impl Findings<'_> {
    /// Everything that must not be, in words.
    fn faults(&self) -> Vec<String> {
        let complaints = self.journeys.iter().filter_map(|journey| {
            let complaint = journey.complaint.as_ref()?;
            Some(format!("checkout {} ({}): {complaint}", journey.index, journey.scenario))
        });
        let violations = self.audit.violations.iter();
        let lost = self.acknowledged.lost.iter().map(|lost| format!("lost: {lost}"));
        let mut faults: Vec<String> = complaints.collect();
        faults.extend(lost);
        faults.extend_from_slice(&self.verdict.wrong);
        faults.extend_from_slice(&self.settled.listed);
        faults.extend(violations.map(|v| format!("{}: {}: {}", v.invariant, v.subject, v.detail)));
        faults.extend(self.recovery());
        if !self.compared.is_clean {
            faults.push("the last comparison with the gateway still found differences".to_owned());
        }
        let paid = self.verdict.ends.values().flatten();
        let paid = paid.filter(|(end, _)| [End::Paid, End::RefundedInPart].contains(end));
        let paid: u64 = paid.map(|(_, count)| count).sum();
        if paid.saturating_mul(4) < u64::from(self.checkouts) {
            let all = self.checkouts;
            faults.push(format!("only {paid} of {all} checkouts were paid: too few to prove much"));
        }
        faults
    }

    fn recovery(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let limit = self.lease.saturating_mul(LEASES).saturating_add(LOOKED);
        let late = self.book.orphans.iter().filter(|wait| **wait > limit).count();
        if late > 0 {
            faults.push(format!("{late} orphans waited longer than {LEASES} leases"));
        }
        let kinds = self.book.struck.len();
        if self.checkouts >= MUCH && kinds < KINDS {
            faults.push(format!("only {kinds} of {KINDS} kinds of faults came: too little chaos"));
        }
        if self.checkouts >= MUCH && self.book.orphans.is_empty() {
            faults.push("no killed worker held a run: too little chaos".to_owned());
        }
        if self.book.deployed == 0 {
            faults.push("nothing was deployed in the middle".to_owned());
        }
        faults
    }
}

impl Report {
    /// All runs together.
    pub(crate) fn of(tier: Tier, runs: Vec<RunReport>) -> Self {
        Self {
            tier,
            held: runs.iter().all(|run| run.held),
            sagas: runs.iter().map(|run| run.sagas).sum(),
            kills: runs.iter().map(RunReport::kills).sum(),
            violations: runs.iter().map(|run| run.violations).sum(),
            lost: runs.iter().map(|run| run.acknowledged.lost.len()).sum(),
            stuck: runs.iter().map(|run| run.stuck).sum(),
            left_out: ["clock jumps: a process's clock cannot be set without being root"],
            runs,
        }
    }
}

fn seconds(time: Duration) -> f64 {
    let exact = time.as_secs_f64();
    format!("{exact:.1}").parse().unwrap_or(exact)
}
