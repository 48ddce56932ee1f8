//! What can go wrong in the store; the variant decides the reaction.
//! Never decides by a constraint's name: a distributed server renames them.

/// Why a statement had no effect or gave no row.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such row.
    #[error("not found")]
    NotFound,
    /// A row with the same key exists already.
    #[error("exists already: {0}")]
    Conflict(#[source] sqlx::Error),
    /// A check, a foreign key or a transition table refused the row; trying again will not help.
    #[error("refused by the database: {0}")]
    Refused(#[source] sqlx::Error),
    /// The entries of a ledger transaction do not balance; nothing was written.
    #[error("ledger entries do not balance")]
    Unbalanced,
    /// A row holds something that the program does not know; a person has to look.
    #[error("row not understood: {0}")]
    InvalidRow(String),
    /// The database failed.
    #[error(transparent)]
    Database(sqlx::Error),
}

impl Error {
    /// Whether the whole transaction may simply be tried again.
    ///
    /// True for serialization failures (40001), deadlocks (40P01) and lock timeouts (55P03).
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) => error
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code)
                .is_some_and(|code| matches!(&*code, "40001" | "40P01" | "55P03")),
            Self::NotFound
            | Self::Conflict(_)
            | Self::Refused(_)
            | Self::Unbalanced
            | Self::InvalidRow(_) => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::RowNotFound) {
            return Self::NotFound;
        }
        let state = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        match state.as_deref() {
            Some("23505") => Self::Conflict(error),
            Some("23502" | "23503" | "23514") => Self::Refused(error),
            _ => Self::Database(error),
        }
    }
}
