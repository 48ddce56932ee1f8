//! What can go wrong while migrating, each with what to do about it.

/// Why a cell could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's version is outside 15 to 18.
    #[error("PostgreSQL {found} is not supported; use version 15, 16, 17 or 18")]
    UnsupportedServer {
        /// The server's major version.
        found: i64,
    },
    /// A file that was applied has another text now; files are never edited, add a new one.
    #[error("{file} was changed after it was applied; restore it and put the change in a new file")]
    Changed {
        /// The changed file.
        file: String,
    },
    /// The cell was migrated by a newer binary.
    #[error("the cell has {file}, which this binary does not know; use a newer one")]
    Unknown {
        /// The file that this binary lacks.
        file: String,
    },
    /// A statement of a file failed; the file left nothing behind.
    #[error("{file}, statement {statement}: {source}")]
    Statement {
        /// The file.
        file: &'static str,
        /// Which statement of it, from 1.
        statement: usize,
        /// The server's word.
        source: sqlx::Error,
    },
    /// The database failed outside any file.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}
