//! `makegood audit`: asks every promise and says which are broken.

use serde::Serialize;

use crate::args::AuditArgs;
use crate::audit::{Audit, audit};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;
use crate::{connect, logging};

#[derive(Serialize)]
struct Answer {
    cell: String,
    #[serde(flatten)]
    audit: Audit,
}

pub(crate) async fn run(args: &AuditArgs) -> Result<Exit, Problem> {
    let (database, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let mut conn = connect::connection(&database).await?;
    let part = connect::part(&mut conn, &database).await?;
    let audit = audit(&mut conn, part).await.map_err(refused)?;
    let (number, found) = (audit.invariants.len(), audit.violations.len());
    let cell = database.cell.to_string();
    match args.output.output {
        Format::Json => output::json(&Answer { cell: cell.clone(), audit }),
        Format::Table => show(&audit),
    }
    if found == 0 {
        output::say(&format!("All {number} invariants hold in the cell {cell}."));
        return Ok(Exit::Done);
    }
    output::say(&format!(
        "Violations found in the cell {cell}: {found}. While checkouts run, one may \
         be a moment between two commits: ask again when they are done."
    ));
    Ok(Exit::Failed)
}

fn show(audit: &Audit) {
    let rows = audit.counts().map(|(name, found)| vec![found.to_string(), name.to_owned()]);
    output::table(&["violations", "invariant"], rows);
    if !audit.violations.is_empty() {
        let rows = audit.violations.iter().map(|found| {
            vec![found.invariant.to_owned(), found.subject.clone(), found.detail.clone()]
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
