//! `makegood audit`: every promise of the engine and of the shop, checked in one picture of all
//! tables. It repairs nothing.

use makegood::inspect;
use serde::Serialize;
use sqlx::Connection;

use crate::args::AuditArgs;
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;
use crate::{connect, logging};

/// What was checked and what was found.
#[derive(Debug, Serialize)]
struct Audit {
    cell: String,
    invariants: Vec<&'static str>,
    violations: Vec<Violation>,
}

#[derive(Debug, Serialize)]
struct Violation {
    invariant: String,
    subject: String,
    detail: String,
}

pub(crate) async fn run(args: &AuditArgs) -> Result<Exit, Problem> {
    let (database, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let audit = audit(&database).await?;
    match args.output.output {
        Format::Json => output::json(&audit),
        Format::Table => show(&audit),
    }
    let held = audit.violations.is_empty();
    let (cell, number) = (&audit.cell, audit.invariants.len());
    if held {
        output::say(&format!("All {number} invariants hold in the cell {cell}."));
        return Ok(Exit::Done);
    }
    let found = audit.violations.len();
    output::say(&format!(
        "Violations found in the cell {cell}: {found}. While checkouts run, one may \
         be a moment between two commits: ask again when they are done."
    ));
    Ok(Exit::Failed)
}

async fn audit(database: &DatabaseSettings) -> Result<Audit, Problem> {
    let mut conn = connect::connection(database).await?;
    let mut tx = conn.begin_with("begin isolation level repeatable read, read only").await?;
    let engine = inspect::faults(&mut tx).await?;
    let shop = store::audit::violations(&mut tx).await.map_err(refused)?;
    tx.rollback().await?;
    let engine = engine.into_iter().map(|fault| Violation {
        invariant: fault.invariant.to_owned(),
        subject: fault.subject,
        detail: fault.detail,
    });
    let shop = shop.into_iter().map(|found| Violation {
        invariant: found.invariant.to_owned(),
        subject: found.subject,
        detail: found.detail,
    });
    Ok(Audit {
        cell: database.cell.to_string(),
        invariants: inspect::invariants().chain(store::audit::invariants()).collect(),
        violations: engine.chain(shop).collect(),
    })
}

fn show(audit: &Audit) {
    let rows = audit.invariants.iter().map(|name| {
        let found = audit.violations.iter().filter(|v| v.invariant == *name).count();
        vec![found.to_string(), (*name).to_owned()]
    });
    output::table(&["violations", "invariant"], rows);
    if !audit.violations.is_empty() {
        let rows = audit.violations.iter().map(|violation| {
            let Violation { invariant, subject, detail } = violation;
            vec![invariant.clone(), subject.clone(), detail.clone()]
        });
        output::table(&["invariant", "subject", "what was found"], rows);
    }
}

fn refused(error: store::Error) -> Problem {
    match error {
        store::Error::Database(error) => error.into(),
        other => Problem::new("the shop's tables cannot be read").because(other),
    }
}
