//! PostgreSQL's own rates: one prepared statement in each transaction, sixteen clients.
//! What the machine and its disk give; every other figure is told as a multiple of one of them.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, PgPool};
use tokio::task::JoinSet;

use crate::figures::Rate;
use crate::{Error, Site};

const CLIENTS: u32 = 16;
const WARM_UP: Duration = Duration::from_millis(500);
const STRETCH: Duration = Duration::from_secs(3);
/// The text of an inserted row.
const LENGTH: usize = 300;

/// Inserts of a row of 300 bytes.
pub(crate) async fn inserts(site: &Site) -> Result<Rate, Error> {
    let make = "create table bench_inserts (
                  id bigserial primary key,
                  at timestamptz not null default now(),
                  text text not null
                )";
    sqlx::query(make).execute(&site.pool).await?;
    let insert = "insert into bench_inserts (text) values ($1)";
    let rate = rate(site, insert, &"x".repeat(LENGTH)).await;
    sqlx::query("drop table bench_inserts").execute(&site.pool).await?;
    rate
}

/// Sales of one product, each by an update of its one row: what a shop does that has nothing else.
pub(crate) async fn one_row_sales(site: &Site) -> Result<Rate, Error> {
    let make = "create table bench_stock (
                  sku text primary key,
                  stock bigint not null check (stock >= 0)
                ) with (fillfactor = 50)";
    sqlx::query(make).execute(&site.pool).await?;
    let fill = "insert into bench_stock (sku, stock) values ($1, 1000000000)";
    sqlx::query(fill).bind("one").execute(&site.pool).await?;
    let sell = "update bench_stock set stock = stock - 1 where sku = $1 and stock >= 1";
    let rate = rate(site, sell, "one").await;
    sqlx::query("drop table bench_stock").execute(&site.pool).await?;
    rate
}

async fn rate(site: &Site, sql: &'static str, text: &str) -> Result<Rate, Error> {
    let pool = site.database.pool("makegood-bench-clients", CLIENTS).await?;
    let rate = repeat(&pool, sql, text).await;
    pool.close().await;
    rate
}

async fn repeat(pool: &PgPool, sql: &'static str, text: &str) -> Result<Rate, Error> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + STRETCH;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (mut conn, text) = (pool.acquire().await?, text.to_owned());
        clients.spawn(async move { repeat_until(&mut conn, (sql, &text), begin, end).await });
    }
    let mut count = 0_u64;
    while let Some(client) = clients.join_next().await {
        count = count.saturating_add(client??);
    }
    Ok(Rate { count, elapsed: STRETCH })
}

/// How often one client gets it done between two points in time.
async fn repeat_until(
    conn: &mut PgConnection,
    (sql, text): (&'static str, &str),
    begin: Instant,
    end: Instant,
) -> Result<u64, sqlx::Error> {
    let mut count = 0_u64;
    loop {
        sqlx::query(sql).bind(text).execute(&mut *conn).await?;
        let now = Instant::now();
        if now >= end {
            return Ok(count);
        }
        if now >= begin {
            count = count.saturating_add(1);
        }
    }
}
