//! The way to the database: a bounded try, and words for what keeps it from working.
//! Its messages name host, port and database, never the password.

use std::time::Duration;

use makegood::{Database, database_words};
use migrations::{FileState, FileStatus, Part};
use sqlx::{ConnectOptions, PgConnection};
use tokio::time::timeout;

use crate::exit::{Exit, Problem};
use crate::settings::DatabaseSettings;

/// How long a server may take to let us in.
const PATIENCE: Duration = Duration::from_secs(5);

/// One connection whose statements find the cell's tables.
pub(crate) async fn connection(database: &DatabaseSettings) -> Result<PgConnection, Problem> {
    let unreachable = || Problem::new(format!("cannot reach PostgreSQL at {}", database.place()));
    match timeout(PATIENCE, database.options.connect()).await {
        Ok(Ok(conn)) => Ok(conn),
        Ok(Err(error)) => Err(unreachable().because(database_words(&error)).next(remedy(&error))),
        Err(_) => Err(unreachable()
            .because(format!("no answer within {} s", PATIENCE.as_secs()))
            .next("check host and port in MAKEGOOD_DATABASE_URL, and firewalls on the way")
            .exit(Exit::TimedOut)),
    }
}

/// The engine's view of a cell that answers and has every table that this binary needs.
pub(crate) async fn migrated(database: &DatabaseSettings) -> Result<Database, Problem> {
    let mut conn = connection(database).await?;
    let files = files(&mut conn, database).await?;
    let pending = files.iter().filter(|file| file.state == FileState::Pending).count();
    if pending > 0 {
        let what = format!("the cell {} is not up to date", database.cell);
        let why = format!("{pending} of {} migrations are not applied", files.len());
        return Err(Problem::new(what).because(why).next("run `makegood migrate` first"));
    }
    database.engine()
}

/// What the cell is meant to have: without any table of the shop's it is the engine's alone.
pub(crate) async fn part(
    conn: &mut PgConnection,
    database: &DatabaseSettings,
) -> Result<Part, Problem> {
    Ok(Part::of(&files(conn, database).await?))
}

async fn files(
    conn: &mut PgConnection,
    database: &DatabaseSettings,
) -> Result<Vec<FileStatus>, Problem> {
    migrations::status(conn, &database.cell).await.map_err(|error| {
        Problem::new("the cell cannot be used").because(error).next("run `makegood doctor`")
    })
}

/// What to do about a refused connection, by what the server or the system said.
fn remedy(error: &sqlx::Error) -> &'static str {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    match (code.as_deref(), error) {
        (Some("28P01" | "28000"), _) => "check user and password in MAKEGOOD_DATABASE_URL",
        (Some("3D000"), _) => "create the database, or name another in MAKEGOOD_DATABASE_URL",
        (Some("53300"), _) => {
            "the server has no connection left: raise its max_connections, or \
                               lower those of the API and the workers"
        }
        (Some("57P03"), _) => "the server is starting or stopping: try again in a moment",
        (_, sqlx::Error::Tls(_)) => "check sslmode and the certificates in MAKEGOOD_DATABASE_URL",
        _ => "start PostgreSQL there, or correct MAKEGOOD_DATABASE_URL (--database-url)",
    }
}
