//! Every promise of the engine and of the shop, checked in one picture of all tables. It repairs
//! nothing.

use makegood::inspect;
use migrations::Part;
use serde::Serialize;
use sqlx::{Connection, PgConnection};

/// What was checked and what was found.
#[derive(Debug, Serialize)]
pub(crate) struct Audit {
    /// Each invariant's name.
    pub(crate) invariants: Vec<&'static str>,
    /// Each place where one does not hold.
    pub(crate) violations: Vec<Violation>,
}

/// A place where an invariant does not hold.
#[derive(Debug, Serialize)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) subject: String,
    pub(crate) detail: String,
}

/// Asks all invariants of what the cell has.
pub(crate) async fn audit(conn: &mut PgConnection, part: Part) -> Result<Audit, store::Error> {
    let mut tx = conn.begin_with("begin isolation level repeatable read, read only").await?;
    let engine = inspect::faults(&mut tx).await?;
    let shop = match part {
        Part::Whole => store::audit::violations(&mut tx).await?,
        Part::Engine => Vec::new(),
    };
    tx.rollback().await?;
    let engine = engine.into_iter().map(|fault| {
        let inspect::Fault { invariant, subject, detail } = fault;
        Violation { invariant, subject, detail }
    });
    let shop = shop.into_iter().map(|found| {
        let store::audit::Violation { invariant, subject, detail } = found;
        Violation { invariant, subject, detail }
    });
    let of_shop = store::audit::invariants().filter(|_| part == Part::Whole);
    Ok(Audit {
        invariants: inspect::invariants().chain(of_shop).collect(),
        violations: engine.chain(shop).collect(),
    })
}

impl Audit {
    /// Each invariant with the number of its violations.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.invariants.iter().map(|name| {
            (*name, self.violations.iter().filter(|found| found.invariant == *name).count())
        })
    }
}
