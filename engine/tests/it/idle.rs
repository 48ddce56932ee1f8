//! An idle worker costs the database next to nothing.

use std::time::Duration;

use devpg::{Cluster, Options};
use makegood::{Client, Database, Worker, WorkerConfig};
use migrations::Cell;
use sqlx::{Connection, PgConnection};

use crate::trades::{Plan, Steps4, registry};

/// Statements that the server was sent, those of this connection aside.
async fn statements(conn: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "select sum(calls)::bigint from public.pg_stat_statements where query not like '%pg_stat%'",
    )
    .fetch_one(conn)
    .await
    .unwrap()
}

/// A server of its own, which counts statements and hears nobody else.
fn server() -> Cluster {
    let options = Options::fast().setting("shared_preload_libraries", "pg_stat_statements");
    Cluster::start(&options).unwrap()
}

#[tokio::test]
async fn an_idle_worker_sends_fewer_than_five_statements_a_second() {
    let server = tokio::task::spawn_blocking(server).await.unwrap();
    let url = server.url("postgres");
    let mut conn = PgConnection::connect(&url).await.unwrap();
    sqlx::query("create extension pg_stat_statements schema public")
        .execute(&mut conn)
        .await
        .unwrap();
    let cell = Cell::new("makegood").unwrap();
    migrations::run(&mut conn, &cell).await.unwrap();
    let database = Database::new(&url, cell.name()).unwrap();
    let worker = Worker::start(&database, registry(), WorkerConfig::default()).await.unwrap();
    let client = Client::connect(&database).await.unwrap();
    sqlx::query("set search_path = makegood").execute(&mut conn).await.unwrap();
    let run = client.start::<Steps4>(&mut conn, "s1", &Plan::new()).await.unwrap().run_id;
    let ended = client.ending::<Steps4>(run, Duration::from_secs(30)).await.unwrap();
    assert!(ended.is_some(), "the worker works, and has a lane to look at");
    // Until it polls as seldom as it ever does.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = statements(&mut conn).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let sent = statements(&mut conn).await - before;
    assert!(sent > 20, "it looks now and then: {sent} in 10 s");
    assert!(sent < 50, "an idle worker sends {sent} statements in 10 s");
    worker.drain().await.unwrap();
    tokio::task::spawn_blocking(move || server.stop()).await.unwrap().unwrap();
}
