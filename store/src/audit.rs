//! The shop's invariants, one query each.
//! Never repairs anything, and never locks: it reads what was committed.

mod money;
mod stock;

use sqlx::Row;

use crate::{Conn, Result};

/// A promise that the tables break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub invariant: &'static str,
    /// The row that breaks it: an order, a SKU, a payment.
    pub subject: String,
    /// What is wrong with it.
    pub detail: String,
}

struct Check {
    invariant: &'static str,
    /// Answers the columns `subject` and `detail`, a row for each violation.
    sql: &'static str,
}

/// Every violation there is, at most 100 of each invariant.
///
/// While sagas run, a capture may be open for a moment after its order has ended: ask again when
/// they are done. Use a REPEATABLE READ transaction for one picture of all tables.
pub async fn violations(conn: &mut Conn) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    for check in stock::CHECKS.iter().chain(money::CHECKS) {
        for row in sqlx::query(check.sql).fetch_all(&mut *conn).await? {
            found.push(Violation {
                invariant: check.invariant,
                subject: row.try_get("subject")?,
                detail: row.try_get("detail")?,
            });
        }
    }
    Ok(found)
}

/// The names of all invariants, in the order in which they are asked.
pub fn invariants() -> impl Iterator<Item = &'static str> {
    stock::CHECKS.iter().chain(money::CHECKS).map(|check| check.invariant)
}
