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
    journey::Journey,
    scenario::{End, Scenario},
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
}

/// What was found, before it is put in order.
pub(crate) struct Findings<'a> {
    pub(crate) args: &'a DemoArgs,
    pub(crate) journeys: &'a [Journey],
    pub(crate) toll: &'a Toll,
    pub(crate) settled: Settled,
    pub(crate) audit: Audit,
    pub(crate) verdict: Verdict,
    pub(crate) commits: u64,
    pub(crate) server_commits: u64,
    pub(crate) crowd: Duration,
    pub(crate) elapsed: Duration,
}

impl Report {
    /// Puts the findings in order and judges them.
    pub(crate) fn of(findings: Findings<'_>) -> Self {
        let faults = findings.faults();
        let Findings { args, journeys, toll, settled, audit, verdict, .. } = findings;
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
            },
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
        let paid = self.verdict.ends.values().flatten().filter(|(end, _)| **end == End::Paid);
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
