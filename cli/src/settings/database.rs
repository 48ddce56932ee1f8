//! The database and the cell in it.

use makegood::Database;
use migrations::{Cell, database_url};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

use super::{Faults, OPERATOR_LOG, Surroundings};
use crate::args::DatabaseArgs;
use crate::exit::Problem;

const VARIABLE: &str = "MAKEGOOD_DATABASE_URL";

/// Where the tables are, checked as far as possible without asking the server.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseSettings {
    url: SecretString,
    /// How to connect; the password is in it.
    pub(crate) options: PgConnectOptions,
    /// The schema.
    pub(crate) cell: Cell,
}

impl DatabaseSettings {
    /// Reads the database's settings beside others.
    pub(crate) fn read(args: &DatabaseArgs, faults: &mut Faults) -> Option<Self> {
        let next = "use a lower-case letter, then up to 40 lower-case letters, digits and _";
        let cell = faults.parse::<Cell>("MAKEGOOD_CELL", &args.cell, next);
        let url = args.database_url.as_ref().map(|url| url.expose_secret().trim());
        let url = url.unwrap_or_default();
        let next = "set a PostgreSQL URL such as postgres://user@host:5432/shop";
        if let Err(error) = database_url::check(url) {
            let why = match error {
                database_url::UrlError::Missing => "is not set".to_owned(),
                other => format!("cannot be used: {other}"),
            };
            faults.add(VARIABLE, why, next);
            return None;
        }
        // What the parser says of a bad URL may repeat the password in it.
        let Ok(options) = url.parse::<PgConnectOptions>() else {
            faults.add(VARIABLE, "cannot be read as a URL", next);
            return None;
        };
        let cell = cell?;
        let options =
            options.application_name("makegood-cli").options([("search_path", cell.name())]);
        Some(Self { url: SecretString::from(url), options, cell })
    }

    /// Reads all that a command for operators needs.
    pub(crate) fn of_operator(args: &DatabaseArgs) -> Result<(Self, Surroundings), Problem> {
        let mut faults = Faults::default();
        let surroundings = Surroundings::read(&args.surroundings, OPERATOR_LOG, &mut faults);
        let database = Self::read(args, &mut faults);
        faults.settle(database.map(|database| (database, surroundings)))
    }

    /// The engine's view of it.
    pub(crate) fn engine(&self) -> Result<Database, Problem> {
        Database::new(self.url.expose_secret(), self.cell.name())
            .map_err(|_| Problem::new("the database URL cannot be used"))
    }

    /// Host, port and database, for people; never the password.
    pub(crate) fn place(&self) -> String {
        let options = &self.options;
        let host = options.get_socket().map_or_else(
            || format!("{}:{}", options.get_host(), options.get_port()),
            |socket| socket.display().to_string(),
        );
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        format!("{host}, database {database}")
    }
}
