//! PostgreSQL's own rate: one prepared insert of a small row in each transaction, sixteen clients.
//! What the machine and its disk give; every other figure is told as a multiple of it.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, PgPool};
use tokio::task::JoinSet;

use crate::figures::Rate;
use crate::{Error, Site};

const CLIENTS: u32 = 16;
const WARM_UP: Duration = Duration::from_millis(500);
const STRETCH: Duration = Duration::from_secs(3);
/// The text of a row.
const LENGTH: usize = 300;

/// Measures it, on connections of its own and a table of its own.
pub(crate) async fn measure(site: &Site) -> Result<Rate, Error> {
    sqlx::query(
        "create table if not exists bench_inserts (
           id bigserial primary key,
           at timestamptz not null default now(),
           text text not null
         )",
    )
    .execute(&site.pool)
    .await?;
    let pool = site.database.pool("makegood-bench-inserts", CLIENTS).await?;
    let rate = insert(&pool).await;
    pool.close().await;
    sqlx::query("drop table bench_inserts").execute(&site.pool).await?;
    rate
}

async fn insert(pool: &PgPool) -> Result<Rate, Error> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + STRETCH;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut conn = pool.acquire().await?;
        clients.spawn(async move { insert_until(&mut conn, begin, end).await });
    }
    let mut count = 0_u64;
    while let Some(client) = clients.join_next().await {
        count = count.saturating_add(client??);
    }
    Ok(Rate { count, elapsed: STRETCH })
}

/// How many rows one client inserts between two points in time.
async fn insert_until(
    conn: &mut PgConnection,
    begin: Instant,
    end: Instant,
) -> Result<u64, sqlx::Error> {
    let text = "x".repeat(LENGTH);
    let mut count = 0_u64;
    loop {
        let insert = sqlx::query("insert into bench_inserts (text) values ($1)");
        insert.bind(&text).execute(&mut *conn).await?;
        let now = Instant::now();
        if now >= end {
            return Ok(count);
        }
        if now >= begin {
            count = count.saturating_add(1);
        }
    }
}
