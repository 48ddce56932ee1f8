//! A world for one run: a cell with the examples' tables, and a world outside of its own.

use std::path::Path;
use std::sync::OnceLock;

use makegood::Registry;
use makegood::testkit::{Place, Result, Stage};
use makegood_examples::outside::{Client, Service};
use makegood_examples::stage;
use migrations::Cell;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// Drops its cell.
struct Guard {
    url: String,
    cell: Cell,
}

/// The server for tests, alive until this process ends.
fn server() -> &'static str {
    static SERVER: OnceLock<devpg::shared::Shared> = OnceLock::new();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    SERVER.get_or_init(|| devpg::shared::url(folder).unwrap()).base_url()
}

/// A world that nobody else uses.
pub(crate) async fn fresh() -> Result<Place> {
    let url = server();
    let cell = Cell::new(&format!("k_{}", Uuid::now_v7().simple()))?;
    let mut conn = PgConnection::connect(url).await?;
    let name = cell.name();
    let schema = format!("create schema {name}; set search_path = {name}");
    sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut conn).await?;
    // The engine's own tables alone: hundreds of worlds are made, and no shop.
    let engine = migrations::FILES.iter().filter(|file| file.name.starts_with("engine/"));
    for file in engine {
        sqlx::raw_sql(file.sql).execute(&mut conn).await?;
    }
    stage::create_tables(&mut conn).await?;
    conn.close().await?;
    let outside = Service::start().await?;
    let place = Place::new(url, cell.name()).with("outside", outside.url());
    Ok(place.keeping(Guard { url: url.to_owned(), cell }).keeping(outside))
}

/// What a worker in that world knows.
pub(crate) fn registry(place: &Place) -> Result<Registry> {
    Ok(makegood_examples::registry(&Client::new(place.setting("outside")?)?))
}

/// What stands in the world outside.
pub(crate) fn standing(stage: &Stage) -> Result<Vec<String>> {
    Ok(stage.place().kept::<Service>()?.standing())
}

/// The lines of a query of one text column.
pub(crate) async fn lines(stage: &Stage, sql: &'static str) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(sql).fetch_all(stage.pool()).await?)
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
