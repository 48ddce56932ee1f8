//! Every invariant of the engine and of the shop, asked of one picture of all tables.

use makegood::inspect;
use sqlx::PgPool;

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
    let names = inspect::invariants().chain(store::audit::invariants());
    audit.invariants.extend(names.map(|name| (name.to_owned(), 0)));
    let mut tx = pool.begin_with("begin isolation level repeatable read read only").await?;
    for fault in inspect::faults(&mut tx).await? {
        audit.add(fault.invariant, &format!("{}: {}", fault.subject, fault.detail));
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
