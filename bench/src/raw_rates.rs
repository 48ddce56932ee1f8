//! PostgreSQL's own rates: small transactions of prepared statements, sixteen clients.
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

const INSERT: &str = "insert into bench_inserts (text) values ($1)";
const SELL: &str = "update bench_stock set stock = stock - 1 where sku = $1 and stock >= 1";
const KEEP: &str = "insert into bench_kept (sku) values ($1)";

/// Inserts of a row of 300 bytes.
pub(crate) async fn inserts(site: &Site) -> Result<Rate, Error> {
    let make = "create table bench_inserts (
                  id bigserial primary key,
                  at timestamptz not null default now(),
                  text text not null
                )";
    sqlx::query(make).execute(&site.pool).await?;
    let rate = rate(site, &[INSERT], &"x".repeat(LENGTH)).await;
    sqlx::query("drop table bench_inserts").execute(&site.pool).await?;
    rate
}

/// Sales of one product, by whoever has the lock of its row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OneRow {
    /// The update alone: no order is told, and nobody knows who has the unit.
    pub(crate) bare: Rate,
    /// The update, and the row that says who has the unit, in one transaction.
    pub(crate) kept: Rate,
}

/// Sales of one product, each in a transaction of its own that takes the lock of its row.
pub(crate) async fn one_row_sales(site: &Site) -> Result<OneRow, Error> {
    let make = "create table bench_stock (
                  sku text primary key,
                  stock bigint not null check (stock >= 0)
                ) with (fillfactor = 50)";
    sqlx::query(make).execute(&site.pool).await?;
    let fill = "insert into bench_stock (sku, stock) values ($1, 1000000000)";
    sqlx::query(fill).bind("one").execute(&site.pool).await?;
    let make = "create table bench_kept (
                  id bigserial primary key,
                  sku text not null,
                  at timestamptz not null default now()
                )";
    sqlx::query(make).execute(&site.pool).await?;
    let bare = rate(site, &[SELL], "one").await?;
    let kept = rate(site, &[SELL, KEEP], "one").await?;
    sqlx::query("drop table bench_stock, bench_kept").execute(&site.pool).await?;
    Ok(OneRow { bare, kept })
}

async fn rate(site: &Site, sql: &'static [&'static str], text: &str) -> Result<Rate, Error> {
    let pool = site.database.pool("makegood-bench-clients", CLIENTS).await?;
    let rate = repeat(&pool, sql, text).await;
    pool.close().await;
    rate
}

async fn repeat(pool: &PgPool, sql: &'static [&'static str], text: &str) -> Result<Rate, Error> {
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
    (sql, text): (&'static [&'static str], &str),
    begin: Instant,
    end: Instant,
) -> Result<u64, sqlx::Error> {
    let mut count = 0_u64;
    loop {
        carry_out(&mut *conn, sql, text).await?;
        let now = Instant::now();
        if now >= end {
            return Ok(count);
        }
        if now >= begin {
            count = count.saturating_add(1);
        }
    }
}

/// One transaction: a statement alone is one by itself.
async fn carry_out(
    conn: &mut PgConnection,
    sql: &'static [&'static str],
    text: &str,
) -> Result<(), sqlx::Error> {
    if let [alone] = sql {
        return sqlx::query(*alone).bind(text).execute(conn).await.map(|_| ());
    }
    sqlx::query("begin").execute(&mut *conn).await?;
    for statement in sql {
        sqlx::query(*statement).bind(text).execute(&mut *conn).await?;
    }
    sqlx::query("commit").execute(conn).await.map(|_| ())
}
