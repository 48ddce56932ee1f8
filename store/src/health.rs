//! Whether the cell can be used: its migrations.
//! Never changes anything, and never waits for a lock.

use sqlx::Row;

use crate::{Conn, Result};

/// The names of the migrations that were applied, in order.
pub async fn migrations(conn: &mut Conn) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "select name
         from schema_migrations
         order by applied_at, name",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok(row.try_get("name")?)).collect()
}
