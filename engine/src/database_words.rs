//! What the database said, in words for a person. The driver's own words name a line of the
//! server's source, which sends people to a line of their SQL.

use sqlx::postgres::PgDatabaseError;

/// An error of the database as a person should read it: its message with the SQLSTATE, and the
/// detail and the hint that the server gave.
///
/// ```
/// assert_eq!(makegood::database_words(&sqlx::Error::PoolTimedOut), sqlx::Error::PoolTimedOut.to_string());
/// ```
pub fn database_words(error: &sqlx::Error) -> String {
    let said =
        error.as_database_error().and_then(|said| said.try_downcast_ref::<PgDatabaseError>());
    said.map_or_else(|| error.to_string(), of_server)
}

fn of_server(said: &PgDatabaseError) -> String {
    let mut words = format!("{} (SQLSTATE {})", said.message(), said.code());
    for (kind, text) in [("", said.detail()), ("hint: ", said.hint())] {
        if let Some(text) = text {
            words.push_str("; ");
            words.push_str(kind);
            words.push_str(text.trim_end_matches('.'));
        }
    }
    words
}

/// The words of any error, with those of the database in it put as [`database_words`] puts them.
pub(crate) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(of_database) = error.downcast_ref::<sqlx::Error>() {
            words = words.replace(&of_database.to_string(), &database_words(of_database));
        }
        cause = error.source();
    }
    words
}
