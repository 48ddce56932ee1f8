//! Every invariant of the engine and of the shop, asked of one picture of all tables.

use makegood::inspect;
use sqlx::PgPool;

/// The engine's invariants, in the order in which they are asked.
const ENGINE: [&str; 8] = [
    "a live run has a task",
    "an ended run has no task",
    "a live run has a lease, a due time, a dated wait or an incident",
    "a run is held by a living worker",
    "an open incident belongs to a stuck run",
    "a record has no gap",
    "a step is recorded once",
    "a compensated run has undone every step",
];

/// What the audit found.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// Each invariant with the number of its violations.
    pub(crate) invariants: Vec<(String, u64)>,
    /// Each violation, in words.
    pub(crate) violations: Vec<String>,
}

/// Asks all invariants.
pub(crate) async fn audit(pool: &PgPool) -> anyhow::Result<Audit> {
    let mut audit = Audit::default();
    let names = ENGINE.into_iter().chain(store::audit::invariants());
    audit.invariants.extend(names.map(|name| (name.to_owned(), 0)));
    let mut tx = pool.begin_with("begin isolation level repeatable read read only").await?;
    for fault in inspect::faults(&mut tx).await? {
        audit.add(&fault.invariant, &format!("{}: {}", fault.subject, fault.detail));
    }
    for violation in store::audit::violations(&mut tx).await? {
        audit.add(violation.invariant, &format!("{}: {}", violation.subject, violation.detail));
    }
    tx.commit().await?;
    Ok(audit)
}

impl Audit {
    fn add(&mut self, invariant: &str, what: &str) {
        let known = self.invariants.iter_mut().find(|(name, _)| name == invariant);
        match known {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.invariants.push((invariant.to_owned(), 1)),
        }
        self.violations.push(format!("{invariant}: {what}"));
    }
}
