//! What a demo came to: as JSON for programs, as tables for people.
//!
//! `latency_ms` is from sending the order to seeing it PAID, over all customers who pay at once
//! (no time to think; waiting for late webhooks and for dead workers included). `reserve_ms` is
//! from sending the order to seeing it RESERVED, `settle_ms` from the gateway's receipt to seeing
//! the order PAID. `commits_per_checkout` counts the commits that carried checkouts on (starts,
//! signals and turns; claims, leases and reads aside), `server_commits_per_checkout` all that the
//! server committed while the crowd was driven, reads and polls of every process included.

use std::{collections::BTreeMap, time::Duration};

use makegood_bench::figures::Percentiles;
use serde::Serialize;

use crate::audit::Audit;

use super::{
    args::DemoArgs,
    chaos::{Toll, kills_for},
    comparison::Compared,
    ends::End,
    gateway_books::GatewayBooks,
    journey::Journey,
    scenario::Scenario,
    settle::Settled,
    truth::Verdict,
};

/// Everything that a demo found out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) checkouts: u32,
    pub(crate) seed: u64,
    pub(crate) held: bool,
    pub(crate) outcomes: BTreeMap<End, u64>,
    pub(crate) scenarios: BTreeMap<Scenario, BTreeMap<End, u64>>,
    pub(crate) worker_kills: u32,
    pub(crate) runs_taken_over: u64,
    pub(crate) audit: AuditReport,
    pub(crate) gateway: GatewayReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chaos: Option<ChaosReport>,
    pub(crate) latency_ms: Percentiles,
    pub(crate) reserve_ms: Percentiles,
    pub(crate) settle_ms: Percentiles,
    pub(crate) commits_per_checkout: f64,
    pub(crate) server_commits_per_checkout: f64,
    pub(crate) checkouts_per_s: f64,
    pub(crate) crowd_s: f64,
    pub(crate) elapsed_s: f64,
    pub(crate) sagas: u64,
    pub(crate) stuck: u64,
    /// Everything that must not be; empty when all held.
    pub(crate) faults: Vec<String>,
}

/// The audit in figures.
#[derive(Debug, Serialize)]
pub(crate) struct AuditReport {
    pub(crate) violations: usize,
    pub(crate) invariants: Vec<&'static str>,
    #[serde(skip)]
    pub(crate) counts: Vec<(&'static str, usize)>,
}

/// The gateway's books in figures.
#[derive(Debug, Serialize)]
pub(crate) struct GatewayReport {
    pub(crate) captured_payments: u64,
    pub(crate) kept_minor: i64,
    pub(crate) returned_minor: i64,
    /// What of that went back because somebody asked for it back from a paid order.
    pub(crate) asked_back_minor: i64,
    /// Refunds that failed, or that a bank sent to the shop again.
    pub(crate) refunds_failed: u64,
}

/// What went wrong by order, and who put it right.
#[derive(Debug, Serialize)]
pub(crate) struct ChaosReport {
    /// Faults of calls and webhooks at the gateway, by what they did.
    pub(crate) faults_met: BTreeMap<String, u64>,
    /// Calls that met the outage.
    pub(crate) calls_refused: u64,
    /// Webhooks of the time in which none was sent.
    pub(crate) webhooks_unsent: u64,
    /// What a person decided, by the kind of incident.
    pub(crate) decided: BTreeMap<String, u64>,
    /// What the comparisons at the end found.
    pub(crate) compared: Compared,
}

impl ChaosReport {
    /// Puts it together.
    pub(crate) fn of(
        books: &GatewayBooks,
        decided: BTreeMap<String, u64>,
        compared: Compared,
    ) -> Self {
        Self {
            faults_met: books.faults_met.clone(),
            calls_refused: books.refused_calls,
            webhooks_unsent: books.webhooks_without_target(),
            decided,
            compared,
        }
    }

    /// What must not be, in words: above all, chaos that did not come.
    fn faults(&self, checkouts: u32) -> Vec<String> {
        let mut faults = Vec::new();
        let Compared { comparisons, flagged, is_clean, .. } = self.compared;
        if !is_clean {
            faults.push(format!("after {comparisons} comparisons the books still differ"));
        }
        if flagged > 0 {
            faults.push(format!("the last comparison left {flagged} findings to a person"));
        }
        let came = [
            ("calls refused in the outage", self.calls_refused),
            ("webhooks unsent", self.webhooks_unsent),
            ("decisions of a person", self.decided.values().sum()),
        ];
        let missing = came.into_iter().filter(|(_, count)| *count == 0);
        faults
            .extend(missing.map(|(what, _)| format!("no {what}: too little chaos to prove much")));
        let kinds = self.faults_met.len();
        if checkouts >= 500 && kinds < 10 {
            faults.push(format!("the gateway had only {kinds} of its 10 kinds of faults"));
        }
        faults
    }
}

/// What was found, before it is put in order.
pub(crate) struct Findings<'a> {
    pub(crate) args: &'a DemoArgs,
    pub(crate) journeys: &'a [Journey],
    pub(crate) toll: &'a Toll,
    pub(crate) settled: Settled,
    pub(crate) audit: Audit,
    pub(crate) verdict: Verdict,
    pub(crate) chaos: Option<ChaosReport>,
    pub(crate) commits: u64,
    pub(crate) server_commits: u64,
    pub(crate) crowd: Duration,
    pub(crate) elapsed: Duration,
}

