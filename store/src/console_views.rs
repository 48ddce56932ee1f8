//! Lists of runs that console users keep, each under a name of its keeper's.

use crate::{Conn, Result, row};

/// A list that somebody keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What its keeper calls it.
    pub name: String,
    /// Which runs it shows, as the console's address says it.
    pub query: String,
}

/// The lists of one person, by name.
pub async fn of(conn: &mut Conn, keeper: &str) -> Result<Vec<View>> {
    let rows = sqlx::query("select name, query from console_views where keeper = $1 order by name")
        .bind(keeper)
        .fetch_all(conn)
        .await?;
    let read =
        |found| Ok(View { name: row::get(found, "name")?, query: row::get(found, "query")? });
    rows.iter().map(read).collect()
}

/// Keeps a list; `false` when the person has `most` others already.
pub async fn keep(
    conn: &mut Conn,
    keeper: &str,
    name: &str,
    query: &str,
    most: i64,
) -> Result<bool> {
    let kept = sqlx::query(
        "insert into console_views (keeper, name, query)
         select $1, $2, $3
         from (
           select count(*) as others
           from console_views
           where keeper = $1 and name <> $2
         ) x
         where x.others < $4
         on conflict (keeper, name) do update
         set query = excluded.query",
    )
    .bind(keeper)
    .bind(name)
    .bind(query)
    .bind(most)
    .execute(conn)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// Forgets a list.
pub async fn remove(conn: &mut Conn, keeper: &str, name: &str) -> Result<()> {
    sqlx::query("delete from console_views where keeper = $1 and name = $2")
        .bind(keeper)
        .bind(name)
        .execute(conn)
        .await?;
    Ok(())
}
