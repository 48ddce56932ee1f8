//! The application's role: it may write every table of the cell, and change none that only grows.
//! The triggers refuse such changes to everybody; the role has not even the right to ask.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::{Cell, Error};

/// The role that the API and the workers act as: log in as a member of it.
pub const APPLICATION_ROLE: &str = "makegood_app";

/// Tables of the shop to which rows are only ever added.
pub const ONLY_GROW: [&str; 5] =
    ["ledger_transactions", "ledger_entries", "order_events", "stock_movements", "console_actions"];

/// Tables whose rows are never changed: they move into the archive as they are.
const NEVER_CHANGE: &str = "operator_actions, kept_actions";

/// What became of the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleState {
    /// It has the rights that it needs in this cell, and no more.
    Granted,
    /// It does not exist, and whoever migrates may not create it.
    Missing,
}

/// Gives the application's role its rights in the cell, creating it when that is allowed.
pub(crate) async fn grant(conn: &mut PgConnection, cell: &Cell) -> Result<RoleState, Error> {
    if !exists(conn).await? && !create(conn).await? {
        return Ok(RoleState::Missing);
    }
    let role = APPLICATION_ROLE;
    let mut wanted = vec![
        format!("grant usage on schema {cell} to {role}"),
        format!("grant select, insert, update, delete on all tables in schema {cell} to {role}"),
        format!("grant usage, select on all sequences in schema {cell} to {role}"),
        format!("revoke update, truncate on {NEVER_CHANGE} from {role}"),
        format!("revoke update, delete, truncate on setting_actions from {role}"),
        format!("revoke insert, update, delete on schema_migrations from {role}"),
    ];
    // A cell of the engine alone has none of these.
    for table in there(conn).await? {
        wanted.push(format!("revoke update, delete, truncate on {table} from {role}"));
    }
    // No name here needs quoting; one statement a call, as everywhere.
    for sql in wanted {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *conn).await?;
    }
    Ok(RoleState::Granted)
}

/// The tables that only grow, as far as the cell has them: one of the engine alone may have tables
/// of those names that are somebody else's.
async fn there(conn: &mut PgConnection) -> Result<Vec<String>, Error> {
    let row = sqlx::query(
        "select array(select t.name from unnest($1::text[]) t (name)
                      where to_regclass(t.name) is not null
                        and exists (select from schema_migrations m where m.name like 'shop/%'))",
    )
    .bind(ONLY_GROW.as_slice())
    .fetch_one(conn)
    .await?;
    Ok(row.try_get(0)?)
}

async fn exists(conn: &mut PgConnection) -> Result<bool, Error> {
    let row = sqlx::query("select exists (select from pg_roles where rolname = $1)")
        .bind(APPLICATION_ROLE)
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

/// Whether the role is there now: another cell's migration may have been faster.
async fn create(conn: &mut PgConnection) -> Result<bool, Error> {
    let may = "select rolsuper or rolcreaterole from pg_roles where rolname = current_user";
    if !sqlx::query(may).fetch_one(&mut *conn).await?.try_get::<bool, _>(0)? {
        return Ok(false);
    }
    let create = format!("create role {APPLICATION_ROLE} nologin");
    match sqlx::query(AssertSqlSafe(create)).execute(&mut *conn).await {
        Ok(_) => Ok(true),
        Err(refused) => {
            if exists(conn).await? {
                Ok(true)
            } else {
                Err(refused.into())
            }
        }
    }
}
