//! `makegood migrate`: brings a cell up to date, or shows where it stands.

use migrations::{FileState, Part, RoleState};
use serde_json::json;

use crate::args::{MigrateArgs, MigrateVerb};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;
use crate::{connect, logging};

pub(crate) async fn run(args: &MigrateArgs) -> Result<Exit, Problem> {
    let (database, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    match &args.verb {
        None => {
            let part = if args.engine_only { Part::Engine } else { Part::Whole };
            apply(&database, part).await
        }
        Some(MigrateVerb::Status { output }) => status(&database, output.output).await,
    }
}

async fn apply(database: &DatabaseSettings, part: Part) -> Result<Exit, Problem> {
    let mut conn = connect::connection(database).await?;
    let migrated = match part {
        Part::Whole => migrations::run(&mut conn, &database.cell).await,
        Part::Engine => migrations::engine(&mut conn, &database.cell).await,
    };
    let report = migrated.map_err(refused)?;
    for file in &report.applied {
        output::data(&format!("applied  {file}"));
    }
    let (applied, already) = (report.applied.len(), report.already);
    output::say(&format!(
        "The cell {} is up to date: {applied} applied now, {already} before.",
        database.cell
    ));
    let role = migrations::APPLICATION_ROLE;
    match report.role {
        RoleState::Granted => output::say(&format!(
            "Processes that log in as members of {role} may change no ledger entry."
        )),
        RoleState::Missing => output::say(&format!(
            "The role {role} is missing and may not be created: create it as an administrator, and \
             migrate again."
        )),
    }
    Ok(Exit::Done)
}

async fn status(database: &DatabaseSettings, format: Format) -> Result<Exit, Problem> {
    let mut conn = connect::connection(database).await?;
    let files = migrations::status(&mut conn, &database.cell).await.map_err(refused)?;
    let rows = files.iter().map(|file| (file.file, word(file.state)));
    match format {
        Format::Json => {
            let rows: Vec<_> = rows.map(|(f, s)| json!({"file": f, "state": s})).collect();
            output::json(&rows);
        }
        Format::Table => {
            let rows = rows.map(|(f, s)| vec![s.to_owned(), f.to_owned()]);
            output::table(&["state", "file"], rows);
        }
    }
    let is = |state| files.iter().any(|file| file.state == state);
    if is(FileState::Changed) {
        output::say("An applied file was changed: restore it, and put the change in a new file.");
        return Ok(Exit::Failed);
    }
    if is(FileState::Pending) {
        output::say("Run `makegood migrate` to apply what is pending.");
    }
    Ok(Exit::Done)
}

fn word(state: FileState) -> &'static str {
    match state {
        FileState::Applied => "applied",
        FileState::Pending => "pending",
        FileState::Changed => "changed",
    }
}

fn refused(error: migrations::Error) -> Problem {
    let next = match &error {
        migrations::Error::UnsupportedServer { .. } => "use PostgreSQL 15 to 18",
        migrations::Error::Changed { .. } | migrations::Error::Unknown { .. } => {
            "run the binary that belongs to this cell, or name another cell with --cell"
        }
        migrations::Error::Statement { .. } => {
            "the file left nothing behind: remove the cause and run it again"
        }
        migrations::Error::Database(_) => "check the user's rights to create schemas and tables",
    };
    Problem::new("the cell cannot be migrated").because(error).next(next)
}
