//! Applies the files that a cell lacks, one statement a call, one transaction a file.
//! Never runs twice at once in one cell: an advisory lock keyed by its name keeps others waiting.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::{Cell, Error, FILES, File, RoleState, role, statements};

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The files applied now, in order.
    pub applied: Vec<&'static str>,
    /// How many had been applied before.
    pub already: usize,
    /// What became of the application's role.
    pub role: RoleState,
}

/// Where one file stands in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Applied, with this very text.
    Applied,
    /// Not applied yet.
    Pending,
    /// Applied with another text.
    Changed,
}

/// One file and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// Folder and name.
    pub file: &'static str,
    /// Where it stands.
    pub state: FileState,
}

/// How much of Makegood a cell has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The engine's tables alone: for a program with workflows and tables of its own.
    Engine,
    /// The engine's and the shop's.
    Whole,
}

impl Part {
    /// What a cell with these files is meant to have: one without any of the shop's may be a cell
    /// for the engine alone.
    pub fn of(files: &[FileStatus]) -> Self {
        let shop = |f: &&FileStatus| !is_engine(f.file) && f.state != FileState::Pending;
        if files.iter().any(|file| shop(&file)) { Self::Whole } else { Self::Engine }
    }

    /// Whether a file belongs to it.
    pub fn has(self, file: &str) -> bool {
        self == Self::Whole || is_engine(file)
    }
}

fn is_engine(file: &str) -> bool {
    file.starts_with("engine/")
}

/// Brings `cell` up to date, creating its schema when missing; a second run does nothing.
///
/// Leaves the connection's `search_path` at the cell.
///
/// # Errors
/// An unsupported server, a changed or unknown file, or a failing statement; whole files only stay.
pub async fn run(conn: &mut PgConnection, cell: &Cell) -> Result<Report, Error> {
    migrate(conn, cell, Part::Whole).await
}

/// Brings the engine's tables in `cell` up to date, as [`run`] does, and makes none of the shop's:
/// their names are free for tables of your own.
///
/// # Errors
/// As of [`run`].
pub async fn engine(conn: &mut PgConnection, cell: &Cell) -> Result<Report, Error> {
    migrate(conn, cell, Part::Engine).await
}

async fn migrate(conn: &mut PgConnection, cell: &Cell, part: Part) -> Result<Report, Error> {
    check_server(conn).await?;
    sqlx::query("select set_config('lock_timeout', '60s', false)").execute(&mut *conn).await?;
    let key = format!("makegood.migrate.{cell}");
    sqlx::query("select pg_advisory_lock(hashtextextended($1, 0))")
        .bind(&key)
        .execute(&mut *conn)
        .await?;
    let report = run_locked(conn, cell, part).await;
    sqlx::query("select pg_advisory_unlock(hashtextextended($1, 0))")
        .bind(&key)
        .execute(&mut *conn)
        .await?;
    sqlx::query("reset lock_timeout").execute(&mut *conn).await?;
    report
}

/// Where every file stands in `cell`; changes nothing but the connection's `search_path`.
///
/// # Errors
/// An unsupported server or a failing database.
pub async fn status(conn: &mut PgConnection, cell: &Cell) -> Result<Vec<FileStatus>, Error> {
    check_server(conn).await?;
    enter(conn, cell).await?;
    let applied = applied(conn).await?;
    let state = |file: &File| match applied.get(file.name) {
        None => FileState::Pending,
        Some(checksum) if *checksum == file.checksum() => FileState::Applied,
        Some(_) => FileState::Changed,
    };
    Ok(FILES.iter().map(|file| FileStatus { file: file.name, state: state(file) }).collect())
}

async fn run_locked(conn: &mut PgConnection, cell: &Cell, part: Part) -> Result<Report, Error> {
    // A cell's name needs no quoting, which `Cell` has checked.
    if !exists(conn, cell).await? {
        let create = format!("create schema {cell}");
        sqlx::query(AssertSqlSafe(create)).execute(&mut *conn).await?;
    }
    enter(conn, cell).await?;
    sqlx::query(
        "create table if not exists schema_migrations (
           name text primary key,
           checksum text not null,
           applied_at timestamptz not null default now()
         )",
    )
    .execute(&mut *conn)
    .await?;
    let before = applied(conn).await?;
    if let Some(unknown) = before.keys().find(|name| !FILES.iter().any(|f| f.name == **name)) {
        return Err(Error::Unknown { file: unknown.clone() });
    }
    let mut report = Report { applied: Vec::new(), already: 0, role: RoleState::Missing };
    for file in FILES.iter().filter(|file| part.has(file.name)) {
        match before.get(file.name) {
            Some(checksum) if *checksum == file.checksum() => report.already += 1,
            Some(_) => return Err(Error::Changed { file: file.name.to_owned() }),
            None => {
                apply(conn, file).await?;
                tracing::info!(cell = cell.name(), file = file.name, "migration applied");
                report.applied.push(file.name);
            }
        }
    }
    report.role = role::grant(conn, cell).await?;
    Ok(report)
}

async fn apply(conn: &mut PgConnection, file: &'static File) -> Result<(), Error> {
    let mut tx = conn.begin().await?;
    for (index, statement) in statements(file.sql).into_iter().enumerate() {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut *tx)
            .await
            .map_err(|source| Error::Statement { file: file.name, statement: index + 1, source })?;
    }
    sqlx::query("insert into schema_migrations (name, checksum) values ($1, $2)")
        .bind(file.name)
        .bind(file.checksum())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

async fn check_server(conn: &mut PgConnection) -> Result<(), Error> {
    let row = sqlx::query("select current_setting('server_version_num')::bigint")
        .fetch_one(&mut *conn)
        .await?;
    supported(row.try_get::<i64, _>(0)? / 10_000)
}

fn supported(major: i64) -> Result<(), Error> {
    if (15..=18).contains(&major) { Ok(()) } else { Err(Error::UnsupportedServer { found: major }) }
}

async fn exists(conn: &mut PgConnection, cell: &Cell) -> Result<bool, Error> {
    let row = sqlx::query("select exists (select from pg_namespace where nspname = $1)")
        .bind(cell.name())
        .fetch_one(&mut *conn)
        .await?;
    Ok(row.try_get(0)?)
}

async fn enter(conn: &mut PgConnection, cell: &Cell) -> Result<(), Error> {
    sqlx::query("select set_config('search_path', $1, false)")
        .bind(cell.name())
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// The files applied so far with their checksums; none when the cell does not exist yet.
async fn applied(conn: &mut PgConnection) -> Result<BTreeMap<String, String>, Error> {
    let row = sqlx::query("select to_regclass('schema_migrations') is not null")
        .fetch_one(&mut *conn)
        .await?;
    if !row.try_get::<bool, _>(0)? {
        return Ok(BTreeMap::new());
    }
    let rows =
        sqlx::query("select name, checksum from schema_migrations").fetch_all(&mut *conn).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_from_15_to_18_are_accepted() {
        for major in 15..=18 {
            assert!(supported(major).is_ok(), "{major} is supported");
        }
        for major in [9, 14, 19] {
            assert!(
                matches!(supported(major), Err(Error::UnsupportedServer { found }) if found == major),
                "{major} is refused by number"
            );
        }
    }
}