impl Report {
    /// Puts the findings in order and judges them.
    pub(crate) fn of(findings: Findings<'_>) -> Self {
        let faults = findings.faults();
        let Findings { args, journeys, toll, settled, audit, verdict, chaos, .. } = findings;
        let mut outcomes: BTreeMap<End, u64> = BTreeMap::new();
        for (end, count) in verdict.ends.values().flatten() {
            let sum = outcomes.entry(*end).or_default();
            *sum = sum.saturating_add(*count);
        }
        let waits = |wait: fn(&Journey) -> Option<Duration>| {
            Percentiles::of(journeys.iter().filter_map(wait))
        };
        let each = |count: u64| {
            ratio(Duration::from_secs(count), Duration::from_secs(args.checkouts.into()))
        };
        Self {
            checkouts: args.checkouts,
            seed: args.seed,
            held: faults.is_empty(),
            outcomes,
            scenarios: verdict.ends,
            worker_kills: toll.kills(),
            runs_taken_over: toll.taken_over(),
            audit: AuditReport {
                violations: audit.violations.len(),
                counts: audit.counts().collect(),
                invariants: audit.invariants,
            },
            gateway: GatewayReport {
                captured_payments: verdict.captured,
                kept_minor: verdict.kept_minor,
                returned_minor: verdict.returned_minor,
                asked_back_minor: verdict.asked_back_minor,
                refunds_failed: verdict.refunds_failed,
            },
            chaos,
            latency_ms: waits(|journey| journey.paid_after),
            reserve_ms: waits(|journey| journey.reserved_after),
            settle_ms: waits(|journey| journey.settled_after),
            commits_per_checkout: each(findings.commits),
            server_commits_per_checkout: each(findings.server_commits),
            checkouts_per_s: ratio(Duration::from_secs(args.checkouts.into()), findings.crowd),
            crowd_s: ratio(findings.crowd, Duration::from_secs(1)),
            elapsed_s: ratio(findings.elapsed, Duration::from_secs(1)),
            sagas: settled.started,
            stuck: settled.stuck.saturating_add(settled.open),
            faults,
        }
    }

    /// A fault found after the figures were put in order.
    pub(crate) fn add_fault(&mut self, fault: String) {
        self.faults.push(fault);
        self.held = false;
    }
}

impl Findings<'_> {
    /// Everything that must not be, in words.
    fn faults(&self) -> Vec<String> {
        let complaints = self.journeys.iter().filter_map(|journey| {
            let complaint = journey.complaint.as_ref()?;
            Some(format!("checkout {} ({}): {complaint}", journey.index, journey.scenario))
        });
        let mut faults: Vec<String> = complaints.collect();
        faults.extend_from_slice(&self.verdict.wrong);
        faults.extend_from_slice(&self.settled.listed);
        faults.extend(
            self.audit
                .violations
                .iter()
                .map(|found| format!("{}: {}: {}", found.invariant, found.subject, found.detail)),
        );
        let kills = (self.toll.kills(), kills_for(self.args.checkouts));
        if kills.0 < kills.1 {
            faults.push(format!("{} workers were killed, not {}", kills.0, kills.1));
        }
        let chaos = self.chaos.as_ref().map(|chaos| chaos.faults(self.args.checkouts));
        faults.extend(chaos.unwrap_or_default());
        let was_paid = [End::Paid, End::RefundedInPart, End::Refunded];
        let ends = self.verdict.ends.values().flatten();
        let paid = ends.filter(|(end, _)| was_paid.contains(end));
        let paid: u64 = paid.map(|(_, count)| count).sum();
        if paid.saturating_mul(3) < u64::from(self.args.checkouts) {
            let all = self.args.checkouts;
            faults.push(format!("only {paid} of {all} checkouts were paid: too few to prove much"));
        }
        faults
    }
}

/// Two digits after the point.
fn ratio(of: Duration, to: Duration) -> f64 {
    let exact = of.div_duration_f64(to.max(Duration::from_millis(1)));
    format!("{exact:.2}").parse().unwrap_or(exact)
}
