//! A migrated cell with the desk's tables, dropped with its guard.

use std::path::Path;
use std::sync::OnceLock;

use makegood::testkit::{Place, Result};
use migrations::Cell;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::printer::Printer;

const TABLES: &[&str] = &[
    "create table books (title text primary key, copies int not null check (copies >= 0))",
    "create table loans (loan text primary key, reader text not null, title text not null,
       state text not null)",
    "create table ledger (entry bigint generated always as identity primary key,
       reader text not null, cents int not null, why text not null)",
    "create table notices (notice bigint generated always as identity primary key,
       text text not null)",
];

/// Drops its cell.
struct Guard {
    url: String,
    cell: Cell,
}

/// The server for tests, alive until this process ends.
fn server() -> &'static str {
    static SERVER: OnceLock<devpg::shared::Shared> = OnceLock::new();
    SERVER
        .get_or_init(|| devpg::shared::url(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap())
        .base_url()
}

/// A cell and a printer that nobody else uses.
pub async fn fresh_desk() -> Result<Place> {
    let url = server();
    let cell = Cell::new(&format!("k_{}", Uuid::now_v7().simple()))?;
    let mut conn = PgConnection::connect(url).await?;
    let mut tx = conn.begin().await?;
    let name = cell.name();
    let schema = format!("create schema {name}; set local search_path = {name}");
    sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut *tx).await?;
    // The engine's own tables alone: a hundred desks are opened, and no shop.
    let engine = migrations::FILES.iter().filter(|file| file.name.starts_with("engine/"));
    for file in engine {
        sqlx::raw_sql(file.sql).execute(&mut *tx).await?;
    }
    for sql in TABLES {
        sqlx::query(*sql).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    let printer = Printer::start().await?;
    let place = Place::new(url, cell.name()).with("printer", printer.address());
    Ok(place.keeping(Guard { url: url.to_owned(), cell }).keeping(printer))
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (url, sql) = (self.url.clone(), format!("drop schema {} cascade", self.cell));
        let dropped = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut conn = PgConnection::connect(&url).await.unwrap();
                sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
            });
        });
        dropped.join().unwrap();
    }
}
