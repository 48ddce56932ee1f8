//! Whether a cell has the engine's tables.

use sqlx::PgPool;

use crate::error::Error;

/// Refuses a cell that has not the newest of the engine's tables.
pub(crate) async fn check(pool: &PgPool, cell: &str) -> Result<(), Error> {
    let there = sqlx::query_scalar("select to_regclass('setting_actions') is not null")
        .fetch_one(pool)
        .await?;
    if there { Ok(()) } else { Err(Error::NotMigrated { cell: cell.to_owned() }) }
}
