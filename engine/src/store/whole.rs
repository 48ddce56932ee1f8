//! What takes several statements, done whole: in the caller's transaction, or in one of its own.

use sqlx::{Connection, PgConnection, Postgres, Row, Transaction};

/// The transaction in which something is done.
pub(crate) enum Whole<'c> {
    /// Committed, or rolled back, by the caller.
    Callers(&'c mut PgConnection),
    /// The caller is in none, and would be left with half of it by a crash between two statements.
    Own(Transaction<'c, Postgres>),
}

impl<'c> Whole<'c> {
    /// Begins one unless the connection is in one.
    pub(crate) async fn on(conn: &'c mut PgConnection) -> Result<Self, sqlx::Error> {
        if is_in_transaction(conn).await? {
            return Ok(Self::Callers(conn));
        }
        Ok(Self::Own(conn.begin().await?))
    }

    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        match self {
            Self::Callers(conn) => conn,
            Self::Own(tx) => tx,
        }
    }

    /// Ends what it began: what failed has not happened.
    pub(crate) async fn end<T, E: From<sqlx::Error>>(self, done: Result<T, E>) -> Result<T, E> {
        match self {
            Self::Callers(_) => {}
            Self::Own(tx) if done.is_ok() => tx.commit().await?,
            Self::Own(tx) => tx.rollback().await?,
        }
        done
    }
}

/// Whether the connection is in a transaction, be it one that was begun by hand: a statement by
/// itself is a transaction that is as old as the statement, if it comes in one message.
async fn is_in_transaction(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    if conn.is_in_transaction() {
        return Ok(true);
    }
    let row = sqlx::raw_sql("select now() <> statement_timestamp()").fetch_one(conn).await?;
    row.try_get(0)
}
